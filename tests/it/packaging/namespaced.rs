//! A release without any cluster role, limited to Secrets of certain names, on the control plane of the packaging tests.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use serde_json::json;
use testbed::{AuditLog, ControlPlane, Simulator, SimulatorOptions};

use super::{a_pod_is_admitted, path, plane, restricted_namespace, rights, start_operator, test_values};
use crate::support::World;
use crate::support::objects::{base, chain, secret, with};

const TENANTS: [&str; 2] = ["tenant-a", "tenant-b"];
const USER: &str = "system:serviceaccount:tenant-a:aep-operator";

async fn install(plane: &ControlPlane, sim: &Simulator) -> Result<()> {
    for tenant in TENANTS {
        restricted_namespace(plane, tenant).await?;
    }
    let chart = path("charts/aep-operator").to_string_lossy().into_owned();
    let mut args: Vec<String> =
        ["--namespace=tenant-a", "install", "aep-operator", &chart, "--wait=hookOnly"]
            .map(str::to_owned)
            .to_vec();
    args.extend(test_values(sim));
    args.extend(
        [
            "--set=crds.enabled=false",
            "--set=watchNamespaces={tenant-a,tenant-b}",
            "--set=clusterId=packaging",
            "--set=secrets.names={aep-credentials,stripe}",
        ]
        .map(str::to_owned),
    );
    plane.run_helm(&args).await?;
    a_pod_is_admitted(plane, "tenant-a").await
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_in_two_namespaces_and_two_secret_names_are_enough() -> Result<()> {
    let plane = plane().await?;
    let sim = Simulator::start(SimulatorOptions::default()).await?;
    install(plane, &sim).await?;
    let operator = start_operator(plane, "tenant-a", &sim).await?;
    let world = World::around(plane, "tenant-a", sim, operator).await?;
    super::a_refused_flow_is_tried_again(&world.sim).await?;
    world.apply_all(&chain("charges", "charges")).await?;
    world.wait_all_ready(4).await?;
    both_namespaces_are_served(&world).await?;
    another_name_is_refused_by_us_and_not_asked_for(&world).await?;
    super::a_bad_secret_is_noticed_and_mended(&world).await?;
    super::a_bad_secret_is_noticed_and_mended(&world).await?;
    a_deleted_secret_is_held(&world).await?;
    world.delete_everything().await?;
    nothing_holds_the_secrets(&world).await?;
    let given = rights::given(plane, &TENANTS).await?;
    the_rights_are_minimal_and_sufficient(&given, &plane.audit_log()?.by(USER))?;
    world.check_invariants().await
}

async fn both_namespaces_are_served(world: &World) -> Result<()> {
    let bases: Api<aep_operator::api::StripeBaseConnection> =
        Api::namespaced(world.client.clone(), TENANTS[1]);
    let object = serde_json::from_value(base("elsewhere"))?;
    bases.create(&kube::api::PostParams::default(), &object).await?;
    world
        .until("the base of the second namespace to miss its Secret", async || {
            let conditions = bases.get("elsewhere").await?.status.unwrap_or_default().common.conditions;
            Ok(conditions.iter().any(|condition| condition.reason == "SecretMissing").then_some(()))
        })
        .await?;
    bases.delete("elsewhere", &DeleteParams::background()).await?;
    Ok(())
}

async fn another_name_is_refused_by_us_and_not_asked_for(world: &World) -> Result<()> {
    let other = with(base("other"), "/stripeCredentialsSecretRef/name", json!("other"));
    world.apply(&secret("other", &[("access-token", "sk_test_sim")])).await?;
    world.apply(&other).await?;
    let message =
        world.wait_condition("StripeBaseConnection", "other", "Ready", "False", "SecretNotAllowed").await?;
    ensure!(message.contains("secrets.names") && message.contains("other"), "{message}");
    let asked = world.audit()?.by(USER).on_object("secrets", TENANTS[0], "other");
    ensure!(asked.count() == 0, "the Secret is not asked for: {:?}", asked.events());
    world.delete("StripeBaseConnection", "other").await
}

/// A Secret in use that is deleted is held for a while, for its namespace might be going.
async fn a_deleted_secret_is_held(world: &World) -> Result<()> {
    world.delete("Secret", "stripe").await?;
    world
        .until("the namespace to be looked at", async || {
            let looks = world.audit()?.by(USER).on_object("namespaces", TENANTS[0], TENANTS[0]);
            Ok((looks.count() > 0).then_some(()))
        })
        .await?;
    ensure!(world.get("Secret", "stripe").await?.is_some(), "the Secret is held");
    Ok(())
}

async fn nothing_holds_the_secrets(world: &World) -> Result<()> {
    let secrets: Api<k8s_openapi::api::core::v1::Secret> = Api::namespaced(world.client.clone(), TENANTS[0]);
    world
        .until("the Secrets to be let go", async || {
            let held = secrets.list_metadata(&ListParams::default()).await?.items;
            let held = held.iter().any(|secret| secret.metadata.finalizers.is_some());
            Ok((!held).then_some(()))
        })
        .await
}

/// No rule was left unused, and what was refused is known: whether a CRD is going is told by discovery here.
fn the_rights_are_minimal_and_sufficient(given: &BTreeSet<String>, log: &AuditLog) -> Result<()> {
    let (used, missing) = rights::used_and_missing(log);
    assert_eq!(&used, given, "used, and given by the chart");
    let known = "get apiextensions.k8s.io/customresourcedefinitions";
    ensure!(missing.iter().all(|right| right == known), "refused: {missing:?}");
    Ok(())
}
