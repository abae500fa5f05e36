//! A chain that somebody made by hand, as manifests that take it over; and their application.

use std::collections::BTreeMap;
use std::io::Write as _;

use aep_operator::aep::is_uuid;
use aep_operator::aep::model::{self, Frequency, RowKind};
use aep_operator::api::role::Role;
use aep_operator::api::source_connection::ResourcePath;
use aep_operator::api::{
    GROUP, IngestionFlow, IngestionMapping, IngestionMappingSpec, StripeBaseConnection,
    StripeSourceConnection,
};
use aep_operator::controller::managed::Managed;
use aep_operator::controller::site::Site;
use aep_operator::domain::mapping::{Misfit, fill_tenant, leaf_type, preflight, rows};
use aep_operator::domain::marker::Marker;
use anyhow::{Context as _, Result, bail, ensure};
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::ApiResource;
use kube::{Api, Client, ResourceExt};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::args;
use crate::reach::Reach;

/// The field manager of what `adopt` applies.
const MANAGER: &str = "kubectl-aep";
/// Longest name that is made from a dataflow's: names of other objects may be built on it.
const LONGEST_NAME: usize = 50;

/// A chain as it stands upstream.
struct Chain {
    flow: model::Flow,
    source: model::SourceConnection,
    base: String,
    set: model::MappingSet,
    schema: model::Resource,
    target: model::TargetConnection,
    dataset: model::DataSet,
    tenant: String,
}

/// The manifests, references first. What custom resources of the namespace have already is referred to and not written again.
pub async fn manifests(client: &Client, args: &args::Export) -> Result<Vec<Value>> {
    ensure!(is_uuid(&args.flow_id), "{} is no id of a dataflow: it is a UUID", args.flow_id);
    let namespace = namespace(client, args);
    let reach = Reach::anonymous(client.clone(), &args.endpoints)?;
    let site = reach.site_of(namespace, &args.credentials_secret, &args.sandbox).await?;
    let chain = read(&site, &args.flow_id).await?;
    let cluster = &reach.cx.cluster;
    let name = args.name.clone().unwrap_or_else(|| name_of(&chain.flow));
    let base =
        owner(&cluster.list::<StripeBaseConnection>(namespace).await?.all()?, Role::Connection, &chain.base);
    let source = owner(
        &cluster.list::<StripeSourceConnection>(namespace).await?.all()?,
        Role::SourceConnection,
        &chain.source.meta.id,
    );
    let mappings = cluster.list::<IngestionMapping>(namespace).await?.all()?;
    let mapping = owner(&mappings, Role::MappingSet, &chain.set.id);
    let base_name = base.as_ref().unwrap_or(&name);
    let source_name = source.as_ref().unwrap_or(&name);
    let mut manifests = Vec::new();
    if base.is_none() && source.is_none() {
        manifests.push(object::<StripeBaseConnection>(&name, namespace, &base_spec(args, &chain))?);
    }
    if source.is_none() {
        let spec = source_spec(base_name, &chain)?;
        manifests.push(object::<StripeSourceConnection>(&name, namespace, &spec)?);
    }
    if mapping.is_none() {
        let spec = mapping_spec(source_name, &chain)?;
        manifests.push(object::<IngestionMapping>(&name, namespace, &spec)?);
    }
    let mapping_name = mapping.as_ref().unwrap_or(&name);
    let spec = flow_spec((source_name, mapping_name), &chain, args.manage_dataset)?;
    manifests.push(object::<IngestionFlow>(&name, namespace, &spec)?);
    Ok(manifests)
}

fn namespace<'a>(client: &'a Client, args: &'a args::Export) -> &'a str {
    args.namespace.as_deref().unwrap_or_else(|| client.default_namespace())
}

/// The manifests as one text.
pub fn yaml(manifests: &[Value]) -> Result<String> {
    let documents: Vec<String> =
        manifests.iter().map(|manifest| Ok(serde_saphyr::to_string(manifest)?)).collect::<Result<_>>()?;
    Ok(documents.join("---\n"))
}

