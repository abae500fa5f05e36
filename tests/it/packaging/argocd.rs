//! What Argo CD and Flux read: health in Lua, sync waves, and a project that allows just what its Applications bring.

use std::collections::BTreeSet;

use mlua::serde::SerializeOptions;
use mlua::{Lua, LuaOptions, LuaSerdeExt as _, StdLib};
use serde_json::{Value, json};
use testbed::ControlPlane;

use super::{documents, helm, of_kind, path, plane, read};

/// What Argo CD says of an object: the status of its health, and the message.
pub fn health(object: &Value) -> (String, String) {
    // As in Argo CD: the basic library, the object in `obj`, a table as the result.
    let lua = Lua::new_with(StdLib::NONE, LuaOptions::default()).unwrap();
    let options = SerializeOptions::new().serialize_none_to_null(false).serialize_unit_to_null(false);
    lua.globals().set("obj", lua.to_value_with(object, options).unwrap()).unwrap();
    let result: mlua::Value = lua.load(read("deploy/argocd/health/health.lua")).eval().unwrap();
    let result: Value = lua.from_value(result).unwrap();
    let text = |name: &str| result[name].as_str().unwrap().to_owned();
    (text("status"), text("message"))
}

fn object(conditions: &Value) -> Value {
    json!({ "metadata": { "generation": 2 }, "status": { "observedGeneration": 2, "conditions": conditions } })
}

fn condition(type_: &str, status: &str, reason: &str) -> Value {
    json!({ "type": type_, "status": status, "reason": reason, "message": format!("because of {reason}") })
}

#[test]
fn health_follows_the_table_of_states() {
    let ready = || condition("Ready", "True", "Available");
    let not_ready = |reason: &str| condition("Ready", "False", reason);
    let stalled = |reason: &str| condition("Stalled", "True", reason);
    let cases = [
        ("never looked at", "Progressing", json!([condition("Ready", "Unknown", "Pending")])),
        ("ready", "Healthy", json!([ready()])),
        ("reported drift", "Healthy", json!([ready(), condition("Synced", "False", "DriftReported")])),
        ("a run failed", "Healthy", json!([ready(), condition("RunsHealthy", "False", "RunFailed")])),
        ("an outage", "Healthy", json!([ready(), condition("Reconciling", "True", "UpstreamUnavailable")])),
        ("paused", "Healthy", json!([ready(), condition("Paused", "True", "Paused")])),
        ("approval", "Suspended", json!([not_ready("ApprovalRequired"), stalled("ApprovalRequired")])),
        (
            "reference missing",
            "Progressing",
            json!([not_ready("ReferenceNotFound"), condition("Reconciling", "True", "ReferenceNotFound")]),
        ),
        ("refused", "Degraded", json!([not_ready("RowsRefused"), stalled("RowsRefused")])),
    ];
    for (name, expected, conditions) in cases {
        let (status, message) = health(&object(&conditions));
        // Paused is told by the annotation, which counts from the moment it is written.
        assert_eq!(status, expected, "{name}");
        assert!(message.starts_with("because of "), "{name}: {message}");
    }
}

