//! The table of cases, replayed on a real API server: it also checks the schema, and it is what users meet.

use std::time::{Duration, Instant};

use aep_operator::api::{FINALIZER, GROUP, INTENT, STATUS_FIELD_MANAGER, all_crds};
use futures::{StreamExt, stream};
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::{conditions, wait::await_condition};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use testbed::ControlPlane;

use super::cases::{self, Case, Expected};
use super::crds::repository;
use super::samples;

async fn client() -> Client {
    ControlPlane::shared().await.unwrap().client().await.unwrap()
}

/// The CRDs are installed and served.
async fn install(client: &Client) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in all_crds() {
        let name = crd.name_any();
        api.patch(&name, &PatchParams::apply("tests").force(), &Patch::Apply(crd)).await.unwrap();
        let established = await_condition(api.clone(), &name, conditions::is_crd_established());
        tokio::time::timeout(Duration::from_mins(1), established).await.expect("served in time").unwrap();
    }
}

/// A namespace of this test's own.
async fn namespace(client: &Client, name: &str) -> String {
    let api: Api<Namespace> = Api::all(client.clone());
    let object =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": format!("{name}-")}});
    api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap().name_any()
}

fn api(client: &Client, namespace: &str, kind: &str) -> Api<DynamicObject> {
    let crd = all_crds().into_iter().find(|crd| crd.spec.names.kind == kind).expect("one of our kinds");
    let kind = GroupVersionKind::gvk(&crd.spec.group, &crd.spec.versions[0].name, kind);
    let resource = ApiResource::from_gvk_with_plural(&kind, &crd.spec.names.plural);
    Api::namespaced_with(client.clone(), namespace, &resource)
}

fn named(mut object: Value, name: &str) -> DynamicObject {
    object["metadata"]["name"] = json!(name);
    serde_json::from_value(object).unwrap()
}

/// Creates or updates as the case says, without storing the outcome.
async fn replay(api: &Api<DynamicObject>, name: &str, case: &Case) -> Result<DynamicObject, kube::Error> {
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let Some(old) = &case.old else {
        return api.create(&dry_run, &named(case.object.clone(), name)).await;
    };
    let mut stored = api.create(&PostParams::default(), &named(old.clone(), name)).await.unwrap();
    if let Some(status) = old.get("status") {
        let patch = Patch::Merge(json!({"status": status}));
        stored = api.patch_status(name, &PatchParams::default(), &patch).await.unwrap();
    }
    let mut object = named(case.object.clone(), name);
    object.metadata.resource_version = stored.resource_version();
    api.replace(name, &dry_run, &object).await
}

fn judge(case: &Case, answer: Result<DynamicObject, kube::Error>) -> Option<String> {
    let wrong = |got: String| Some(format!("{}: expected {:?}, got {got}", case.name, case.expected));
    match (case.expected, answer) {
        (Expected::Accepted, Ok(_)) => None,
        (Expected::Refused(text) | Expected::RefusedBySchema(text), Err(kube::Error::Api(status)))
            if (status.code == 422 || status.code == 400) && status.message.contains(text) =>
        {
            None
        }
        (_, Ok(_)) => wrong("accepted".to_owned()),
        (_, Err(error)) => wrong(error.to_string()),
    }
}

