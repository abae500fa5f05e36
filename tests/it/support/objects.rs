//! Builders of the custom resources and Secrets that tests apply. Each gives the smallest object that works; `with` changes it.

use serde_json::{Value, json};

/// Values that the simulator knows from the start.
pub const ORGANIZATION: &str = "53C0A1B2D3E4F50617283940@AdobeOrg";
/// A client secret that the simulator accepts.
pub const CLIENT_SECRET: &str = "sim-client-secret";
/// A Stripe key that the simulator accepts.
pub const STRIPE_KEY: &str = "sk_test_sim";
/// The class that Adobe's payment tutorial uses.
pub const PROFILE_CLASS: &str = "https://ns.adobe.com/xdm/context/profile";
/// The class of Experience Events.
pub const EVENT_CLASS: &str = "https://ns.adobe.com/xdm/context/experienceevent";

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({ "apiVersion": "ingestion.aep-operator.io/v1alpha1", "kind": kind, "metadata": { "name": name }, "spec": spec })
}

/// A Secret with text values.
pub fn secret(name: &str, data: &[(&str, &str)]) -> Value {
    let data: serde_json::Map<String, Value> =
        data.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": data })
}

/// The platform credentials that the simulator knows.
pub fn platform_secret() -> Value {
    secret(
        "aep-credentials",
        &[("client-id", "sim-client"), ("client-secret", CLIENT_SECRET), ("org-id", ORGANIZATION)],
    )
}

/// A Stripe key that the simulator knows.
pub fn stripe_secret() -> Value {
    secret("stripe", &[("access-token", STRIPE_KEY)])
}

/// A base connection in the sandbox `dev`.
pub fn base(name: &str) -> Value {
    object(
        "StripeBaseConnection",
        name,
        &json!({
            "sandbox": "dev",
            "platformCredentialsSecretRef": { "name": "aep-credentials" },
            "stripeCredentialsSecretRef": { "name": "stripe", "key": "access-token" },
        }),
    )
}

/// A source connection of a resource.
pub fn source(name: &str, base: &str, resource: &str) -> Value {
    object(
        "StripeSourceConnection",
        name,
        &json!({ "baseConnectionRef": { "name": base }, "resourcePath": resource }),
    )
}

/// A mapping with the shipped rows of a resource and a managed schema of the given title.
pub fn mapping(name: &str, source: &str, resource: &str, title: &str) -> Value {
    object(
        "IngestionMapping",
        name,
        &json!({
            "sourceConnectionRef": { "name": source },
            "targetSchema": { "managed": { "title": title, "class": PROFILE_CLASS } },
            "builtin": { "name": format!("{resource}/v1") },
        }),
    )
}

/// An hourly flow with a managed dataset of the given name.
pub fn flow(name: &str, source: &str, mapping: &str, dataset: &str) -> Value {
    object(
        "IngestionFlow",
        name,
        &json!({
            "sourceConnectionRef": { "name": source },
            "mappingRef": { "name": mapping },
            "dataset": { "managed": { "name": dataset } },
            "schedule": { "frequency": "hour", "interval": 1 },
        }),
    )
}

/// A chain of four: base, source, mapping and flow, all of one name.
pub fn chain(name: &str, resource: &str) -> [Value; 4] {
    [
        base(name),
        source(name, name, resource),
        mapping(name, name, resource, &format!("Stripe {resource} of {name}")),
        flow(name, name, name, &format!("Stripe {resource} of {name}")),
    ]
}

/// An object with one member set, by path below `spec`; parents are made as needed.
pub fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    let mut at = &mut object["spec"];
    for member in pointer.split('/').filter(|member| !member.is_empty()) {
        at = &mut at[member];
    }
    *at = value;
    object
}