#[test]
fn health_speaks_of_the_present_generation_and_of_the_annotation() {
    let ready = json!([condition("Ready", "True", "Available")]);
    let mut changed = object(&ready);
    changed["metadata"]["generation"] = json!(3);
    assert_eq!(health(&changed).0, "Progressing");

    let mut paused = object(&ready);
    paused["metadata"]["annotations"] = json!({ "ingestion.aep-operator.io/paused": "true" });
    assert_eq!(health(&paused).0, "Suspended");
    paused["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(health(&paused).0, "Suspended", "its deletion waits as well");

    let mut going = object(&ready);
    going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(health(&going).0, "Progressing");
    assert_eq!(health(&json!({ "metadata": { "generation": 1 } })).0, "Progressing");
}

async fn kustomize(plane: &ControlPlane, folder: &str) -> Vec<Value> {
    documents(&plane.run_kubectl(["kustomize", folder]).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_component_configures_argo_cd_for_every_kind() {
    let folder = tempfile::tempdir().unwrap();
    let component = folder.path().join("health");
    std::fs::create_dir(&component).unwrap();
    for file in ["Kustomization", "health.lua", "application.lua"] {
        std::fs::copy(path("deploy/argocd/health").join(file), component.join(file)).unwrap();
    }
    let argo_cd = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: argocd-cm, namespace: argocd}\n";
    std::fs::write(folder.path().join("argocd-cm.yaml"), argo_cd).unwrap();
    let kustomization = "resources: [argocd-cm.yaml]\ncomponents: [health]\n";
    std::fs::write(folder.path().join("kustomization.yaml"), kustomization).unwrap();
    let objects = kustomize(plane().await.unwrap(), &folder.path().to_string_lossy()).await;
    assert_eq!(objects.len(), 1);
    for crd in aep_operator::api::all_crds() {
        let key =
            format!("resource.customizations.health.{}_{}", aep_operator::api::GROUP, crd.spec.names.kind);
        assert_eq!(objects[0]["data"][&key], read("deploy/argocd/health/health.lua"), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_follow_their_references_in_sync_waves() {
    let wave = |object: &Value| -> i64 {
        let wave = &object["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"];
        wave.as_str().expect("every object has a wave").parse().unwrap()
    };
    let plane = plane().await.unwrap();
    let objects = kustomize(plane, &path("deploy/argocd/stripe").to_string_lossy()).await;
    let waves: BTreeSet<(i64, &str)> =
        objects.iter().map(|object| (wave(object), object["kind"].as_str().unwrap())).collect();
    let kinds: Vec<&str> = waves.iter().map(|(_, kind)| *kind).collect();
    assert_eq!(kinds, crate::support::world::KINDS);
    let apps = kustomize(plane, &path("deploy/argocd/apps").to_string_lossy()).await;
    let app = |name: &str| apps.iter().find(|app| app["metadata"]["name"] == name).unwrap();
    assert!(wave(app("aep")) < wave(app("aep-operator")));
    assert!(wave(app("aep-operator")) < wave(app("stripe")), "the operator is last to go");
}

#[test]
fn the_project_allows_what_the_applications_bring() {
    let project = &documents(&read("deploy/argocd/apps/project.yaml"))[0];
    let chart =
        helm(&["template", "aep-operator", "charts/aep-operator", "--namespace", "aep-operator-system"]);
    let objects = documents(&chart.unwrap());
    let brought: BTreeSet<&str> = objects
        .iter()
        .filter(|object| object["metadata"]["namespace"].is_null())
        .filter_map(|object| object["kind"].as_str())
        .chain(["Namespace"])
        .collect();
    let allowed = project["spec"]["clusterResourceWhitelist"].as_array().unwrap();
    let allowed: BTreeSet<&str> = allowed.iter().filter_map(|kind| kind["kind"].as_str()).collect();
    assert_eq!(allowed, brought);
    for name in ["operator", "stripe"] {
        let app = &documents(&read(&format!("deploy/argocd/apps/{name}.yaml")))[0];
        let spec = &app["spec"];
        assert_eq!(spec["project"], project["metadata"]["name"]);
        assert!(project["spec"]["destinations"].as_array().unwrap().contains(&spec["destination"]), "{name}");
        assert!(path(spec["source"]["path"].as_str().unwrap()).is_dir(), "{name}");
        let options = spec["syncPolicy"]["syncOptions"].as_array().unwrap();
        assert!(options.contains(&json!("ServerSideApply=true")), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn flux_brings_the_operator_before_the_objects_and_waits_for_both() {
    let objects = kustomize(plane().await.unwrap(), &path("deploy/flux").to_string_lossy()).await;
    let named = |name: &str| {
        let is = |object: &&Value| object["kind"] == "Kustomization" && object["metadata"]["name"] == name;
        &objects.iter().find(is).unwrap()["spec"]
    };
    for name in ["aep-operator", "stripe"] {
        let spec = named(name);
        assert_eq!(spec["wait"], true, "{name}");
        assert!(path(spec["path"].as_str().unwrap()).is_dir(), "{name}");
        assert_eq!(spec["sourceRef"]["name"], of_kind(&objects, "GitRepository")["metadata"]["name"]);
    }
    assert_eq!(named("stripe")["dependsOn"][0]["name"], "aep-operator");
    assert_eq!(named("aep-operator")["prune"], false, "the CRDs must not go");
}
