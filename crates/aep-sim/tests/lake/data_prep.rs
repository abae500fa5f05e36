//! Data Prep: both body forms, versions, validation, preview, expressions.

use aep_sim::switches::MappingSetDefaultVersion;
use serde_json::{Value, json};

use crate::support::Service::{DataPrep, Registry};
use crate::support::*;

const ROWS: [(&str, &str); 2] = [("data.id", "_acme.charges.id"), ("data.amount", "_acme.charges.amount")];

#[test]
fn a_new_set_is_version_zero_and_answers_200() {
    let mut world = World::new();
    let schema = world.charges();
    let rows = json!([{"sourceType": "ATTRIBUTE", "source": "data.id", "destination": "_acme.charges.id"}]);
    let reply = world.post(DataPrep, "/mappingSets", &mapping_set(&schema, &rows));
    assert_eq!(reply.status, 200);
    let id = text(&reply, "id");
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let robot = "robot@techacct.adobe.com";
    let expected = json!({"id": id, "version": 0, "createdDate": NOW, "modifiedDate": NOW, "createdBy": robot, "modifiedBy": robot});
    assert_eq!(body(&reply), &expected);
}

#[test]
fn both_body_forms_are_taken_and_every_answer_holds_both() {
    let mut world = World::new();
    let schema = world.charges();
    let older = json!({
        "version": 0, "xdmSchema": schema, "xdmVersion": "1.0", "id": null,
        "mappings": [{"sourceAttribute": "data.id", "destinationXdmPath": "_acme.charges.id", "identity": false,
            "identityGroup": null, "namespaceCode": null, "version": 0}],
    });
    let newer = mapping_set(&schema, &json!([{"source": "data.id", "destination": "_acme.charges.id"}]));
    for (sent, content_type) in [(older, "1.0"), (newer, "application/vnd.adobe.xed-full+json;version=1")] {
        let id = text(&world.post(DataPrep, "/mappingSets", &sent), "id");
        let reply = world.get(DataPrep, &format!("/mappingSets/{id}")).send();
        let set = body(&reply);
        assert_eq!(set["xdmSchema"], json!(schema));
        assert_eq!(set["xdmVersion"], "1.0");
        assert_eq!(set["schemaRef"], json!({"id": schema, "contentType": content_type}));
        assert_eq!(set["outputSchema"]["schemaRef"], set["schemaRef"]);
        let row = &set["mappings"][0];
        assert_eq!((&row["source"], &row["sourceAttribute"]), (&json!("data.id"), &json!("data.id")));
        assert_eq!(row["destination"], row["destinationXdmPath"]);
        assert_eq!(row["sourceType"], "text/x.schema-path");
        assert_eq!(set["supportVersion"], "1.1");
        assert_eq!(set["allowNullValues"], false);
    }
}

#[test]
fn an_expression_reads_back_under_its_other_name_with_its_fields() {
    let mut world = World::new();
    let schema = world.charges();
    let source = "concat(data.currency, \"-\", data.id)";
    let rows = json!([{"sourceType": "EXPRESSION", "source": source, "destination": "_acme.charges.id"}]);
    let id = text(&world.post(DataPrep, "/mappingSets", &mapping_set(&schema, &rows)), "id");
    let reply = world.get(DataPrep, &format!("/mappingSets/{id}")).send();
    let row = &body(&reply)["mappings"][0];
    assert_eq!(row["sourceType"], "text/x.aep-xl");
    assert_eq!(row["expressionAttributes"], json!(["data.currency", "data.id"]));
    // What was read can be sent back.
    let again = world.put(DataPrep, &format!("/mappingSets/{id}"), &body(&reply).clone());
    assert_eq!((again.status, &body(&again)["mappings"][0]["sourceType"]), (200, &json!("text/x.aep-xl")));
}

