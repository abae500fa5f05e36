//! What the plugin asks of the cluster, and the annotations that it sets. It writes nothing else.

use aep_operator::api::{
    APPROVE, IngestionFlow, IngestionMapping, PAUSED, SYNC_REQUESTED_AT, StripeBaseConnection,
    StripeSourceConnection,
};
use anyhow::{Context as _, Result, bail};
use k8s_openapi::NamespaceResourceScope;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::args::{Target, View};
use crate::item::{Item, Shown, item};

/// A kind of ours, for this plugin.
trait Kind:
    Shown + Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug
{
}

impl<K> Kind for K where
    K: Shown + Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug
{
}

/// Everything that the view covers, base connections first.
pub async fn items(client: &Client, view: &View) -> Result<Vec<Item>> {
    let mut items = list::<StripeBaseConnection>(client, view).await?;
    items.extend(list::<StripeSourceConnection>(client, view).await?);
    items.extend(list::<IngestionMapping>(client, view).await?);
    items.extend(list::<IngestionFlow>(client, view).await?);
    Ok(items)
}

/// The namespace that the view covers; `None` stands for all.
pub fn scope<'a>(client: &'a Client, view: &'a View) -> Option<&'a str> {
    let one = || view.namespace.as_deref().unwrap_or_else(|| client.default_namespace());
    (!view.all_namespaces).then(one)
}

async fn list<K: Kind>(client: &Client, view: &View) -> Result<Vec<Item>> {
    let api: Api<K> = match scope(client, view) {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let plural = K::plural(&());
    let list = api.list(&ListParams::default()).await.with_context(|| {
        format!(
            "listing {plural}: is the operator's CustomResourceDefinition installed, and may you list them?"
        )
    })?;
    Ok(list.items.iter().map(item).collect())
}

/// What is done to one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Approve what status.pending shows.
    Approve,
    /// Ask for a check now.
    Sync,
    /// Set the annotation that keeps the operator away.
    Pause,
    /// Take it off.
    Resume,
}

/// Does it, and says what was done.
pub async fn act(client: &Client, target: &Target, deed: Deed) -> Result<String> {
    let (kind, name) = target
        .object
        .split_once('/')
        .filter(|(kind, name)| !kind.is_empty() && !name.is_empty())
        .with_context(|| {
            format!("{} is no object: write kind/name, for example iflow/charges", target.object)
        })?;
    match kind.to_ascii_lowercase().as_str() {
        "sbc" | "stripebaseconnection" | "stripebaseconnections" => {
            act_on::<StripeBaseConnection>(client, target, name, deed).await
        }
        "ssc" | "stripesourceconnection" | "stripesourceconnections" => {
            act_on::<StripeSourceConnection>(client, target, name, deed).await
        }
        "imap" | "ingestionmapping" | "ingestionmappings" => {
            act_on::<IngestionMapping>(client, target, name, deed).await
        }
        "iflow" | "ingestionflow" | "ingestionflows" => {
            act_on::<IngestionFlow>(client, target, name, deed).await
        }
        _ => bail!("{kind} is none of the operator's kinds: use sbc, ssc, imap or iflow"),
    }
}

async fn act_on<K: Kind>(client: &Client, target: &Target, name: &str, deed: Deed) -> Result<String> {
    let namespace = target.namespace.as_deref().unwrap_or_else(|| client.default_namespace());
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let kind = K::kind(&());
    let object = api.get(name).await.with_context(|| format!("reading {kind} {namespace}/{name}"))?;
    let (annotation, value, said) = match deed {
        Deed::Approve => {
            let pending = item(&object)
                .pending
                .with_context(|| format!("{kind} {namespace}/{name} waits for no approval"))?;
            let shown = pending.differences.join("\n  ");
            let said = format!("approved {} of {kind} {namespace}/{name}:\n  {shown}", pending.kind);
            (APPROVE, json!(pending.digest), said)
        }
        Deed::Sync => {
            let now = aep_operator::clock::now().to_string();
            (SYNC_REQUESTED_AT, json!(now), format!("asked for a check of {kind} {namespace}/{name}"))
        }
        Deed::Pause => (PAUSED, json!("true"), format!("paused {kind} {namespace}/{name}")),
        Deed::Resume => (PAUSED, Value::Null, format!("resumed {kind} {namespace}/{name}")),
    };
    let patch = json!({ "metadata": { "annotations": { annotation: value } } });
    api.patch_metadata(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .with_context(|| format!("annotating {kind} {namespace}/{name}"))?;
    Ok(said)
}