/// Shows the manifests, asks, applies them, and tells what comes next.
pub async fn adopt(client: &Client, args: &args::Adopt) -> Result<()> {
    let manifests = manifests(client, &args.export).await?;
    anstream::println!("{}", yaml(&manifests)?);
    let namespace = namespace(client, &args.export);
    if !args.yes && !is_confirmed(&format!("Apply these {} objects to {namespace}?", manifests.len()))? {
        bail!("nothing was applied");
    }
    for manifest in &manifests {
        apply(client, namespace, manifest).await?;
    }
    anstream::println!("{}", next_steps(namespace, &manifests));
    Ok(())
}

fn is_confirmed(question: &str) -> Result<bool> {
    anstream::eprint!("{question} [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

async fn apply(client: &Client, namespace: &str, manifest: &Value) -> Result<()> {
    let kind = manifest["kind"].as_str().unwrap_or_default();
    let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
    let resource = match kind {
        "StripeBaseConnection" => ApiResource::erase::<StripeBaseConnection>(&()),
        "StripeSourceConnection" => ApiResource::erase::<StripeSourceConnection>(&()),
        "IngestionMapping" => ApiResource::erase::<IngestionMapping>(&()),
        _ => ApiResource::erase::<IngestionFlow>(&()),
    };
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    api.patch(name, &PatchParams::apply(MANAGER), &Patch::Apply(manifest))
        .await
        .with_context(|| format!("applying {kind} {namespace}/{name}"))?;
    anstream::println!("applied {kind} {namespace}/{name}");
    Ok(())
}

fn next_steps(namespace: &str, manifests: &[Value]) -> String {
    let approve = manifests.iter().map(|manifest| {
        let kind = manifest["kind"].as_str().unwrap_or_default();
        let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
        format!("\n  kubectl aep approve {kind}/{name} -n {namespace}")
    });
    let approve: String = approve.collect();
    format!(
        "The operator reads the chain now and changes nothing. See what each object would change, then approve in this \
         order (one without differences goes on by itself):\n  kubectl aep status -n {namespace}{approve}"
    )
}

async fn read(site: &Site, flow_id: &str) -> Result<Chain> {
    let session = &site.session;
    let sandbox = &site.sandbox;
    let missing =
        |what: &str, id: &str| format!("sandbox {sandbox} shows no {what} {id} to these credentials");
    let flow: model::Flow = session.get(flow_id).await?.with_context(|| missing("dataflow", flow_id))?;
    let description = flow.meta.description.as_deref().unwrap_or_default();
    if let Some(marker) = Marker::find_in(description) {
        bail!("dataflow {flow_id} is managed already, or was, by IngestionFlow {}", marker.owner);
    }
    let source_id = only(&flow.source_connection_ids, "source")?;
    let source: model::SourceConnection =
        session.get(source_id).await?.with_context(|| missing("source connection", source_id))?;
    let base = source.base_connection_id.clone().context("the source connection names no base connection")?;
    let target_id = only(&flow.target_connection_ids, "target")?;
    let target: model::TargetConnection =
        session.get(target_id).await?.with_context(|| missing("target connection", target_id))?;
    let (_, mapping) = flow.mapping().context("the dataflow has no mapping set")?;
    let set = session.get_mapping_set(&mapping.id, mapping.version.unwrap_or_default()).await?;
    let set = set.with_context(|| missing("mapping set", &mapping.id))?;
    let schema = session.get_schema_full(&set.schema.id).await?;
    let schema = schema.with_context(|| missing("schema", &set.schema.id))?;
    let dataset_id = target.data_set_id().context("the target connection names no dataset")?;
    let dataset = session.get_data_set(dataset_id).await?.with_context(|| missing("dataset", dataset_id))?;
    let tenant = session.stats().await?.tenant_id;
    Ok(Chain { flow, source, base, set, schema, target, dataset, tenant })
}

fn only<'a>(ids: &'a [String], what: &str) -> Result<&'a str> {
    match ids {
        [id] => Ok(id),
        _ => bail!("the dataflow needs exactly one {what} connection and has {}", ids.len()),
    }
}