#[tokio::test]
async fn every_case_fares_as_expected_on_a_real_api_server() {
    let client = client().await;
    install(&client).await;
    let namespace = namespace(&client, "cases").await;
    let cases = cases::all();
    let wrong: Vec<_> = stream::iter(cases.iter().enumerate())
        .map(|(number, case)| {
            let api = api(&client, &namespace, case.kind);
            async move { judge(case, replay(&api, &format!("case-{number}"), case).await) }
        })
        .buffer_unordered(8)
        .filter_map(std::future::ready)
        .collect()
        .await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A plain object of the kind, accepted as it is.
fn plain(kind: &str, name: &str) -> DynamicObject {
    let case =
        cases::all().into_iter().find(|case| case.kind == kind).expect("the first case of a kind is plain");
    named(case.object, name)
}

fn kinds() -> Vec<String> {
    all_crds().into_iter().map(|crd| crd.spec.names.kind).collect()
}

/// The writes of a create and a delete, in their order: claim, status, release.
async fn live(api: &Api<DynamicObject>, name: &str) {
    let born = api.get(name).await.unwrap();
    let claim = json!({"metadata": {
        "resourceVersion": born.resource_version(),
        "finalizers": [FINALIZER],
        "annotations": {INTENT: "i".repeat(2_000)},
    }});
    let claimed = api.patch(name, &PatchParams::default(), &Patch::Merge(claim)).await.unwrap();
    let status = json!({
        "apiVersion": claimed.types.as_ref().unwrap().api_version, "kind": claimed.types.as_ref().unwrap().kind,
        "status": {
            "observedGeneration": 1,
            "conditions": [{"type": "Ready", "status": "True", "reason": "Available", "message": "m".repeat(1_024),
                            "lastTransitionTime": "2026-12-01T00:00:00Z", "observedGeneration": 1}],
        },
    });
    let params = PatchParams::apply(STATUS_FIELD_MANAGER).force();
    let ready = api.patch_status(name, &params, &Patch::Apply(status)).await.unwrap();
    assert_eq!(ready.data["status"]["observedGeneration"], 1);
    api.delete(name, &DeleteParams::default()).await.unwrap();
    let release = json!({"metadata": {"finalizers": null}});
    api.patch(name, &PatchParams::default(), &Patch::Merge(release)).await.unwrap();
    assert!(api.get_opt(name).await.unwrap().is_none());
}

#[tokio::test]
async fn an_object_is_born_with_a_status_that_no_tool_takes_for_ready() {
    let client = client().await;
    install(&client).await;
    let namespace = namespace(&client, "born").await;
    for kind in kinds() {
        let api = api(&client, &namespace, &kind);
        let born = api.create(&PostParams::default(), &plain(&kind, "born")).await.unwrap();
        assert_eq!(born.data["status"]["observedGeneration"], -1);
        assert_eq!(born.data["status"]["conditions"][0]["reason"], "Pending");
    }
}

#[tokio::test]
async fn a_plain_object_lives_through_claim_status_and_release() {
    let client = client().await;
    install(&client).await;
    let namespace = namespace(&client, "life").await;
    for kind in kinds() {
        let api = api(&client, &namespace, &kind);
        api.create(&PostParams::default(), &plain(&kind, "life")).await.unwrap();
        live(&api, "life").await;
    }
}

#[tokio::test]
async fn a_mapping_of_2000_rows_with_two_managers_lives_through_claim_status_and_release() {
    let client = client().await;
    install(&client).await;
    let api = api(&client, &namespace(&client, "rows").await, "IngestionMapping");
    let rows: Vec<_> = (0..2_000)
        .map(|n| {
            json!({
                "source": format!("data.payment_method_details.card.networks.available_{n}"),
                "destination": format!("_{{TENANT_ID}}.charges_data.payment_method_details.card.networks.a_{n}"),
                "type": "Attribute",
                "xdmType": "String",
            })
        })
        .collect();
    let mut object = plain("IngestionMapping", "rows");
    object.data["spec"]["mappings"] = json!(rows);
    for manager in ["gitops", "somebody"] {
        api.patch("rows", &PatchParams::apply(manager).force(), &Patch::Apply(&object)).await.unwrap();
    }
    live(&api, "rows").await;
}

#[tokio::test]
async fn one_list_call_tells_who_refers_to_an_object() {
    let client = client().await;
    install(&client).await;
    let api = api(&client, &namespace(&client, "refs").await, "IngestionFlow");
    for (name, source) in [("a", "charges"), ("b", "refunds")] {
        let mut flow = plain("IngestionFlow", name);
        flow.data["spec"]["sourceConnectionRef"]["name"] = json!(source);
        api.create(&PostParams::default(), &flow).await.unwrap();
    }
    let selector = ListParams::default().fields("spec.sourceConnectionRef.name=refunds");
    let found: Vec<_> = api.list(&selector).await.unwrap().into_iter().map(|flow| flow.name_any()).collect();
    assert_eq!(found, ["b"]);
}

#[tokio::test]
async fn a_null_is_never_stored() {
    let client = client().await;
    install(&client).await;
    let api = api(&client, &namespace(&client, "null").await, "StripeSourceConnection");
    let mut object = plain("StripeSourceConnection", "null");
    object.data["spec"]["displayName"] = Value::Null;

    let created = api.create(&PostParams::default(), &object).await.unwrap();
    assert!(created.data["spec"].get("displayName").is_none());

    let applied = api.patch("null", &PatchParams::apply("user"), &Patch::Apply(object)).await;
    let refusal = applied.unwrap_err().to_string();
    assert!(refusal.contains("spec.displayName in body must be of type string"), "{refusal}");
}

#[tokio::test]
async fn the_samples_are_accepted_as_they_are() {
    let client = client().await;
    install(&client).await;
    let namespace = namespace(&client, "samples").await;
    for sample in samples::objects() {
        let kind = sample["kind"].as_str().unwrap();
        if kinds().iter().any(|ours| ours == kind) {
            let api = api(&client, &namespace, kind);
            api.create(&PostParams::default(), &serde_json::from_value(sample.clone()).unwrap())
                .await
                .unwrap();
        }
    }
}

#[tokio::test]
async fn an_api_server_gives_the_operator_its_rights_and_no_others() {
    let control_plane = ControlPlane::shared().await.unwrap();
    let folder = repository("deploy/rbac");
    control_plane.run_kubectl(["apply", "--filename", folder.to_str().unwrap()]).await.unwrap();
    let client = client().await;
    let operator = "system:serviceaccount:aep-operator-system:aep-operator";
    for (verb, group, resource, subresource) in [
        ("watch", GROUP, "ingestionflows", ""),
        ("patch", GROUP, "stripebaseconnections", "status"),
        ("patch", "", "secrets", ""),
        ("create", "events.k8s.io", "events", ""),
        ("get", "", "namespaces", ""),
    ] {
        eventually_may(&client, operator, verb, group, resource, subresource).await;
    }
    for (verb, group, resource, subresource) in [
        ("delete", GROUP, "ingestionflows", ""),
        ("update", GROUP, "ingestionflows", ""),
        ("create", GROUP, "ingestionmappings", ""),
        ("delete", "", "secrets", ""),
        ("update", "", "secrets", ""),
        ("list", "", "namespaces", ""),
        ("list", "", "pods", ""),
        ("get", "apiextensions.k8s.io", "customresourcedefinitions", ""),
    ] {
        let allowed = may(&client, operator, verb, group, resource, subresource).await;
        assert!(!allowed, "the operator may {verb} {resource}");
    }
}

async fn eventually_may(client: &Client, user: &str, verb: &str, group: &str, resource: &str, sub: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !may(client, user, verb, group, resource, sub).await {
        assert!(Instant::now() < deadline, "{user} may not {verb} {resource}");
    }
}

async fn may(
    client: &Client,
    user: &str,
    verb: &str,
    group: &str,
    resource: &str,
    subresource: &str,
) -> bool {
    let api: Api<SubjectAccessReview> = Api::all(client.clone());
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "metadata": {}, "spec": {
        "user": user,
        "resourceAttributes": {
            "namespace": "default", "verb": verb, "group": group, "resource": resource, "subresource": subresource,
        },
    }});
    let review = api.create(&PostParams::default(), &serde_json::from_value(review).unwrap()).await.unwrap();
    review.status.is_some_and(|status| status.allowed)
}
