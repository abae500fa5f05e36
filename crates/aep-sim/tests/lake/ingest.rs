//! Ingestion: what reaches a data set, what is refused, and how often each Stripe object arrived.

use aep_sim::lake::{IngestOutcome, IngestRequest};
use aep_sim::stripe::{Account, RESOURCES};
use aep_sim::switches::ExploreMode;
use serde_json::{Map, Value, json};

use crate::support::Service::{Catalog, DataPrep};
use crate::support::*;

struct Target {
    world: World,
    dataset: String,
    set: String,
}

impl Target {
    /// A data set for charges, and a mapping set of those rows.
    fn new(rows: &Value) -> Self {
        let mut world = World::new();
        let schema = world.charges();
        Self::with(world, &schema, rows)
    }

    fn with(mut world: World, schema: &str, rows: &Value) -> Self {
        let dataset = world.dataset("Charges", schema);
        let reply = world.post(DataPrep, "/mappingSets", &mapping_set(schema, rows));
        Self { dataset, set: text(&reply, "id"), world }
    }

    fn ingest(&mut self, records: &[Value], partial: Option<f64>) -> IngestOutcome {
        self.world.lake.ingest(&IngestRequest {
            dataset_id: &self.dataset,
            mapping_id: &self.set,
            mapping_version: 0,
            records,
            partial_ingestion_percent: partial,
            now_ms: self.world.now,
        })
    }

    fn rows(&self) -> Value {
        self.world.lake.rows()[&self.dataset].clone()
    }
}

fn attribute(source: &str, destination: &str) -> Value {
    json!({"source": source, "destination": destination})
}

fn expression(source: &str, destination: &str) -> Value {
    json!({"sourceType": "EXPRESSION", "source": source, "destination": destination})
}

fn plain() -> Value {
    json!([attribute("data.id", "_acme.charges.id"), attribute("data.amount", "_acme.charges.amount")])
}

fn charge(id: &str, amount: &Value) -> Value {
    json!({"id": id, "amount": amount, "application": null})
}

#[test]
fn every_record_is_counted_once_per_ingestion() {
    let mut target = Target::new(&plain());
    let records = [charge("ch_1", &json!(1)), charge("ch_2", &json!(2))];
    let outcome = target.ingest(&records, None);
    assert_eq!((outcome.input, outcome.output, outcome.failed, outcome.failed_run), (2, 2, 0, false));
    assert_eq!(outcome.errors, []);
    assert_eq!(target.rows(), json!({"ch_1": 1, "ch_2": 1}));
    target.ingest(&records[..1], None);
    assert_eq!(target.rows(), json!({"ch_1": 2, "ch_2": 1}), "a doubled payment is seen");
}

#[test]
fn a_batch_is_found_in_catalog_and_at_its_data_set() {
    let mut target = Target::new(&plain());
    let outcome = target.ingest(&[charge("ch_1", &json!(1))], None);
    let batch = target.world.get(Catalog, &format!("/batches/{}", outcome.batch_id)).send();
    assert_eq!(body(&batch)[&outcome.batch_id]["status"], "success");
    assert_eq!(body(&batch)[&outcome.batch_id]["recordCount"], 1);
    let failed = target.ingest(&[charge("ch_2", &json!("x"))], None);
    let path = format!("/dataSets/{}", target.dataset);
    let read = target.world.get(Catalog, &path).send();
    let set = &body(&read)[&target.dataset];
    assert_eq!((&set["lastBatchId"], &set["lastBatchStatus"]), (&json!(failed.batch_id), &json!("failed")));
    assert_eq!(set["lastSuccessfulBatch"], json!(outcome.batch_id));
    assert_eq!(set["version"], "1.0.0", "a batch is no change of the data set");
    let batches = target.world.get(Catalog, "/batches?status=failed").send();
    assert_eq!(body(&batches).as_object().unwrap().len(), 1);
}

#[test]
fn a_type_that_does_not_fit_fails_the_record() {
    let mut target = Target::new(&plain());
    let records = [charge("ch_1", &json!("many")), charge("ch_2", &json!(2))];
    let outcome = target.ingest(&records, Some(50.0));
    assert_eq!((outcome.output, outcome.failed, outcome.failed_run), (1, 1, false));
    assert_eq!((outcome.errors[0].code.as_str(), outcome.errors[0].count), ("INGEST-1212-400", 1));
    assert!(outcome.errors[0].message.contains("_acme.charges.amount"), "{:?}", outcome.errors);
    assert_eq!(target.rows(), json!({"ch_2": 1}));
}