/// The custom resource that has the upstream object, or is about to take it over.
fn owner<K: Managed>(objects: &[K], role: Role, id: &str) -> Option<String> {
    let has = |object: &&K| {
        let external = object.status().map(|status| K::common(status).external.as_slice());
        let is_recorded = external.unwrap_or_default().iter().any(|e| e.role == role && e.id == id);
        is_recorded || object.adopts(role, &BTreeMap::new()).is_some_and(|named| named.id == id)
    };
    objects.iter().find(has).map(ResourceExt::name_any)
}

/// A name for custom resources, made from the dataflow's.
fn name_of(flow: &model::Flow) -> String {
    let name = flow.meta.name.as_deref().unwrap_or_default().to_lowercase();
    let words: Vec<&str> =
        name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let name: String = words.join("-").chars().take(LONGEST_NAME).collect();
    let name = name.trim_end_matches('-');
    if name.is_empty() { format!("flow-{}", &flow.meta.id[..8]) } else { name.to_owned() }
}

/// A manifest, as it is written and as its type reads it: what does not fit the type is a defect of this file.
fn object<K: Managed>(name: &str, namespace: &str, spec: &Value) -> Result<Value> {
    let manifest = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": { "name": name, "namespace": namespace },
        "spec": spec,
    });
    K::deserialize(&manifest)
        .with_context(|| format!("the {} cannot be written in {GROUP}", K::kind(&())))?;
    Ok(manifest)
}

fn base_spec(args: &args::Export, chain: &Chain) -> Value {
    json!({
        "sandbox": args.sandbox,
        "platformCredentialsSecretRef": { "name": args.credentials_secret },
        "stripeCredentialsSecretRef": { "name": args.stripe_secret, "key": args.stripe_secret_key },
        "adopt": { "connectionId": chain.base },
    })
}

fn source_spec(base: &str, chain: &Chain) -> Result<Value> {
    let resource = chain.source.resource_path().context("the source connection names no resourcePath")?;
    Ok(json!({
        "baseConnectionRef": { "name": base },
        "resourcePath": resource,
        "adopt": { "sourceConnectionId": chain.source.meta.id },
    }))
}

fn mapping_spec(source: &str, chain: &Chain) -> Result<Value> {
    let rows: Vec<Value> =
        chain.set.rows.iter().map(|row| self::row(row, &chain.tenant)).collect::<Result<_>>()?;
    let mut spec = json!({
        "sourceConnectionRef": { "name": source },
        "targetSchema": { "existing": { "id": chain.set.schema.id } },
        "mappings": rows,
        "adopt": { "mappingSetId": chain.set.id },
    });
    declare_types(&mut spec, chain)?;
    Ok(spec)
}

/// Lets rows that the operator would refuse for the type that is shipped for their source declare the schema's type: their values fit, as
/// the runs until now have shown.
fn declare_types(spec: &mut Value, chain: &Chain) -> Result<()> {
    let resource = ResourcePath::deserialize(&chain.source.params["resourcePath"])
        .context("the source connection reads a resource that is not served")?;
    let rows = rows(&IngestionMappingSpec::deserialize(&*spec)?, resource)?;
    for Misfit { failure, .. } in preflight(&fill_tenant(rows, &chain.tenant)?, &chain.schema.raw) {
        let at = chain.set.rows.iter().position(|row| row.destination == failure.destination);
        let declared = leaf_type(&failure.destination, &chain.schema.raw);
        if let (Some(at), Some(declared)) = (at, declared) {
            spec["mappings"][at]["xdmType"] = json!(declared);
        }
    }
    Ok(())
}

fn row(row: &model::MappingRow, tenant: &str) -> Result<Value> {
    let destination = match row.destination.strip_prefix(&format!("_{tenant}")) {
        Some(rest) if rest.is_empty() || rest.starts_with('.') => format!("_{{TENANT_ID}}{rest}"),
        _ => row.destination.clone(),
    };
    match row.kind {
        Some(RowKind::Attribute) => Ok(json!({ "source": row.source, "destination": destination })),
        Some(RowKind::Expression) => {
            Ok(json!({ "source": row.source, "destination": destination, "type": "Expression" }))
        }
        Some(RowKind::Static) | None => bail!(
            "the row of {} is neither a path nor an expression, which an IngestionMapping cannot say: make it an \
             expression in AEP first",
            row.destination
        ),
    }
}

