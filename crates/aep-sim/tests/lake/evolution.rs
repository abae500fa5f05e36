//! Schema Registry: how resources change, and when a change is refused.

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::Service::{Catalog, Registry};
use crate::support::*;

/// Field group, schema.
fn pair(world: &mut World) -> (String, String) {
    let group = world.field_group(
        "Group",
        &json!({"c": {"type": "object", "properties": {
        "id": {"type": "string"}, "n": {"type": "integer", "minimum": 0, "maximum": 100}}}}),
    );
    let schema = world.schema("Schema", PROFILE, &[&group]);
    (group, schema)
}

fn path(kind: &str, id: &str) -> String {
    format!("/tenant/{kind}/{}", escape(id))
}

const FIELDS: &str = "/definitions/customFields/properties/_acme/properties/c/properties";

fn add(name: &str, field: &Value) -> Value {
    json!([{"op": "add", "path": format!("{FIELDS}/{name}"), "value": field}])
}

#[test]
fn a_patch_adds_a_field_and_raises_the_versions_of_group_and_schema() {
    let mut world = World::new();
    let (group, schema) = pair(&mut world);
    world.now += 1000;
    let reply =
        world.patch(Registry, &path("fieldgroups", &group), &add("more", &json!({"type": "boolean"})));
    assert_eq!((reply.status, text(&reply, "version").as_str()), (200, "1.1"));
    assert_eq!(body(&reply)["meta:registryMetadata"]["repo:lastModifiedDate"], NOW + 1000);
    let full = world.look_up("schemas", &schema, FULL);
    assert_eq!(body(&full)["version"], "1.1");
    assert_eq!(
        body(&full)["properties"]["_acme"]["properties"]["c"]["properties"]["more"]["type"],
        "boolean"
    );
    let refusal =
        world.patch(Registry, &path("fieldgroups", &group), &json!([{"op": "remove", "path": "/none"}]));
    refused(&refusal, 400, "XDM-1599-400");
}

#[test]
fn a_replacement_needs_everything_a_creation_needs() {
    let mut world = World::new();
    let (_, schema) = pair(&mut world);
    let path = path("schemas", &schema);
    let mut body = schema_body("Renamed");
    assert_eq!(text(&world.put(Registry, &path, &body), "title"), "Renamed");
    body.as_object_mut().unwrap().remove("allOf");
    refused(&world.put(Registry, &path, &body), 400, "XDM-1590-400");
    refused(
        &world.put(Registry, "/tenant/schemas/_acme.schemas.none", &schema_body("X")),
        404,
        "XDM-1012-404",
    );
}

fn schema_body(title: &str) -> Value {
    schema(title, PROFILE, &[])
}

#[test]
fn what_was_read_can_be_sent_back() {
    let mut world = World::new();
    let (group, _) = pair(&mut world);
    let raw = world.look_up("fieldgroups", &group, RAW);
    let reply = world.put(Registry, &path("fieldgroups", &group), &body(&raw).clone());
    assert_eq!((reply.status, text(&reply, "$id"), text(&reply, "version")), (200, group, "1.1".to_owned()));
}

#[test]
fn a_field_group_is_added_to_a_schema_as_documented() {
    let mut world = World::new();
    let (_, schema) = pair(&mut world);
    let other = world.field_group("Other", &json!({"d": {"type": "string"}}));
    let patch = json!([
        {"op": "add", "path": "/meta:extends/-", "value": other},
        {"op": "add", "path": "/allOf/-", "value": {"$ref": other, "type": "object"}},
    ]);
    let reply = world.patch(Registry, &path("schemas", &schema), &patch);
    assert_eq!(reply.status, 200, "{reply:?}");
    let full = world.look_up("schemas", &schema, FULL);
    let tenant = &body(&full)["properties"]["_acme"]["properties"];
    assert!(tenant.get("c").is_some() && tenant.get("d").is_some(), "two groups share the namespace");
}

#[test]
fn anything_may_change_while_no_data_set_uses_the_schema() {
    let mut world = World::new();
    let (group, _) = pair(&mut world);
    let path = path("fieldgroups", &group);
    let retype = json!([{"op": "replace", "path": format!("{FIELDS}/n"), "value": {"type": "string"}}]);
    assert_eq!(world.patch(Registry, &path, &retype).status, 200);
    let remove = json!([{"op": "remove", "path": format!("{FIELDS}/n")}]);
    assert_eq!(world.patch(Registry, &path, &remove).status, 200);
}