#[test]
fn the_threshold_decides_about_the_whole_batch() {
    let records = [charge("ch_1", &json!("many")), charge("ch_2", &json!(2)), charge("ch_3", &json!(3))];
    for (partial, failed_run) in [(None, true), (Some(33.0), true), (Some(34.0), false)] {
        let mut target = Target::new(&plain());
        let outcome = target.ingest(&records, partial);
        assert_eq!(outcome.failed_run, failed_run, "{partial:?}");
        assert_eq!(outcome.output, if failed_run { 0 } else { 2 });
        assert_eq!(target.rows(), if failed_run { Value::Null } else { json!({"ch_2": 1, "ch_3": 1}) });
    }
}

#[test]
fn a_transformation_that_fails_nulls_its_row_and_the_record_goes_on() {
    let rows = json!([
        attribute("data.id", "_acme.charges.id"),
        expression("to_integer(data.amount)", "_acme.charges.amount")
    ]);
    let mut target = Target::new(&rows);
    let outcome = target.ingest(&[charge("ch_1", &json!("x")), charge("ch_2", &json!("7"))], None);
    assert_eq!((outcome.output, outcome.failed, outcome.failed_run), (2, 0, false));
    assert_eq!((outcome.errors[0].code.as_str(), outcome.errors[0].count), ("MAPPER-3700-400", 1));
    let unknown = json!([
        attribute("data.id", "_acme.charges.id"),
        expression("nosuch(data.amount)", "_acme.charges.amount")
    ]);
    let outcome = Target::new(&unknown).ingest(&[charge("ch_1", &json!(1))], None);
    assert_eq!((outcome.output, outcome.errors[0].code.as_str()), (1, "MAPPER-3700-400"));
}

#[test]
fn a_nulled_row_can_cost_a_record_its_required_field() {
    let mut world = World::new();
    let schema = world.schema("Events", EVENT, &[]);
    let when = "dformat(data.created * 1000, \"yyyy-MM-dd'T'HH:mm:ssX\")";
    let rows = json!([attribute("data.id", "_id"), expression(when, "timestamp")]);
    let mut target = Target::with(world, &schema, &rows);
    let good = json!({"id": "ch_1", "created": 1_679_090_539});
    let bad = json!({"id": "ch_2", "created": "yesterday"});
    let outcome = target.ingest(&[good, bad], Some(99.0));
    assert_eq!((outcome.output, outcome.failed), (1, 1));
    let codes: Vec<&str> = outcome.errors.iter().map(|error| error.code.as_str()).collect();
    assert_eq!(codes, ["MAPPER-3700-400", "INGEST-1212-400"]);
    assert!(outcome.errors[1].message.contains("timestamp"), "{:?}", outcome.errors);
    assert_eq!(target.rows(), json!({"ch_1": 1}));
}

#[test]
fn an_epoch_number_is_no_date() {
    let mut world = World::new();
    let schema = world.schema("Events", EVENT, &[]);
    let rows = json!([attribute("data.id", "_id"), attribute("data.created", "timestamp")]);
    let outcome =
        Target::with(world, &schema, &rows).ingest(&[json!({"id": "ch_1", "created": 1_679_090_539})], None);
    assert!(outcome.failed_run, "{outcome:?}");
}

#[test]
fn objects_lists_and_their_parts_may_be_mapped_side_by_side() {
    let mut world = World::new();
    let item = json!({"type": "object", "properties": {"id": {"type": "string"}, "n": {"type": "integer"}}});
    let fields = json!({"x": {"type": "object", "properties": {
        "card": {"type": "object", "properties": {"brand": {"type": "string"}, "last4": {"type": "string"}}},
        "items": {"type": "array", "items": item}, "first": {"type": "string"},
    }}});
    let group = world.field_group("G", &fields);
    let schema = world.schema("S", PROFILE, &[&group]);
    let rows = json!([
        expression("concat(\"****\", data.card.last4)", "_acme.x.card.last4"),
        attribute("data.card", "_acme.x.card"),
        attribute("data.items[*].id", "_acme.x.items[*].id"),
        attribute("data.items[].n", "_acme.x.items[].n"),
        attribute("data.items[0].id", "_acme.x.first"),
    ]);
    let reply = world.post(
        DataPrep,
        "/mappingSets/preview",
        &json!({
            "data": [{"data": {"card": {"brand": "visa", "last4": "4242", "wallet": null, "unknown": 1},
                "items": [{"id": "a", "n": 1}, {"id": "b", "n": 2}]}}],
            "mappingSet": mapping_set(&schema, &rows),
        }),
    );
    let expected = json!({"_acme": {"x": {
        "card": {"brand": "visa", "last4": "****4242"},
        "items": [{"id": "a", "n": 1}, {"id": "b", "n": 2}], "first": "a",
    }}});
    assert_eq!(body(&reply)[0], json!({"data": expected, "errors": null}));
}

