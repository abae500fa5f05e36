//! Operator processes of a world: how they are started, what they may, and what must hold of all that they show.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use kube::api::{Api, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use testbed::{Operator, OperatorOptions, Simulator};

use super::objects;
use super::world::Settings;

/// Starts an operator under the service account. `name` is that of its log and, if it has one, of its lease.
pub fn start_operator(
    kubeconfig: &Path,
    sim: &Simulator,
    settings: &Settings,
    name: &str,
    lease_namespace: &str,
    watched: &str,
) -> Result<Operator> {
    let mut options = OperatorOptions::new(kubeconfig, sim.aep_url(), sim.ims_url());
    name.clone_into(&mut options.name);
    options.args.clone_from(&settings.operator);
    options.args.extend(["--watch-namespaces".to_owned(), watched.to_owned()]);
    options.args.extend(["--instance".to_owned(), format!("{name}-{:08x}", rand::random::<u32>())]);
    if settings.elect {
        options.args.push("--leader-elect".to_owned());
        options.args.extend(["--lease-name", name, "--lease-namespace", lease_namespace].map(str::to_owned));
    }
    options.env.push(("RUST_LOG".to_owned(), "info,aep_operator=debug".to_owned()));
    Operator::start(options)
}

/// Names of the leases that operators of a world may use.
pub const LEASES: [&str; 2] = ["aep-operator", "aep-operator-b"];

/// Gives the operator the rights of its role on leases in a namespace of the test, in the place of its own.
pub async fn grant_lease(client: &Client, namespace: &str) -> Result<()> {
    let file = testbed::binaries::workspace_root().join("deploy/rbac/10-operator.yaml");
    let objects: Vec<Value> = serde_saphyr::from_multiple(&std::fs::read_to_string(file)?)?;
    for mut object in objects {
        if object["metadata"]["namespace"] != "aep-operator-system" {
            continue;
        }
        object["metadata"]["namespace"] = json!(namespace);
        for rule in object["rules"].as_array_mut().into_iter().flatten() {
            if rule["resourceNames"].is_array() {
                rule["resourceNames"] = json!(LEASES);
            }
        }
        let kind = object["kind"].as_str().context("an object has a kind")?;
        let kind = GroupVersionKind::gvk("rbac.authorization.k8s.io", "v1", kind);
        let api: Api<DynamicObject> =
            Api::namespaced_with(client.clone(), namespace, &ApiResource::from_gvk(&kind));
        let object: DynamicObject = serde_json::from_value(object)?;
        let name = object.name_any();
        api.create(&PostParams::default(), &object).await.with_context(|| format!("create {name}"))?;
    }
    Ok(())
}

/// What has to hold of what an operator shows of itself: no defect, no panic, no secret.
pub async fn check_outputs(operator: &Operator) -> Result<()> {
    let log = operator.log_tail(usize::MAX);
    for defect in ["panicked", "\"class\":\"Bug\""] {
        ensure!(!log.contains(defect), "the log holds {defect}:\n{}", operator.log_tail(30));
    }
    holds_no_secret("log", &log)?;
    // A process that has ended shows no page.
    holds_no_secret("metrics", &operator.metrics().await.unwrap_or_default())
}

/// The value of one series of the metrics page, zero for one that is not there. `labels` are a part of those it has, in any order.
pub fn value(page: &str, metric: &str, labels: &[(&str, &str)]) -> u64 {
    let wanted: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    let series = page.lines().filter_map(|line| line.strip_prefix(metric)?.rsplit_once(' '));
    series
        .filter(|(labels, _)| labels.is_empty() || labels.starts_with('{'))
        .filter(|(labels, _)| wanted.iter().all(|label| labels.contains(label)))
        .filter_map(|(_, value)| value.parse::<u64>().ok())
        .sum()
}

/// No secret of a test stands in the text.
pub fn holds_no_secret(output: &str, text: &str) -> Result<()> {
    for secret in [objects::CLIENT_SECRET, objects::STRIPE_KEY] {
        ensure!(!text.contains(secret), "{output} hold a secret");
    }
    Ok(())
}