#[test]
fn once_a_data_set_uses_the_schema_it_can_only_grow() {
    let mut world = World::new();
    let (group, schema) = pair(&mut world);
    world.dataset("Data", &schema);
    let group = path("fieldgroups", &group);
    let field = |value: Value| json!([{"op": "replace", "path": format!("{FIELDS}/n"), "value": value}]);
    for (patch, part) in [
        (json!([{"op": "remove", "path": format!("{FIELDS}/n")}]), "removed"),
        (field(json!({"type": "string"})), "type"),
        (field(json!({"type": "integer", "minimum": 0, "maximum": 10})), "fewer values"),
        (json!([{"op": "move", "from": format!("{FIELDS}/n"), "path": format!("{FIELDS}/m")}]), "removed"),
        (
            json!([{"op": "add", "path": FIELDS.trim_end_matches("/properties").to_owned() + "/required", "value": ["id"]}]),
            "required",
        ),
    ] {
        let detail = refused(&world.patch(Registry, &group, &patch), 400, "XDM-1593-400");
        assert!(detail.contains(part) && detail.contains(&schema), "{detail}");
    }
    assert_eq!(world.patch(Registry, &group, &add("more", &json!({"type": "string"}))).status, 200);
    assert_eq!(
        world
            .patch(
                Registry,
                &group,
                &field(json!({"type": "integer", "minimum": -5, "maximum": 100, "title": "N"}))
            )
            .status,
        200
    );
    let schema = path("schemas", &schema);
    refused(&world.put(Registry, &schema, &schema_body("Schema")), 400, "XDM-1593-400");
    let titled = json!([{"op": "replace", "path": "/title", "value": "Better"}]);
    assert_eq!(world.patch(Registry, &schema, &titled).status, 200);
}

#[test]
fn a_schema_without_its_data_sets_may_change_again() {
    let mut world = World::new();
    let (group, schema) = pair(&mut world);
    let data = world.dataset("Data", &schema);
    let remove = json!([{"op": "remove", "path": format!("{FIELDS}/n")}]);
    assert_eq!(world.patch(Registry, &path("fieldgroups", &group), &remove).status, 400);
    assert_eq!(world.delete(Catalog, &format!("/dataSets/{data}")).status, 200);
    assert_eq!(world.patch(Registry, &path("fieldgroups", &group), &remove).status, 200);
}

fn enable_profile(world: &mut World, schema: &str) -> aep_sim::wire::Reply {
    let tag = json!([{"op": "add", "path": "/meta:immutableTags", "value": ["union"]}]);
    world.patch(Registry, &path("schemas", schema), &tag)
}

fn primary(schema: &str) -> Value {
    json!({
        "@type": "xdm:descriptorIdentity", "xdm:sourceSchema": schema, "xdm:sourceVersion": 1,
        "xdm:sourceProperty": "/_acme/c/id", "xdm:namespace": "Email", "xdm:property": "xdm:code", "xdm:isPrimary": true,
    })
}

#[test]
fn profile_needs_an_identity_and_is_one_way() {
    let mut world = World::new();
    let (group, schema) = pair(&mut world);
    refused(&enable_profile(&mut world, &schema), 400, "XDM-1528-400");
    let descriptor = world.post(Registry, "/tenant/descriptors", &primary(&schema));
    assert_eq!(enable_profile(&mut world, &schema).status, 200);
    let schema_path = path("schemas", &schema);
    let off = json!([{"op": "remove", "path": "/meta:immutableTags"}]);
    refused(&world.patch(Registry, &schema_path, &off), 400, "XDM-1595-400");
    let mut explicit = schema_with(&group);
    explicit["meta:immutableTags"] = json!([]);
    refused(&world.put(Registry, &schema_path, &explicit), 400, "XDM-1595-400");
    let replaced = world.put(Registry, &schema_path, &schema_with(&group));
    assert_eq!(
        body(&replaced)["meta:immutableTags"],
        json!(["union"]),
        "a replacement that says nothing keeps the tag"
    );
    let remove = json!([{"op": "remove", "path": format!("{FIELDS}/n")}]);
    refused(&world.patch(Registry, &path("fieldgroups", &group), &remove), 400, "XDM-1593-400");
    refused(&world.delete(Registry, &schema_path), 400, "XDM-1594-400");
    let descriptor = format!("/tenant/descriptors/{}", text(&descriptor, "@id"));
    let mut demoted = primary(&schema);
    demoted["xdm:isPrimary"] = json!(false);
    assert_eq!(world.put(Registry, &descriptor, &demoted).status, 403);
    assert_eq!(world.delete(Registry, &descriptor).status, 403);
}