#[test]
fn a_batch_without_its_data_set_or_mapping_set_fails_whole() {
    let mut target = Target::new(&plain());
    let dataset = target.dataset.clone();
    target.world.delete(Catalog, &format!("/dataSets/{dataset}"));
    let outcome = target.ingest(&[charge("ch_1", &json!(1))], Some(99.0));
    assert_eq!((outcome.output, outcome.failed, outcome.failed_run), (0, 1, true));
    assert_eq!(target.world.lake.rows(), json!({}));
    let mut target = Target::new(&plain());
    target.set = "none".to_owned();
    assert!(target.ingest(&[charge("ch_1", &json!(1))], Some(99.0)).failed_run);
}

#[test]
fn an_empty_batch_succeeds() {
    let outcome = Target::new(&plain()).ingest(&[], None);
    assert_eq!((outcome.input, outcome.failed_run), (0, false));
}

/// The fields of an explored tree as XDM: what has a type keeps it, the rest is left out.
fn xdm(node: &Value) -> Option<Value> {
    match node["type"].as_str()? {
        "object" => {
            let children = node["properties"].as_object()?;
            let children: Map<String, Value> =
                children.iter().filter_map(|(k, v)| Some((k.clone(), xdm(v)?))).collect();
            (!children.is_empty()).then(|| json!({"type": "object", "properties": children}))
        }
        "array" => Some(json!({"type": "array", "items": xdm(&node["items"])?})),
        "integer" => Some(
            json!({"type": "integer", "minimum": -9_007_199_254_740_991_i64, "maximum": 9_007_199_254_740_991_i64}),
        ),
        other => Some(json!({"type": other})),
    }
}

#[test]
fn seeded_objects_of_every_resource_fit_the_schema_that_explore_suggests() {
    let account = Account::seeded("sk_test_x", NOW, 40);
    for resource in RESOURCES {
        let mut world = World::new();
        let explored = account.explore(resource, ExploreMode::Complete).unwrap();
        let data = xdm(&explored["schema"]["properties"]["data"]).unwrap();
        let container = format!("{resource}_data");
        let group = world.field_group("Fields", &json!({&container: data}));
        let schema = world.schema("Schema", PROFILE, &[&group]);
        let rows = json!([attribute("data", &format!("_acme.{container}"))]);
        let mut target = Target::with(world, &schema, &rows);
        let outcome = target.ingest(&account.records(resource, None, i64::MAX), None);
        assert_eq!((outcome.output, outcome.failed_run), (40, false), "{resource}: {outcome:?}");
        let rows = target.rows();
        assert!(rows.as_object().unwrap().len() == 40 && rows.as_object().unwrap().values().all(|n| n == 1));
    }
}

#[test]
fn the_inventory_shows_every_object_with_the_texts_of_its_owner() {
    let mut target = Target::new(&plain());
    let body = json!({"name": "set [marker]", "xdmSchema": "x", "mappings": []});
    target.world.lake.seed_mapping_set(&body, &World::caller(), NOW);
    let inventory = target.world.lake.inventory();
    let kinds: Vec<&str> =
        inventory.as_array().unwrap().iter().map(|item| item["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["fieldgroups", "schemas", "dataSets", "mappingSets", "mappingSets"]);
    assert_eq!(inventory[1]["title"], "Charges");
    assert_eq!(inventory[1]["description"], "A schema.");
    assert!(inventory[2]["tags"].is_object());
    assert_eq!(inventory[4]["name"], "set [marker]");
}

#[test]
fn objects_can_be_changed_and_lost_behind_everybodys_back() {
    let mut target = Target::new(&plain());
    let (dataset, set) = (target.dataset.clone(), target.set.clone());
    let lake = &mut target.world.lake;
    assert!(lake.tamper(&dataset, &json!({"description": "hand edit"}), NOW));
    assert!(lake.tamper(&set, &json!({"mappings": []}), NOW));
    assert_eq!(lake.mapping_set(&set, 1).unwrap().rows, 0);
    let schema = lake.dataset_schema(&dataset).unwrap().id;
    assert!(lake.tamper(&schema, &json!({"title": "Other"}), NOW));
    assert!(lake.lose(&dataset) && !lake.lose(&dataset));
    assert!(lake.lose(&schema) && !lake.has_schema(&schema));
    assert!(!lake.tamper("none", &json!({}), NOW));
}