fn flow_spec((source, mapping): (&str, &str), chain: &Chain, manage_dataset: bool) -> Result<Value> {
    let flow = &chain.flow;
    let dataset = if manage_dataset {
        let name = chain.dataset.name.as_deref().context("the dataset has no name")?;
        json!({ "managed": { "name": name, "adopt": { "id": chain.dataset.id } } })
    } else {
        json!({ "existing": { "id": chain.target.data_set_id() } })
    };
    let mut spec = json!({
        "sourceConnectionRef": { "name": source },
        "mappingRef": { "name": mapping },
        "dataset": dataset,
        "schedule": schedule(&flow.schedule)?,
        "enabled": flow.runs(),
    });
    let options = flow.options.clone().unwrap_or_default();
    let percent = options.partial_ingestion_percent.filter(|percent| *percent >= 1.0);
    if let Some(percent) = percent {
        #[expect(clippy::cast_possible_truncation, reason = "a share in percent")]
        let percent = percent.round() as i64;
        spec["partialIngestion"] = json!({ "percent": percent });
    } else if let Some(diagnostics) = options.error_diagnostics_enabled {
        spec["errorDiagnostics"] = json!(diagnostics);
    }
    if !flow.labels.is_empty() {
        spec["accessLabels"] = json!(flow.labels);
    }
    spec["adopt"] = json!({ "flowId": flow.meta.id });
    Ok(spec)
}

/// Frequency and interval. The start has passed or stays as it is, and backfill counts only when a flow is created.
fn schedule(schedule: &model::Schedule) -> Result<Value> {
    let frequency = schedule.frequency.as_ref().context("the dataflow has no schedule")?;
    let mut written = json!({ "frequency": frequency.as_str() });
    if let (Some(interval), false) = (schedule.interval, *frequency == Frequency::Once) {
        written["interval"] = json!(interval);
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use aep_operator::aep::model::MappingRow;

    use super::*;

    fn flow(name: &str) -> model::Flow {
        let flow = json!({
            "id": "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "name": name, "state": "enabled",
            "scheduleParams": { "startTime": "1700000000", "frequency": "hour", "interval": "3" },
        });
        serde_json::from_value(flow).expect("a flow")
    }

    #[test]
    fn a_name_is_made_of_the_words_of_the_flow_or_of_its_id() {
        assert_eq!(name_of(&flow("Stripe charges (EU)")), "stripe-charges-eu");
        assert_eq!(name_of(&flow("…")), "flow-3f2504e0");
        assert!(name_of(&flow(&"a b ".repeat(40))).len() <= LONGEST_NAME);
    }

    #[test]
    fn a_destination_of_the_tenant_fits_every_tenant() {
        let destination = |path: &str| {
            row(&MappingRow::attribute("data.id", path), "acme").expect("a row")["destination"].clone()
        };
        assert_eq!(destination("_acme.charges_data.id"), "_{TENANT_ID}.charges_data.id");
        assert_eq!(destination("_acmecorp.id"), "_acmecorp.id");
        assert_eq!(destination("personKey"), "personKey");
    }

    #[test]
    fn a_row_that_cannot_be_said_is_named() {
        let constant =
            MappingRow { kind: Some(RowKind::Static), ..MappingRow::attribute("EUR", "_acme.currency") };
        assert!(row(&constant, "acme").expect_err("refused").to_string().contains("_acme.currency"));
    }

    #[test]
    fn a_schedule_is_read_as_numbers_and_once_has_no_interval() {
        assert_eq!(
            schedule(&flow("f").schedule).expect("a schedule"),
            json!({"frequency": "hour", "interval": 3})
        );
        let once = model::Schedule {
            frequency: Some(Frequency::Once),
            interval: Some(1),
            ..model::Schedule::default()
        };
        assert_eq!(schedule(&once).expect("a schedule"), json!({"frequency": "once"}));
    }

    #[test]
    fn the_next_steps_are_commands_in_the_order_of_references() {
        let manifests = [json!({"kind": "IngestionFlow", "metadata": {"name": "charges"}})];
        assert!(
            next_steps("shop", &manifests).ends_with("kubectl aep approve IngestionFlow/charges -n shop")
        );
    }
}
