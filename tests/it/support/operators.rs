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
    options.name = name.to_owned();
    options.args = settings.operator.clone();
    options.args.extend(["--watch-namespaces".to_owned(), watched.to_owned()]);
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

/// No secret of a test stands in the text.
pub fn holds_no_secret(output: &str, text: &str) -> Result<()> {
    for secret in [objects::CLIENT_SECRET, objects::STRIPE_KEY] {
        ensure!(!text.contains(secret), "{output} hold a secret");
    }
    Ok(())
}
