//! Schema Registry: forms of answers, lists, what a resource must look like, descriptors.

use serde_json::{Value, json};

use crate::support::Service::Registry;
use crate::support::*;

#[test]
fn stats_tell_the_tenant_and_count_its_resources() {
    let mut world = World::new();
    let empty = world.get(Registry, "/stats").send();
    assert_eq!(body(&empty)["tenantId"], "acme");
    assert_eq!(body(&empty)["imsOrg"], "ORG@AdobeOrg");
    let schema = world.charges();
    let stats = world.get(Registry, "/stats").send();
    assert_eq!(
        body(&stats)["counts"],
        json!({"schemas": 1, "mixins": 1, "datatypes": 0, "classes": 0, "unions": 0})
    );
    assert_eq!(body(&stats)["classUsage"][0]["schemas"][0]["$id"], json!(schema));
    assert_eq!(body(&stats)["recentlyCreatedResources"][0]["title"], "Charges");
}

#[test]
fn a_created_resource_carries_what_the_service_adds() {
    let mut world = World::new();
    let schema = world.charges();
    let hex = schema.strip_prefix("https://ns.adobe.com/acme/schemas/").unwrap();
    assert!(hex.len() == 48 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let reply = world.look_up("schemas", &schema, RAW);
    let raw = body(&reply);
    assert_eq!(raw["meta:altId"], json!(format!("_acme.schemas.{hex}")));
    assert_eq!(raw["version"], "1.0");
    assert_eq!(raw["meta:class"], PROFILE);
    assert_eq!(raw["meta:tenantNamespace"], "_acme");
    assert_eq!(raw["meta:registryMetadata"]["xdm:createdClientId"], "client");
    let extends: Vec<&str> =
        raw["meta:extends"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(extends.contains(&"https://ns.adobe.com/xdm/data/record") && extends.contains(&PROFILE));
}

#[test]
fn a_field_group_keeps_the_historical_word_in_its_id() {
    let mut world = World::new();
    let group = world.field_group("Group", &json!({"a": {"type": "string"}}));
    assert!(group.starts_with("https://ns.adobe.com/acme/mixins/"), "{group}");
    let reply = world.look_up("fieldgroups", &group, RAW);
    assert_eq!(body(&reply)["meta:resourceType"], "mixins");
    let field = &body(&reply)["definitions"]["customFields"]["properties"]["_acme"]["properties"]["a"];
    assert_eq!(field["meta:xdmType"], "string");
    assert_eq!(world.look_up("mixins", &group, RAW).status, 200, "the older endpoint goes on working");
}

#[test]
fn a_resource_is_found_by_its_dotted_id_too() {
    let mut world = World::new();
    let schema = world.charges();
    let dotted = format!("_{}", schema.trim_start_matches("https://ns.adobe.com/").replace('/', "."));
    assert_eq!(text(&world.look_up("schemas", &dotted, RAW), "$id"), schema);
    refused(&world.look_up("fieldgroups", &schema, RAW), 404, "XDM-1012-404");
    let second = "application/vnd.adobe.xed+json; version=2";
    refused(&world.look_up("schemas", &schema, second), 404, "XDM-1012-404");
}

#[test]
fn the_full_form_resolves_references_into_properties() {
    let mut world = World::new();
    let email = json!({"email": {"$ref": "https://ns.adobe.com/xdm/context/emailaddress"}});
    let group = world.field_group("Group", &email);
    let schema = world.schema("Schema", PROFILE, &[&group]);
    let reply = world.look_up("schemas", &schema, FULL);
    let full = body(&reply);
    assert!(full.get("allOf").is_none() && full.get("definitions").is_none());
    assert_eq!(full["properties"]["_acme"]["properties"]["email"]["properties"]["address"]["type"], "string");
    assert_eq!(full["properties"]["_id"]["type"], "string", "fields of the class are there");
    assert_eq!(full["properties"]["_repo"]["properties"]["createDate"]["format"], "date-time");
    let raw = world.look_up("schemas", &schema, RAW);
    assert_eq!(body(&raw)["allOf"][1]["$ref"], json!(group));
}

#[test]
fn texts_are_left_out_on_request() {
    let mut world = World::new();
    let schema = world.charges();
    let no_text = world.look_up("schemas", &schema, "application/vnd.adobe.xed-full-notext+json;version=1");
    assert!(body(&no_text).get("title").is_none() && body(&no_text).get("description").is_none());
    let described = world.look_up("schemas", &schema, "application/vnd.adobe.xed-full-desc+json;version=1");
    assert!(body(&described).get("title").is_none() && body(&described).get("description").is_some());
}

#[test]
fn a_time_series_schema_requires_id_and_timestamp() {
    let mut world = World::new();
    let schema = world.schema("Events", EVENT, &[]);
    let full = world.look_up("schemas", &schema, FULL);
    assert_eq!(body(&full)["required"], json!(["_id", "timestamp"]));
}

#[test]
fn lists_take_no_version_and_look_ups_need_one() {
    let mut world = World::new();
    let schema = world.charges();
    let list = |world: &mut World, accept: &str| {
        world.get(Registry, "/tenant/schemas").header("accept", accept).send()
    };
    refused(&list(&mut world, RAW), 400, "XDM-1006-400");
    refused(&list(&mut world, "application/json"), 400, "XDM-1006-400");
    refused(&world.get(Registry, "/tenant/schemas").send(), 400, "XDM-1006-400");
    refused(&world.look_up("schemas", &schema, OBJECTS), 400, "XDM-1007-400");
    refused(&world.look_up("schemas", &schema, "*/*"), 400, "XDM-1007-400");
    world.switches.registry_accept_error = 406;
    let older = list(&mut world, "application/json");
    assert_eq!((older.status, text(&older, "title").as_str()), (406, "NotAcceptableError"));
}

#[test]
fn lists_are_short_or_whole() {
    let mut world = World::new();
    world.charges();
    let short = world.get(Registry, "/tenant/schemas").header("accept", IDS).send();
    let item = body(&short)["results"][0].as_object().unwrap();
    assert_eq!(item.keys().collect::<Vec<_>>(), ["$id", "meta:altId", "version", "title"]);
    assert_eq!(body(&short)["_page"], json!({"orderby": "updated", "next": null, "count": 1}));
    let whole = world.get(Registry, "/tenant/schemas").header("accept", OBJECTS).send();
    assert!(body(&whole)["results"][0].get("allOf").is_some());
}

#[test]
fn lists_are_filtered_by_properties() {
    let mut world = World::new();
    world.charges();
    world.field_group("Other", &json!({"a": {"type": "string"}}));
    let titles = |world: &mut World, path: &str| {
        let reply = world.get(Registry, path).header("accept", IDS).send();
        let results = body(&reply)["results"].as_array().unwrap().clone();
        results.iter().map(|item| item["title"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        titles(&mut world, "/tenant/fieldgroups?property=title==Charges%20fields"),
        ["Charges fields"]
    );
    assert_eq!(titles(&mut world, "/tenant/fieldgroups?property=title!=Charges%20fields"), ["Other"]);
    assert_eq!(titles(&mut world, "/tenant/fieldgroups?property=title~^Oth"), ["Other"]);
    let extends =
        format!("/tenant/fieldgroups?property=meta:intendedToExtend=={PROFILE}&property=title==Other");
    assert_eq!(titles(&mut world, &extends), ["Other"]);
    assert_eq!(titles(&mut world, "/tenant/schemas?property=meta:immutableTags"), Vec::<String>::new());
    assert!(titles(&mut world, "/global/classes").contains(&"XDM Individual Profile".to_owned()));
    assert!(titles(&mut world, "/global/behaviors").contains(&"Record Schema".to_owned()));
}

#[test]
fn pages_begin_strictly_after_a_value_and_need_an_order() {
    let mut world = World::new();
    for name in ["a", "b", "c", "d", "e"] {
        world.field_group(name, &json!({"x": {"type": "string"}}));
    }
    let page = |world: &mut World, query: &str| {
        let path = format!("/tenant/fieldgroups?{query}");
        let reply = world.get(Registry, &path).header("accept", IDS).send();
        let results = body(&reply)["results"].as_array().unwrap().clone();
        let titles = results.iter().map(|item| item["title"].as_str().unwrap()).collect::<String>();
        (titles, body(&reply)["_page"]["next"].clone())
    };
    assert_eq!(page(&mut world, "orderby=title&limit=2"), ("ab".to_owned(), json!("b")));
    assert_eq!(page(&mut world, "orderby=title&limit=2&start=b"), ("cd".to_owned(), json!("d")));
    assert_eq!(page(&mut world, "orderby=title&limit=2&start=d"), ("e".to_owned(), Value::Null));
    assert_eq!(page(&mut world, "orderby=-title&limit=2"), ("ed".to_owned(), json!("d")));
    // All were written in the same millisecond: a page that ended between them would lose the rest.
    assert_eq!(page(&mut world, "orderby=updated&limit=2").0, "abcde");
    let refusal = world.get(Registry, "/tenant/fieldgroups?limit=2").header("accept", IDS).send();
    refused(&refusal, 400, "XDM-1597-400");
}

#[test]
fn a_list_never_holds_more_than_300() {
    let mut world = World::new();
    for number in 0..310 {
        let group = field_group(&format!("g{number:03}"), &json!({}));
        world.lake.seed_resource("fieldgroups", &group, &World::caller(), NOW + number);
    }
    let reply =
        world.get(Registry, "/tenant/fieldgroups?orderby=title&limit=500").header("accept", IDS).send();
    assert_eq!(body(&reply)["_page"]["count"], 300);
    assert_eq!(body(&reply)["_page"]["next"], "g299");
}

#[test]
fn a_title_is_unique_over_all_kinds_and_the_refusal_names_the_owner() {
    let mut world = World::new();
    let schema = world.charges();
    let again = world.post(Registry, "/tenant/schemas", &support_schema("Charges"));
    assert!(refused(&again, 400, "XDM-1521-400").contains(&schema));
    let group = world.post(
        Registry,
        "/tenant/fieldgroups",
        &field_group("Charges", &json!({"b": {"type": "string"}})),
    );
    assert!(refused(&group, 400, "XDM-1521-400").contains(&schema));
}

fn support_schema(title: &str) -> Value {
    schema(title, PROFILE, &[])
}

#[test]
fn required_members_are_required() {
    let mut world = World::new();
    for member in ["type", "title", "description", "allOf"] {
        let mut body = support_schema("S");
        body.as_object_mut().unwrap().remove(member);
        let detail = refused(&world.post(Registry, "/tenant/schemas", &body), 400, "XDM-1590-400");
        assert!(detail.contains(member), "{detail}");
    }
    for member in ["type", "title", "meta:intendedToExtend"] {
        let mut body = field_group("G", &json!({"a": {"type": "string"}}));
        body.as_object_mut().unwrap().remove(member);
        refused(&world.post(Registry, "/tenant/fieldgroups", &body), 400, "XDM-1590-400");
    }
    refused(&world.post(Registry, "/tenant/schemas", &json!([])), 400, "XDM-1590-400");
}

#[test]
fn custom_fields_stand_below_the_tenant_namespace() {
    let mut world = World::new();
    let mut group = field_group("G", &json!({}));
    group["definitions"]["customFields"]["properties"] = json!({"amount": {"type": "integer"}});
    let detail = refused(&world.post(Registry, "/tenant/fieldgroups", &group), 400, "XDM-1021-400");
    assert!(detail.contains("top-level field named _acme"), "{detail}");
    group["definitions"]["customFields"]["properties"] =
        json!({"_other": {"type": "object", "properties": {}}});
    refused(&world.post(Registry, "/tenant/fieldgroups", &group), 400, "XDM-1021-400");
}

#[test]
fn names_and_types_of_fields_follow_the_rules_of_xdm() {
    let mut world = World::new();
    for (fields, part) in [
        (json!({"_a": {"type": "string"}}), "_a"),
        (json!({"a b": {"type": "string"}}), "a b"),
        (json!({"a.b": {"type": "string"}}), "a.b"),
        (json!({"a": {"type": "text"}}), "text"),
        (json!({"a": {}}), "needs a type"),
        (json!({"a": {"type": "array"}}), "needs items"),
        (json!({"a": {"type": "string", "format": "colour"}}), "colour"),
        (json!({"a": {"type": "integer", "maximum": 1e20}}), "range"),
        (json!({"a": {"type": "object", "properties": {"b!": {"type": "string"}}}}), "b!"),
        (json!({"a": {"type": "array", "items": {"type": "nothing"}}}), "nothing"),
    ] {
        let reply = world.post(Registry, "/tenant/fieldgroups", &field_group("G", &fields));
        let detail = refused(&reply, 400, "XDM-1591-400");
        assert!(detail.contains(part), "{fields}: {detail}");
    }
}

#[test]
fn the_service_names_the_type_of_every_field() {
    let mut world = World::new();
    let fields = json!({
        "long": {"type": "integer", "minimum": -9_007_199_254_740_991_i64, "maximum": 9_007_199_254_740_991_i64},
        "int": {"type": "integer"}, "short": {"type": "integer", "minimum": -32768, "maximum": 32767},
        "byte": {"type": "integer", "minimum": -128, "maximum": 127},
        "number": {"type": "number"}, "boolean": {"type": "boolean"}, "date": {"type": "string", "format": "date"},
        "date-time": {"type": "string", "format": "date-time", "meta:xdmType": "wrong"},
        "array": {"type": "array", "items": {"type": "string"}}, "object": {"type": "object", "properties": {}},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
    });
    let group = world.field_group("G", &fields);
    let reply = world.look_up("fieldgroups", &group, RAW);
    let stored = &body(&reply)["definitions"]["customFields"]["properties"]["_acme"]["properties"];
    for name in fields.as_object().unwrap().keys() {
        assert_eq!(stored[name]["meta:xdmType"], json!(name));
    }
}

#[test]
fn references_must_lead_to_the_right_kind() {
    let mut world = World::new();
    let group = world.field_group("G", &json!({"a": {"type": "string"}}));
    for parts in [
        json!([]),
        json!([{"$ref": group}]),
        json!([{"$ref": PROFILE}, {"$ref": EVENT}]),
        json!([{"$ref": PROFILE}, {"$ref": "https://ns.adobe.com/acme/mixins/none"}]),
        json!([{"$ref": PROFILE}, {"$ref": "https://ns.adobe.com/xdm/context/person"}]),
        // The group was made for profiles.
        json!([{"$ref": EVENT}, {"$ref": group}]),
    ] {
        let mut body = support_schema("S");
        body["allOf"] = parts;
        refused(&world.post(Registry, "/tenant/schemas", &body), 400, "XDM-1592-400");
    }
    let mut dangling = field_group("G2", &json!({"a": {"type": "string"}}));
    dangling["allOf"][0]["$ref"] = json!("#/definitions/other");
    refused(&world.post(Registry, "/tenant/fieldgroups", &dangling), 400, "XDM-1592-400");
    let person = json!({"a": {"$ref": PROFILE}});
    refused(&world.post(Registry, "/tenant/fieldgroups", &field_group("G3", &person)), 400, "XDM-1592-400");
}

#[test]
fn a_tenant_class_can_carry_a_schema() {
    let mut world = World::new();
    let class = json!({"type": "object", "title": "Payment", "description": "A class.",
        "allOf": [{"$ref": "https://ns.adobe.com/xdm/data/record"}]});
    let class = created(&world.post(Registry, "/tenant/classes", &class));
    let mut group = field_group("Payment fields", &json!({"a": {"type": "string"}}));
    group["meta:intendedToExtend"] = json!([class]);
    let group = created(&world.post(Registry, "/tenant/fieldgroups", &group));
    let schema = world.schema("Payments", &class, &[&group]);
    let full = world.look_up("schemas", &schema, FULL);
    assert_eq!(body(&full)["meta:class"], json!(class));
    assert_eq!(body(&full)["properties"]["_acme"]["properties"]["a"]["type"], "string");
    let none = json!({"type": "object", "title": "No behavior", "description": "A class.", "allOf": []});
    refused(&world.post(Registry, "/tenant/classes", &none), 400, "XDM-1592-400");
}

#[test]
fn data_types_are_listed_created_and_looked_up() {
    let mut world = World::new();
    let money = json!({"type": "object", "title": "Money", "properties": {"amount": {"type": "integer"}}});
    let id = created(&world.post(Registry, "/tenant/datatypes", &money));
    assert!(id.contains("/datatypes/"));
    let group = world.field_group("G", &json!({"price": {"$ref": id}}));
    let schema = world.schema("S", PROFILE, &[&group]);
    let full = world.look_up("schemas", &schema, FULL);
    let price = &body(&full)["properties"]["_acme"]["properties"]["price"];
    assert_eq!(price["properties"]["amount"]["type"], "integer");
    refused(
        &world.look_up("datatypes", "https://ns.adobe.com/acme/datatypes/none", RAW),
        404,
        "XDM-1012-404",
    );
}

#[test]
fn adobes_own_resources_are_read_only() {
    let mut world = World::new();
    let path = format!("/global/classes/{}", escape(PROFILE));
    let reply = world.get(Registry, &path).header("accept", FULL).send();
    assert_eq!(body(&reply)["meta:containerId"], "global");
    assert_eq!(world.put(Registry, &path, &json!({})).status, 405);
    assert_eq!(world.post(Registry, "/global/schemas", &support_schema("S")).status, 405);
    assert_eq!(world.get(Registry, "/tenant/nothing").send().status, 404);
}

fn identity(schema: &str, property: &str, primary: bool) -> Value {
    json!({
        "@type": "xdm:descriptorIdentity", "xdm:sourceSchema": schema, "xdm:sourceVersion": 1,
        "xdm:sourceProperty": property, "xdm:namespace": "Email", "xdm:property": "xdm:code", "xdm:isPrimary": primary,
    })
}

#[test]
fn a_descriptor_lives_from_creation_to_deletion() {
    let mut world = World::new();
    let schema = world.charges();
    let reply = world.post(Registry, "/tenant/descriptors", &identity(&schema, "/_acme/charges/id", true));
    assert_eq!(reply.status, 201);
    let path = format!("/tenant/descriptors/{}", text(&reply, "@id"));
    assert_eq!(body(&world.get(Registry, &path).send())["xdm:namespace"], "Email");
    let wrong = world.get(Registry, &path).header("accept", RAW).send();
    refused(&wrong, 400, "XDM-1009-400");
    let changed = world.put(Registry, &path, &identity(&schema, "/_acme/charges/id", false));
    assert_eq!((changed.status, body(&changed)), (201, &json!({"@id": text(&reply, "@id")})));
    assert_eq!(world.delete(Registry, &path).status, 204);
    assert_eq!(world.get(Registry, &path).send().status, 404);
    assert_eq!(world.delete(Registry, &path).status, 404);
}

#[test]
fn a_schema_has_one_primary_identity_on_an_existing_text_field() {
    let mut world = World::new();
    let schema = world.charges();
    let post = |world: &mut World, body: &Value| world.post(Registry, "/tenant/descriptors", body);
    assert_eq!(post(&mut world, &identity(&schema, "/_acme/charges/id", true)).status, 201);
    for body in [
        identity(&schema, "/_id", true),
        identity(&schema, "/_acme/charges/id", false),
        identity(&schema, "/_acme/charges/none", false),
        identity(&schema, "_acme/charges/id", false),
        identity(&schema, "/_acme/charges/amount", false),
        identity("https://ns.adobe.com/acme/schemas/none", "/_id", false),
        json!({"@type": "xdm:somethingElse"}),
    ] {
        refused(&post(&mut world, &body), 400, "XDM-1596-400");
    }
    assert_eq!(
        post(&mut world, &identity(&schema, "/_id", false)).status,
        201,
        "other identities are allowed"
    );
}

#[test]
fn descriptors_are_listed_by_type_in_four_forms() {
    let mut world = World::new();
    let schema = world.charges();
    let id = text(
        &world.post(Registry, "/tenant/descriptors", &identity(&schema, "/_acme/charges/id", true)),
        "@id",
    );
    let list = |world: &mut World, query: &str, form: &str| {
        let accept = format!("application/vnd.adobe.{form}+json");
        world.get(Registry, &format!("/tenant/descriptors{query}")).header("accept", &accept).send()
    };
    let ids = list(&mut world, "", "xdm-id");
    assert_eq!(body(&ids), &json!({"xdm:descriptorIdentity": [id]}));
    let links = list(&mut world, "", "xdm-link");
    assert_eq!(body(&links)["xdm:descriptorIdentity"][0], json!(format!("/tenant/descriptors/{id}")));
    let whole = list(&mut world, "", "xdm");
    assert_eq!(body(&whole)["xdm:descriptorIdentity"][0]["xdm:sourceSchema"], json!(schema));
    let paged = list(&mut world, "", "xdm-v2");
    assert_eq!(body(&paged)["results"][0]["@id"], json!(id));
    let none = list(&mut world, "?property=xdm:sourceSchema==other", "xdm");
    assert_eq!(body(&none), &json!({}));
    refused(&list(&mut world, "", "xed-id"), 400, "XDM-1008-400");
}

#[test]
fn the_registry_survives_being_saved() {
    let mut world = World::new();
    let schema = world.charges();
    let group = world.get(Registry, "/tenant/fieldgroups").header("accept", IDS).send();
    let group = body(&group)["results"][0]["$id"].as_str().unwrap().to_owned();
    let saved = serde_json::to_string(&world.lake).unwrap();
    world.lake = serde_json::from_str(&saved).unwrap();
    let add = json!([{"op": "add", "value": {"type": "string"},
        "path": "/definitions/customFields/properties/_acme/properties/charges/properties/status"}]);
    assert_eq!(world.patch(Registry, &format!("/tenant/fieldgroups/{}", escape(&group)), &add).status, 200);
    let full = world.look_up("schemas", &schema, FULL);
    assert_eq!(body(&full)["version"], "1.1", "the schema still grows with its field group");
}

#[test]
fn a_new_resource_may_take_its_time_to_be_seen() {
    let mut world = World::new();
    (world.switches.list_lag_ms, world.switches.get_lag_ms) = (5000, 1000);
    let group = world.field_group("Group", &json!({"a": {"type": "string"}}));
    let count = |world: &mut World| {
        let reply =
            world.get(Registry, "/tenant/fieldgroups?property=title==Group").header("accept", IDS).send();
        body(&reply)["_page"]["count"].as_u64().unwrap()
    };
    assert_eq!((count(&mut world), world.look_up("fieldgroups", &group, RAW).status), (0, 404));
    let again = world.post(Registry, "/tenant/fieldgroups", &field_group("Group", &json!({})));
    assert!(
        refused(&again, 400, "XDM-1521-400").contains(&group),
        "a second creation is refused all the same"
    );
    world.now += 1000;
    assert_eq!((count(&mut world), world.look_up("fieldgroups", &group, RAW).status), (0, 200));
    world.now += 4000;
    assert_eq!(count(&mut world), 1);
}

#[test]
fn a_data_type_cannot_contain_itself() {
    let mut world = World::new();
    let body =
        |title: &str, field: Value| json!({"type": "object", "title": title, "properties": {"x": field}});
    let one = created(&world.post(Registry, "/tenant/datatypes", &body("One", json!({"type": "string"}))));
    let two = created(&world.post(Registry, "/tenant/datatypes", &body("Two", json!({"$ref": one}))));
    let path = format!("/tenant/datatypes/{}", escape(&one));
    refused(&world.put(Registry, &path, &body("One", json!({"$ref": two}))), 400, "XDM-1592-400");
    refused(&world.put(Registry, &path, &body("One", json!({"$ref": one}))), 400, "XDM-1592-400");
}
