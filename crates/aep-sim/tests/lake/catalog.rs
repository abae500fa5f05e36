//! Catalog: keyed answers, filters, three ways of changing a data set, deletion without questions.

use serde_json::{Value, json};

use crate::support::Service::{Catalog, Registry};
use crate::support::*;

fn ids(reply: &aep_sim::wire::Reply) -> Vec<String> {
    body(reply).as_object().unwrap().keys().cloned().collect()
}

fn names(world: &mut World, query: &str) -> Vec<String> {
    let reply = world.get(Catalog, &format!("/dataSets?{query}")).send();
    assert_eq!(reply.status, 200, "{reply:?}");
    let sets = body(&reply).as_object().unwrap().clone();
    sets.values().map(|set| set["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_new_data_set_is_answered_by_reference_and_read_by_key() {
    let mut world = World::new();
    let schema = world.charges();
    let reply = world.post(Catalog, "/dataSets?requestDataSource=true", &dataset("Charges", &schema));
    let id = dataset_id(&reply);
    assert_eq!(body(&reply), &json!([format!("@/dataSets/{id}")]));
    assert!(reply.headers.iter().any(|(name, value)| *name == "location" && value.ends_with(&id)));
    assert!(id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let read = world.get(Catalog, &format!("/dataSets/{id}")).send();
    assert_eq!(ids(&read), std::slice::from_ref(&id));
    let set = &body(&read)[&id];
    assert_eq!(set["version"], "1.0.0");
    assert_eq!(set["schemaRef"]["id"], json!(schema));
    assert_eq!((&set["imsOrg"], &set["createdClient"]), (&json!("ORG@AdobeOrg"), &json!("client")));
    assert_eq!(set["classification"]["dataBehavior"], "record");
    assert_eq!(
        world.lake.dataset_schema(&id).unwrap().content_type,
        "application/vnd.adobe.xed+json;version=1"
    );
}

#[test]
fn a_data_set_needs_an_existing_schema_and_well_formed_members() {
    let mut world = World::new();
    let schema = world.charges();
    let good = dataset("Charges", &schema);
    for (member, value) in [
        ("schemaRef", Value::Null),
        ("schemaRef", json!({"id": "https://ns.adobe.com/acme/schemas/none"})),
        ("schemaRef", json!({"id": schema, "contentType": "text/plain"})),
        ("name", json!(1)),
        ("tags", json!(["a"])),
        ("tags", json!({"a": "b"})),
        ("tags", json!({"a": [1]})),
        ("enableErrorDiagnostics", json!("yes")),
    ] {
        let mut body = good.clone();
        body[member] = value;
        let reply = world.post(Catalog, "/dataSets", &body);
        assert_eq!(
            (reply.status, crate::support::body(&reply)["status"].as_u64()),
            (400, Some(400)),
            "{body}"
        );
    }
    assert_eq!(world.post(Catalog, "/dataSets", &json!("text")).status, 400);
}

#[test]
fn names_are_not_unique() {
    let mut world = World::new();
    let schema = world.charges();
    assert_ne!(world.dataset("Same", &schema), world.dataset("Same", &schema));
    assert_eq!(names(&mut world, "name=Same"), ["Same", "Same"]);
}

#[test]
fn lists_are_filtered_by_name_property_and_tags() {
    let mut world = World::new();
    let schema = world.charges();
    for (name, owner) in [("charges", "one"), ("refunds", "two"), ("charges*", "other")] {
        let mut body = dataset(name, &schema);
        body["tags"] = json!({"owner": [owner, "team:a"], "with space/slash": ["[marker v1] x/y"]});
        world.post(Catalog, "/dataSets", &body);
    }
    for (query, expected) in [
        ("name=charges", vec!["charges"]),
        ("name=charges,refunds", vec!["charges", "refunds"]),
        ("name=!refunds", vec!["charges", "charges*"]),
        ("name=!refunds,charges", vec!["charges*"]),
        ("name=char*", vec!["charges", "charges*"]),
        ("name=charges**", vec!["charges*"]),
        ("property=name~^ref", vec!["refunds"]),
        ("property=name==refunds", vec!["refunds"]),
        ("property=name!=refunds", vec!["charges", "charges*"]),
        ("property=name==char*", vec!["charges", "charges*"]),
        ("createdAfter=1&createdBefore=9999999999999&name=refunds", vec!["refunds"]),
        ("createdBefore=1", vec![]),
        ("property=created>1", vec!["charges", "refunds", "charges*"]),
        ("property=lastBatchId", vec![]),
        ("property=!lastBatchId", vec!["charges", "refunds", "charges*"]),
        ("tags=owner:one", vec!["charges"]),
        ("tags=owner:o*", vec!["charges", "charges*"]),
        ("tags=owner:team:a,owner:two", vec!["refunds"]),
        ("tags=owner:*,none:*", vec![]),
        ("tags=with%20space/slash:[marker%20v1]%20x/*", vec!["charges", "refunds", "charges*"]),
        ("createdClient=client", vec!["charges", "refunds", "charges*"]),
        ("createdClient=other", vec![]),
        ("orderBy=desc:name", vec!["refunds", "charges*", "charges"]),
        ("orderBy=asc:name&limit=2", vec!["charges", "charges*"]),
        ("orderBy=asc:name&limit=2&start=2", vec!["refunds"]),
        ("start=3", vec![]),
    ] {
        assert_eq!(names(&mut world, query), expected, "{query}");
    }
}

#[test]
fn a_page_holds_20_unless_told_and_never_more_than_100() {
    let mut world = World::new();
    let schema = world.charges();
    for number in 0..105 {
        world.lake.seed_dataset(&dataset(&format!("d{number}"), &schema), &World::caller(), NOW);
    }
    assert_eq!(names(&mut world, "").len(), 20);
    assert_eq!(names(&mut world, "limit=100").len(), 100);
    assert_eq!(names(&mut world, "limit=100&start=100").len(), 5);
    for query in ["limit=0", "limit=101", "limit=x", "start=x", "orderBy=up:name"] {
        assert_eq!(world.get(Catalog, &format!("/dataSets?{query}")).send().status, 400, "{query}");
    }
}

#[test]
fn properties_cut_the_answer() {
    let mut world = World::new();
    let schema = world.charges();
    let id = world.dataset("Charges", &schema);
    let read = world.get(Catalog, &format!("/dataSets/{id}?properties=name,tags")).send();
    assert_eq!(body(&read)[&id].as_object().unwrap().len(), 2);
    let list = world.get(Catalog, "/dataSets?properties=name").send();
    assert_eq!(body(&list)[&id], json!({"name": "Charges"}));
}

#[test]
fn a_partial_object_replaces_tags_as_a_whole_and_a_json_patch_does_not() {
    let mut world = World::new();
    let schema = world.charges();
    let id = world.dataset("Charges", &schema);
    let path = format!("/dataSets/{id}");
    let tags = |world: &mut World| {
        let read = world.get(Catalog, &path).send();
        body(&read)[&id]["tags"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    let own = tags(&mut world);
    assert!(own.contains(&"adobe/pqs/table".to_owned()), "the service has tags of its own");
    let patch = json!([{"op": "add", "path": "/tags/owner", "value": ["me"]}]);
    let reply = world.json_patch(&path, &patch);
    assert_eq!((reply.status, body(&reply)), (200, &json!([format!("@/dataSets/{id}")])));
    assert_eq!(tags(&mut world).len(), own.len() + 1);
    assert_eq!(world.patch(Catalog, &path, &json!({"tags": {"owner": ["you"]}})).status, 200);
    assert_eq!(tags(&mut world), ["owner"], "everybody else's tags are gone");
    let merge = json!({"tags": {"more": ["x"]}, "extensions": {"deep": {"er": 1}}});
    assert_eq!(world.patch(Catalog, &format!("/v2/dataSets/{id}"), &merge).status, 200);
    assert_eq!(tags(&mut world), ["owner", "more"], "version 2 merges");
    let read = world.get(Catalog, &path).send();
    assert_eq!(body(&read)[&id]["extensions"]["deep"]["er"], 1);
    assert_eq!(body(&read)[&id]["version"], "1.0.3");
}

#[test]
fn the_content_type_decides_how_a_patch_is_read() {
    let mut world = World::new();
    let schema = world.charges();
    let path = format!("/dataSets/{}", world.dataset("Charges", &schema));
    let operations = json!([{"op": "replace", "path": "/name", "value": "x"}]);
    assert_eq!(world.patch(Catalog, &path, &operations).status, 400, "an array is no partial object");
    assert_eq!(world.json_patch(&path, &json!({"name": "x"})).status, 400, "an object is no JSON Patch");
    assert_eq!(world.json_patch(&path, &json!([{"op": "remove", "path": "/none"}])).status, 400);
    assert_eq!(world.json_patch(&path, &json!([{"op": "replace", "path": "/tags", "value": 1}])).status, 400);
    assert_eq!(world.json_patch(&path, &operations).status, 200);
}

#[test]
fn the_schema_of_a_data_set_is_for_ever_and_the_services_members_are_its_own() {
    let mut world = World::new();
    let schema = world.charges();
    let other = world.schema("Other", PROFILE, &[]);
    let id = world.dataset("Charges", &schema);
    let path = format!("/dataSets/{id}");
    assert_eq!(world.patch(Catalog, &path, &dataset("Charges", &other)).status, 400);
    assert_eq!(world.put(Catalog, &path, &dataset("Charges", &other)).status, 400);
    let reply = world.patch(Catalog, &path, &json!({"imsOrg": "X", "created": 1, "description": "text"}));
    assert_eq!(reply.status, 200);
    let read = world.get(Catalog, &path).send();
    let set = &body(&read)[&id];
    assert_eq!(
        (&set["imsOrg"], &set["created"], &set["description"]),
        (&json!("ORG@AdobeOrg"), &json!(NOW), &json!("text"))
    );
    assert_eq!(world.put(Catalog, &path, &dataset("Renamed", &schema)).status, 200);
    let read = world.get(Catalog, &path).send();
    assert_eq!(body(&read)[&id].get("description"), None, "a replacement drops what it does not name");
    assert_eq!(body(&read)[&id]["created"], NOW);
}

#[test]
fn version_two_honours_a_precondition() {
    let mut world = World::new();
    let schema = world.charges();
    let path = format!("/v2/dataSets/{}", world.dataset("Charges", &schema));
    let send = |world: &mut World, etag: &str| {
        let mut request = world.patch_request(&path);
        request = request.header("if-match", etag).header("content-type", "application/json");
        request.body(&json!({"description": "x"})).send().status
    };
    assert_eq!(send(&mut world, "\"1.0.7\""), 412);
    assert_eq!(send(&mut world, "\"1.0.0\""), 200);
    assert_eq!(send(&mut world, "*"), 200);
}

#[test]
fn deletion_asks_nothing_and_an_unknown_id_is_an_empty_answer() {
    let mut world = World::new();
    let schema = world.charges();
    let id = world.dataset("Charges", &schema);
    let path = format!("/dataSets/{id}");
    assert_eq!(body(&world.delete(Catalog, &path)), &json!([format!("@/dataSets/{id}")]));
    let again = world.delete(Catalog, &path);
    assert_eq!((again.status, body(&again)), (200, &json!([])));
    assert_eq!(world.get(Catalog, &path).send().status, 404);
    assert_eq!(world.patch(Catalog, &path, &json!({"name": "x"})).status, 404);
    assert_eq!(world.put(Catalog, &path, &dataset("x", &schema)).status, 404);
    assert_eq!(body(&world.get(Catalog, "/dataSets").send()), &json!({}));
    assert_eq!(world.lake.dataset_schema(&id), None);
}

#[test]
fn unknown_paths_and_methods_are_told_apart() {
    let mut world = World::new();
    assert_eq!(world.get(Catalog, "/nothing").send().status, 404);
    assert_eq!(world.delete(Catalog, "/dataSets").status, 405);
    assert_eq!(world.get(Catalog, "/batches/none").send().status, 404);
    assert_eq!(world.get(Registry, "/").send().status, 404);
}

#[test]
fn several_data_sets_are_looked_up_at_once() {
    let mut world = World::new();
    let schema = world.charges();
    let (one, other) = (world.dataset("one", &schema), world.dataset("other", &schema));
    let reply = world.get(Catalog, &format!("/dataSets/{one},{other},000000000000000000000000")).send();
    assert_eq!(ids(&reply), [one, other]);
}

#[test]
fn a_new_data_set_may_take_its_time_to_be_seen() {
    let mut world = World::new();
    let schema = world.charges();
    (world.switches.list_lag_ms, world.switches.get_lag_ms) = (5000, 1000);
    let path = format!("/dataSets/{}", world.dataset("Charges", &schema));
    assert_eq!(names(&mut world, ""), Vec::<String>::new());
    assert_eq!(world.get(Catalog, &path).send().status, 404);
    assert_eq!(
        world.patch(Catalog, &path, &json!({"description": "x"})).status,
        200,
        "writes see it at once"
    );
    world.now += 1000;
    assert_eq!(world.get(Catalog, &path).send().status, 200);
    world.now += 4000;
    assert_eq!(names(&mut world, ""), ["Charges"]);
}