fn schema_with(group: &str) -> Value {
    schema("Schema", PROFILE, &[group])
}

#[test]
fn a_union_appears_for_the_class_of_an_enabled_schema() {
    let mut world = World::new();
    let (_, schema) = pair(&mut world);
    world.post(Registry, "/tenant/descriptors", &primary(&schema));
    enable_profile(&mut world, &schema);
    let list = world.get(Registry, "/tenant/unions").header("accept", IDS).send();
    assert_eq!(body(&list)["results"][0]["$id"], json!(format!("{PROFILE}__union")));
    let union = format!("/tenant/unions/{}", escape(&format!("{PROFILE}__union")));
    let union = world.get(Registry, &union).header("accept", FULL).send();
    assert!(body(&union)["properties"]["_acme"]["properties"].get("c").is_some());
    assert_eq!(body(&world.get(Registry, "/stats").send())["counts"]["unions"], 1);
}

#[test]
fn one_path_has_one_type_in_all_schemas_of_the_tenant() {
    let mut world = World::new();
    let (_, first) = pair(&mut world);
    let group = world.field_group(
        "Conflicting",
        &json!({"c": {"type": "object", "properties": {"n": {"type": "string"}}}}),
    );
    let reply = world.post(Registry, "/tenant/schemas", &schema("Second", PROFILE, &[&group]));
    let detail = refused(&reply, 400, "XDM-1413-400");
    assert!(detail.contains("/_acme/c/n") && detail.contains(&first), "{detail}");
    // The same type elsewhere is fine, and so is a change of a group that both schemas use.
    let agreeing = world
        .field_group("Agreeing", &json!({"c": {"type": "object", "properties": {"id": {"type": "string"}}}}));
    world.schema("Third", PROFILE, &[&agreeing]);
    world.schema("Fourth", PROFILE, &[&agreeing]);
    assert_eq!(
        world.patch(Registry, &path("fieldgroups", &agreeing), &add("z", &json!({"type": "string"}))).status,
        200
    );
    let retype = json!([{"op": "replace", "path": format!("{FIELDS}/z"), "value": {"type": "boolean"}}]);
    assert_eq!(world.patch(Registry, &path("fieldgroups", &agreeing), &retype).status, 200);
    let clash = json!([{"op": "replace", "path": format!("{FIELDS}/id"), "value": {"type": "boolean"}}]);
    refused(&world.patch(Registry, &path("fieldgroups", &agreeing), &clash), 400, "XDM-1413-400");
}

#[test]
fn nothing_is_deleted_while_something_uses_it() {
    let mut world = World::new();
    let (group, schema) = pair(&mut world);
    let data = world.dataset("Data", &schema);
    world.post(Registry, "/tenant/descriptors", &primary(&schema));
    refused(&world.delete(Registry, &path("schemas", &schema)), 400, "XDM-1594-400");
    let detail = refused(&world.delete(Registry, &path("fieldgroups", &group)), 400, "XDM-1594-400");
    assert!(detail.contains(&schema), "{detail}");
    world.delete(Catalog, &format!("/dataSets/{data}"));
    assert_eq!(world.delete(Registry, &path("schemas", &schema)).status, 204);
    assert_eq!(world.look_up("schemas", &schema, RAW).status, 404);
    assert_eq!(world.delete(Registry, &path("schemas", &schema)).status, 404);
    assert_eq!(world.delete(Registry, &path("fieldgroups", &group)).status, 204);
    let accept = "application/vnd.adobe.xdm-id+json";
    let descriptors = world.get(Registry, "/tenant/descriptors").header("accept", accept).send();
    assert_eq!(body(&descriptors), &json!({}), "descriptors go with their schema");
}

#[test]
fn a_refused_change_leaves_everything_as_it_was() {
    let mut world = World::new();
    let (group, schema) = pair(&mut world);
    world.dataset("Data", &schema);
    let before = serde_json::to_value(&world.lake).unwrap();
    let remove = json!([{"op": "remove", "path": format!("{FIELDS}/n")}]);
    assert_eq!(world.write(Registry, Method::PATCH, &path("fieldgroups", &group), &remove).status, 400);
    assert_eq!(serde_json::to_value(&world.lake).unwrap(), before);
}