#[test]
fn a_replacement_raises_the_version_and_keeps_every_older_one() {
    let mut world = World::new();
    let schema = world.charges();
    let id = world.mapping_set(&schema, &ROWS);
    let path = format!("/mappingSets/{id}");
    let first = world.get(DataPrep, &path).send();
    world.now += 5000;
    let body_of = |rows: &Value| mapping_set(&schema, rows);
    let replaced = world.put(
        DataPrep,
        &path,
        &body_of(&json!([{"source": "data.id", "destination": "_acme.charges.id"}])),
    );
    assert_eq!((replaced.status, &body(&replaced)["version"]), (200, &json!(1)));
    assert_eq!(text(&replaced, "id"), id);
    assert_eq!(
        (&body(&replaced)["createdDate"], &body(&replaced)["modifiedDate"]),
        (&json!(NOW), &json!(NOW + 5000))
    );
    assert_ne!(body(&replaced)["mappings"][0]["id"], body(&first)["mappings"][0]["id"], "row ids are new");
    let rows = |world: &mut World, query: &str| {
        let reply = world.get(DataPrep, &format!("{path}{query}")).send();
        body(&reply)["mappings"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(rows(&mut world, "?version=0"), 2);
    assert_eq!(rows(&mut world, "?version=1"), 1);
    assert_eq!(rows(&mut world, ""), 2, "no version means version 0");
    world.switches.mapping_set_default_version = MappingSetDefaultVersion::Latest;
    assert_eq!(rows(&mut world, ""), 1, "or the newest one");
    assert_eq!(world.lake.mapping_set(&id, 0).unwrap().rows, 2);
    assert_eq!(world.lake.mapping_set(&id, 1).unwrap().rows, 1);
    assert!(world.lake.mapping_set(&id, 2).is_none());
}

#[test]
fn a_name_must_be_sent_again_with_every_replacement() {
    let mut world = World::new();
    let schema = world.charges();
    let mut body = mapping_set(&schema, &json!([]));
    body["name"] = json!("Charges [marker]");
    let id = text(&world.post(DataPrep, "/mappingSets", &body), "id");
    let path = format!("/mappingSets/{id}");
    assert_eq!(text(&world.put(DataPrep, &path, &body), "name"), "Charges [marker]");
    body.as_object_mut().unwrap().remove("name");
    assert_eq!(crate::support::body(&world.put(DataPrep, &path, &body)).get("name"), None);
}

#[test]
fn unknown_sets_versions_and_rows_are_404() {
    let mut world = World::new();
    let schema = world.charges();
    let id = world.mapping_set(&schema, &ROWS);
    for path in [
        "/mappingSets/none".to_owned(),
        format!("/mappingSets/{id}?version=1"),
        format!("/mappingSets/{id}/mappings/none"),
    ] {
        assert_eq!(world.get(DataPrep, &path).send().status, 404, "{path}");
    }
    assert_eq!(world.get(DataPrep, &format!("/mappingSets/{id}?version=x")).send().status, 400);
    assert_eq!(world.put(DataPrep, "/mappingSets/none", &mapping_set(&schema, &json!([]))).status, 404);
    assert_eq!(world.delete(DataPrep, &format!("/mappingSets/{id}")).status, 405, "no DELETE is documented");
}

#[test]
fn rows_are_read_one_by_one() {
    let mut world = World::new();
    let schema = world.charges();
    let id = world.mapping_set(&schema, &ROWS);
    let list = world.get(DataPrep, &format!("/mappingSets/{id}/mappings")).send();
    let row = body(&list)[1].clone();
    let one =
        world.get(DataPrep, &format!("/mappingSets/{id}/mappings/{}", row["id"].as_str().unwrap())).send();
    assert_eq!(body(&one), &row);
}

#[test]
fn malformed_sets_are_refused_with_a_body() {
    let mut world = World::new();
    let schema = world.charges();
    for (sent, part) in [
        (json!([]), "object"),
        (json!({"mappings": []}), "schemaRef"),
        (json!({"xdmSchema": schema}), "mappings"),
        (mapping_set("https://ns.adobe.com/acme/schemas/none", &json!([])), "does not exist"),
        (json!({"xdmSchema": schema, "xdmVersion": "2.0", "mappings": []}), "does not exist"),
        (mapping_set(&schema, &json!([{"destination": "_id"}])), "source"),
        (mapping_set(&schema, &json!([{"source": "data.id"}])), "destination"),
        (
            mapping_set(&schema, &json!([{"source": "a", "destination": "_id", "sourceType": "OTHER"}])),
            "sourceType",
        ),
    ] {
        let reply = world.post(DataPrep, "/mappingSets", &sent);
        assert_eq!(reply.status, 400, "{sent}");
        assert!(text(&reply, "detail").contains(part), "{reply:?}");
        assert_eq!((&body(&reply)["status"], body(&reply)["title"].is_string()), (&json!(400), true));
    }
}

#[test]
fn lists_need_both_limit_and_start() {
    let mut world = World::new();
    let schema = world.charges();
    for name in ["one", "two", "three"] {
        let mut body = mapping_set(&schema, &json!([]));
        body["name"] = json!(name);
        world.now += 1;
        world.post(DataPrep, "/mappingSets", &body);
    }
    for query in ["", "limit=1", "start=0", "limit=x&start=0", "limit=1&start=0&orderBy=name"] {
        assert_eq!(world.get(DataPrep, &format!("/mappingSets?{query}")).send().status, 400, "{query}");
    }
    let names = |world: &mut World, query: &str| {
        let reply = world.get(DataPrep, &format!("/mappingSets?{query}")).send();
        let sets = body(&reply)["data"].as_array().unwrap().clone();
        (
            sets.iter().map(|set| set["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>(),
            body(&reply).clone(),
        )
    };
    let (found, page) = names(&mut world, "limit=2&start=0&orderBy=+createdDate");
    assert_eq!(found, ["one", "two"]);
    assert_eq!(page["_page"], json!({"count": 2, "limit": 2}));
    assert_eq!(page["_links"]["next"]["href"], "/mappingSets?limit=2&start=2");
    let (found, page) = names(&mut world, "limit=2&start=2&orderBy=%20createdDate");
    assert_eq!((found, &page["_links"]), (vec!["three".to_owned()], &json!({})));
    assert_eq!(names(&mut world, "limit=9&start=0&name=two").0, ["two"]);
    assert_eq!(names(&mut world, "limit=9&start=0&orderBy=-updatedDate").0, ["three", "two", "one"]);
}

fn validate(world: &mut World, schema: &str, rows: &Value) -> Vec<Option<String>> {
    let reply = world.post(DataPrep, "/mappingSets/validate", &mapping_set(schema, rows));
    assert_eq!(reply.status, 200, "{reply:?}");
    let results = body(&reply)["validationResponse"].as_array().unwrap().clone();
    let result = |result: &Value| match result["status"].as_str() {
        Some("SUCCESS") => {
            assert_eq!(result["errors"], Value::Null);
            None
        }
        _ => Some(result["errors"][0]["exception"].as_str().unwrap().to_owned()),
    };
    results.iter().map(result).collect()
}

#[test]
fn every_row_is_validated_on_its_own() {
    let mut world = World::new();
    let schema = world.charges();
    let row = |kind: &str, source: &str, destination: &str| json!({"sourceType": kind, "source": source, "destination": destination});
    let cases = [
        (row("ATTRIBUTE", "data.id", "_acme.charges.id"), None),
        (row("ATTRIBUTE", "data", "_acme.charges"), None),
        (row("ATTRIBUTE", "data..id", "_acme.charges.id"), Some("empty name")),
        (row("ATTRIBUTE", "data.id", "_acme.charges.none"), Some("not a field")),
        (row("ATTRIBUTE", "data.id", "_other.charges.id"), Some("not a field")),
        (row("ATTRIBUTE", "data.id", "_acme..id"), Some("empty name")),
        (row("EXPRESSION", "concat(data.id, \"x\")", "_acme.charges.id"), None),
        (row("EXPRESSION", "concat(data.id", "_acme.charges.id"), Some("expected")),
        (row("EXPRESSION", "nosuch(data.id)", "_acme.charges.id"), Some("does not exist")),
        (row("EXPRESSION", "to_array(true, data.id)", "_acme.charges.id"), Some("gives array")),
        (row("EXPRESSION", "data.a == data.b", "_acme.charges.amount"), Some("gives boolean")),
        (row("EXPRESSION", "to_integer(data.id)", "_acme.charges.amount"), None),
        (row("EXPRESSION", "\"text\"", "_acme.charges.amount"), Some("expected integer")),
        (row("EXPRESSION", "lower(data.id)", "_repo.createDate"), None),
        (row("EXPRESSION", "1 + 2", "_repo.createDate"), Some("gives number")),
        (row("STATIC", "stripe", "_acme.charges.id"), None),
        (row("STATIC", "stripe", "_acme.charges.amount"), Some("expected integer")),
        (row("STATIC", "stripe", "_acme.charges"), Some("expected object")),
    ];
    let rows: Vec<Value> = cases.iter().map(|(row, _)| row.clone()).collect();
    for (found, (row, expected)) in validate(&mut world, &schema, &json!(rows)).iter().zip(&cases) {
        match (found, expected) {
            (None, None) => {}
            (Some(found), Some(part)) => assert!(found.contains(part), "{row}: {found}"),
            other => panic!("{row}: {other:?}"),
        }
    }
}

#[test]
fn a_set_that_does_not_validate_is_known_to_the_flow_service() {
    let mut world = World::new();
    let schema = world.charges();
    let good = world.mapping_set(&schema, &ROWS);
    assert_eq!(world.lake.mapping_problems(&good, 0), Vec::<String>::new());
    let bad = world.mapping_set(&schema, &[("data.id", "_acme.charges.none")]);
    let problems = world.lake.mapping_problems(&bad, 0);
    assert!(problems.len() == 1 && problems[0].contains("_acme.charges.none"), "{problems:?}");
    assert_eq!(world.lake.mapping_problems(&good, 7).len(), 1);
    // It is stored all the same, unless validation is asked for.
    let sent = mapping_set(&schema, &json!([{"source": "data.id", "destination": "_acme.charges.none"}]));
    assert_eq!(world.post(DataPrep, "/mappingSets?validate=true", &sent).status, 400);
}

#[test]
fn a_set_becomes_valid_when_its_schema_grows() {
    let mut world = World::new();
    let schema = world.charges();
    let set = world.mapping_set(&schema, &[("data.status", "_acme.charges.status")]);
    assert_eq!(world.lake.mapping_problems(&set, 0).len(), 1);
    let list = world.get(Registry, "/tenant/fieldgroups").header("accept", IDS).send();
    let group = body(&list)["results"][0]["$id"].as_str().unwrap().to_owned();
    let add = json!([{"op": "add", "value": {"type": "string"},
        "path": "/definitions/customFields/properties/_acme/properties/charges/properties/status"}]);
    world.patch(Registry, &format!("/tenant/fieldgroups/{}", escape(&group)), &add);
    assert_eq!(world.lake.mapping_problems(&set, 0), Vec::<String>::new());
}

#[test]
fn a_preview_maps_records_and_tells_what_failed() {
    let mut world = World::new();
    let schema = world.charges();
    let rows = json!([
        {"sourceType": "ATTRIBUTE", "source": "id", "destination": "_acme.charges.id"},
        {"sourceType": "EXPRESSION", "source": "to_integer(amount)", "destination": "_acme.charges.amount"},
    ]);
    let set = mapping_set(&schema, &rows);
    let records = json!([{"id": 1234, "amount": "5"}, {"id": "b", "amount": "x"}]);
    let reply = world.post(DataPrep, "/mappingSets/preview", &json!({"data": records, "mappingSet": set}));
    assert_eq!(
        body(&reply)[0],
        json!({"data": {"_acme": {"charges": {"id": "1234", "amount": 5}}}, "errors": null})
    );
    assert_eq!(body(&reply)[1]["data"], json!({"_acme": {"charges": {"id": "b"}}}));
    assert_eq!(body(&reply)[1]["errors"][0]["destination"], "_acme.charges.amount");
    // Adobe's own example sends one object instead of an array.
    let single =
        world.post(DataPrep, "/mappingSets/preview", &json!({"data": {"id": "c"}, "mappingSet": set}));
    assert_eq!(body(&single)[0]["data"]["_acme"]["charges"]["id"], "c");
    assert_eq!(world.post(DataPrep, "/mappingSets/preview", &json!({"mappingSet": set})).status, 400);
}

#[test]
fn expressions_are_validated_alone() {
    let mut world = World::new();
    let check = |world: &mut World, body: Value| {
        let reply = world.post(DataPrep, "/languages/el/validate", &body);
        (reply.status, reply.body.unwrap())
    };
    let good = r#"concat("Hi", ",", "there", "!")"#;
    assert_eq!(check(&mut world, json!({"expression": good})), (200, json!(true)));
    assert_eq!(
        check(&mut world, json!({"expression": {"expression": good}})),
        (200, json!(true)),
        "as in Adobe's example"
    );
    assert_eq!(check(&mut world, json!({"expression": "concat("})), (200, json!(false)));
    assert_eq!(check(&mut world, json!({})).0, 400);
}

#[test]
fn the_language_describes_itself() {
    let mut world = World::new();
    let functions = world.get(DataPrep, "/languages/el/functions").send();
    assert!(body(&functions).as_array().unwrap().iter().any(|function| function["function"] == "concat"));
    let operators = world.get(DataPrep, "/languages/el/operators").send();
    assert!(body(&operators).as_array().unwrap().iter().any(|operator| operator["operatorSymbol"] == "+"));
}

#[test]
fn the_target_schema_is_shown_on_request() {
    let mut world = World::new();
    let schema = world.charges();
    let id = world.mapping_set(&schema, &ROWS);
    let plain = world.get(DataPrep, &format!("/mappingSets/{id}?version=0")).send();
    assert_eq!(body(&plain)["outputSchema"].get("jsonSchema"), None);
    let expanded = world.get(DataPrep, &format!("/mappingSets/{id}?version=0&expandSchema=true")).send();
    let tree = &body(&expanded)["outputSchema"]["jsonSchema"]["properties"]["_acme"]["properties"]["charges"];
    assert_eq!(tree["properties"]["id"]["type"], "string");
}

#[test]
fn a_new_set_may_take_its_time_to_be_seen() {
    let mut world = World::new();
    let schema = world.charges();
    (world.switches.list_lag_ms, world.switches.get_lag_ms) = (5000, 1000);
    let path = format!("/mappingSets/{}", world.mapping_set(&schema, &ROWS));
    let count = |world: &mut World| {
        let reply = world.get(DataPrep, "/mappingSets?limit=9&start=0").send();
        body(&reply)["_page"]["count"].as_u64().unwrap()
    };
    assert_eq!((count(&mut world), world.get(DataPrep, &path).send().status), (0, 404));
    world.now += 5000;
    assert_eq!((count(&mut world), world.get(DataPrep, &path).send().status), (1, 200));
}
