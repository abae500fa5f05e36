//! Cases of `IngestionMapping`.

use serde_json::{Value, json};

use super::Expected::{Accepted, Refused, RefusedBySchema};
use super::{Case, Table, text};
use crate::support::objects::{EVENT_CLASS, PROFILE_CLASS};

const SCHEMA: &str = "https://ns.adobe.com/acme/schemas/0c2ac0a7e1b54ccd93f6d9d4c1ad9a57";
const ROWS_NEEDED: &str = "a mapping needs rows: give builtin";
const PRIMARY_NEEDED: &str = "profile needs a primary identity";
const CHOICE: &str = "the choice between targetSchema.existing and targetSchema.managed is immutable";
const KEPT: &str = "targetSchema.existing is immutable once the mapping set exists";
const ONE_WAY: &str = "profile cannot be switched off again";
const OTHER_SCHEMA: &str = "https://ns.adobe.com/acme/schemas/1c2ac0a7e1b54ccd93f6d9d4c1ad9a57";

pub fn cases() -> Vec<Case> {
    let mut table = Table::new(
        "IngestionMapping",
        json!({
            "sourceConnectionRef": {"name": "charges"},
            "targetSchema": {"managed": {"title": "Stripe charges", "class": PROFILE_CLASS}},
            "builtin": {"name": "charges/v1"},
        }),
    );
    table.common();
    table.immutable(
        "sourceConnectionRef",
        json!({"sourceConnectionRef": {"name": "refunds"}}),
        "sourceConnectionRef is immutable",
    );
    table.create(
        "a source connection of another namespace",
        json!({"sourceConnectionRef": {"name": "other/charges"}}),
        Refused("object in the same namespace"),
    );
    rows(&mut table);
    sources(&mut table);
    destinations(&mut table);
    existing_schema(&mut table);
    managed_schema(&mut table);
    identities(&mut table);
    let adopt = |id: &str| json!({"adopt": {"mappingSetId": id}});
    table.create("the id of a mapping set", adopt("f4aad280fdec4770b7e33066945919d8"), Accepted);
    table.create_each(
        "32 characters that are no id of a mapping set",
        ["F4AAD280FDEC4770B7E33066945919D8", "f4aad280-fdec4770b7e33066945919d"].map(adopt),
        Refused("mappingSetId must be the 32 lower-case hex digits"),
    );
    let id = "f4aad280fdec4770b7e33066945919d8";
    table.adopted("mapping-set", id, &adopt(id), "adopt.mappingSetId names another");
    table.cases
}

fn row(source: &str, destination: &str) -> Value {
    json!({"source": source, "destination": destination})
}

fn own(rows: Value) -> Value {
    json!({"builtin": null, "mappings": rows})
}

fn rows(table: &mut Table) {
    table.create("own rows only", own(json!([row("data.id", "_{TENANT_ID}.charges_data.id")])), Accepted);
    table.create("shipped and own rows", json!({"mappings": [row("data.id", "_acme.x.id")]}), Accepted);
    table.create("no rows", json!({"builtin": null}), Refused(ROWS_NEEDED));
    table.create("an empty list of rows", own(json!([])), Refused(ROWS_NEEDED));
    table.update("the last rows go", json!({}), json!({"builtin": null}), Refused(ROWS_NEEDED));
    table.create(
        "unknown shipped rows",
        json!({"builtin": {"name": "charges/v2"}}),
        RefusedBySchema("builtin.name"),
    );
    table.create(
        "a shipped row left out",
        json!({"builtin": {"exclude": ["_{TENANT_ID}.charges_data.receipt_url"]}}),
        Accepted,
    );
    table.create(
        "a source left out instead of a destination",
        json!({"builtin": {"exclude": ["data.receipt_url"]}}),
        Refused("each entry of exclude must be the destination of a shipped row"),
    );
    table.create(
        "the same row left out twice",
        json!({"builtin": {"exclude": ["_{TENANT_ID}.a", "_{TENANT_ID}.a"]}}),
        RefusedBySchema("Duplicate value"),
    );
    table.create(
        "two rows for one destination",
        own(json!([row("data.id", "_acme.x.id"), row("data.key", "_acme.x.id")])),
        RefusedBySchema("Duplicate value"),
    );
    let many = |count: usize| {
        (0..count).map(|n| row("data.id", &format!("_{{TENANT_ID}}.x.f{n}"))).collect::<Vec<_>>()
    };
    table.create("2,000 rows", own(json!(many(2_000))), Accepted);
    let longest = (0..2_000).map(|n| row("data.id", &format!("_{{TENANT_ID}}.{}f{n:04}", "ab.".repeat(164))));
    table.create("2,000 rows of long destinations", own(json!(longest.collect::<Vec<_>>())), Accepted);
    table.create("2,001 rows", own(json!(many(2_001))), RefusedBySchema("must have at most 2000 items"));
    table.create_each(
        "a type that a managed schema can hold",
        ["String", "Long", "Integer", "Number", "Boolean", "Date", "DateTime"]
            .map(|name| own(json!([{"source": "data.a", "destination": "_acme.a", "xdmType": name}]))),
        Accepted,
    );
    table.create(
        "another type",
        own(json!([{"source": "data.a", "destination": "_acme.a", "xdmType": "Map"}])),
        RefusedBySchema("xdmType: Unsupported value"),
    );
}

fn sources(table: &mut Table) {
    let attribute = |source: &str| own(json!([row(source, "_acme.x")]));
    let expression =
        |source: &str| own(json!([{"source": source, "destination": "_acme.x", "type": "Expression"}]));
    table.create_each(
        "a path",
        ["data.id", "data.metadata.${order id (old)}", "data.items.data[0].id"].map(attribute),
        Accepted,
    );
    table.create("the longest path", attribute(&text(1_024)), Accepted);
    table.create(
        "a path too long",
        attribute(&text(1_025)),
        Refused("source is longer than 1,024 characters"),
    );
    table.create("an expression", expression("concat(data.currency, data.status)"), Accepted);
    table.create("the longest expression", expression(&text(4_096)), Accepted);
    table.create(
        "an expression too long",
        expression(&text(4_097)),
        RefusedBySchema("may not be more than 4096"),
    );
    table.create(
        "an expression that is not called one",
        attribute("concat(data.currency, data.status)"),
        Refused("source looks like an expression: add type: Expression"),
    );
    table.create("an empty source", attribute(""), RefusedBySchema("source"));
}

fn destinations(table: &mut Table) {
    let to = |destination: &str| own(json!([row("data.id", destination)]));
    table.create_each(
        "a destination",
        [
            "_{TENANT_ID}.charges_data.id",
            "_acme.charges_data.payment_method_details.card.last4",
            "_id",
            "timestamp",
            "identityMap.Email[0].id",
            "_{TENANT_ID}.x.${order id}",
        ]
        .into_iter()
        .filter(|destination| !destination.contains(' '))
        .map(to),
        Accepted,
    );
    table.create_each(
        "a destination that is no path",
        [".a", "a.", "a..b", "a b", "a.b\n"].map(to),
        Refused("the destination must be a dotted XDM path"),
    );
    table.create_each(
        "another placeholder, or one elsewhere",
        [
            "_{ORG_ID}.charges_data.id",
            "{TENANT_ID}.a",
            "a._{TENANT_ID}.b",
            "_{TENANT_ID}",
            "_{TENANT_ID}.{X}",
        ]
        .map(to),
        Refused("the only placeholder is _{TENANT_ID}"),
    );
    table.create("the longest destination", to(&text(512)), Accepted);
    table.create("a destination too long", to(&text(513)), RefusedBySchema("may not be more than 512"));
}

fn existing(schema: &Value) -> Value {
    json!({"targetSchema": {"managed": null, "existing": schema}})
}

fn existing_schema(table: &mut Table) {
    table.create("a schema by title", existing(&json!({"title": "Stripe charges"})), Accepted);
    table.create("a schema by id", existing(&json!({"id": SCHEMA})), Accepted);
    for (name, schema) in [
        ("a schema by title and id", existing(&json!({"title": "a", "id": SCHEMA}))),
        ("a schema by nothing", existing(&json!({}))),
    ] {
        table.create(name, schema, Refused("exactly one of title and id must be given"));
    }
    for (name, schema) in [
        ("an existing and a managed schema", json!({"targetSchema": {"existing": {"title": "a"}}})),
        ("neither an existing nor a managed schema", json!({"targetSchema": {"managed": null}})),
    ] {
        table.create(name, schema, Refused("exactly one of existing and managed must be given"));
    }
    table.create_each(
        "another identifier than the $id",
        [
            "_acme.schemas.0c2ac0a7",
            "https://ns.adobe.com/acme/mixins/0c2a",
            "http://ns.adobe.com/acme/schemas/0c2a",
        ]
        .map(|id| existing(&json!({"id": id}))),
        Refused("id must be the full $id"),
    );
    table.update("from managed to existing", json!({}), existing(&json!({"title": "a"})), Refused(CHOICE));
    table.update(
        "from existing to managed",
        existing(&json!({"title": "a"})),
        json!({"targetSchema": {"existing": null, "managed": {"title": "a", "class": PROFILE_CLASS}}}),
        Refused(CHOICE),
    );

    let title = existing(&json!({"title": "Stripe charges"}));
    let other = json!({"targetSchema": {"existing": {"title": "Stripe refunds"}}});
    table.update("a wrong title is put right before anything exists", title.clone(), other.clone(), Accepted);
    let status = json!({
        "schemaId": SCHEMA,
        "external": [{"role": "mapping-set", "id": "f4aad280fdec4770b7e33066945919d8", "organization": "A@AdobeOrg", "sandbox": "dev"}],
    });
    table.update_in_use("another title later", &status, title.clone(), other, Refused(KEPT));
    let by_id = |id: &str| json!({"targetSchema": {"existing": {"title": null, "id": id}}});
    table.update_in_use("the same schema by its id", &status, title.clone(), by_id(SCHEMA), Accepted);
    table.update_in_use(
        "another schema by its id",
        &status,
        title.clone(),
        by_id(OTHER_SCHEMA),
        Refused(KEPT),
    );
    table.update_in_use("the schema is kept", &status, title, json!({"description": "new"}), Accepted);
}

fn managed_schema(table: &mut Table) {
    let managed = |change: Value| json!({"targetSchema": {"managed": change}});
    table.create_each(
        "the $id of a class",
        [EVENT_CLASS, "https://ns.adobe.com/acme/classes/4f5a"].map(|class| managed(json!({"class": class}))),
        Accepted,
    );
    table.create_each(
        "the name of a class",
        ["Profile", "https://ns.adobe.com/", "https://example.com/xdm/context/profile"]
            .map(|class| managed(json!({"class": class}))),
        Refused("class must be the $id of a class"),
    );
    table.create("no class", managed(json!({"class": null})), RefusedBySchema("class: Required value"));
    table.create("a title with a line break", managed(json!({"title": "a\nb"})), Refused("must be one line"));
    table.create(
        "a title that looks like the marker",
        managed(json!({"title": "a [aep-operator/v1"})),
        Refused("ownership marker"),
    );
    table.immutable("title", managed(json!({"title": "other"})), "targetSchema.managed.title is immutable");
    table.immutable(
        "class",
        managed(json!({"class": EVENT_CLASS})),
        "targetSchema.managed.class is immutable",
    );
    let adopt =
        |schema: &str, group: &str| managed(json!({"adopt": {"schemaId": schema, "fieldGroupId": group}}));
    let group = "https://ns.adobe.com/acme/mixins/8b7c";
    table.create("schema and field group to take over", adopt(SCHEMA, group), Accepted);
    table.create("a field group as schema", adopt(group, group), Refused("schemaId must be the full $id"));
    table.create(
        "a schema as field group",
        adopt(SCHEMA, SCHEMA),
        Refused("fieldGroupId must be the full $id"),
    );
    table.update("its deletion policy", json!({}), managed(json!({"deletionPolicy": "Delete"})), Accepted);
}

fn identities(table: &mut Table) {
    let managed = |change: Value| json!({"targetSchema": {"managed": change}});
    let identity = |field: &str, primary: Value| {
        let mut identity =
            json!({"destination": format!("_{{TENANT_ID}}.customers_data.{field}"), "namespace": "Email"});
        json_patch::merge(&mut identity, &json!({"primary": primary}));
        identity
    };
    let plain = || identity("a", Value::Null);
    let primary = |field: &str| identity(field, json!(true));
    table.create(
        "identities",
        managed(json!({"identities": [plain(), identity("b", json!(false))]})),
        Accepted,
    );
    table.create("one primary identity", managed(json!({"identities": [plain(), primary("b")]})), Accepted);
    table.create(
        "two primary identities",
        managed(json!({"identities": [primary("a"), primary("b")]})),
        Refused("at most one identity can be primary"),
    );
    table.create(
        "one field twice",
        managed(json!({"identities": [plain(), primary("a")]})),
        RefusedBySchema("Duplicate"),
    );
    table.create(
        "the name of a namespace",
        managed(json!({"identities": [{"destination": "_acme.a", "namespace": "E-mail address"}]})),
        Refused("namespace must be the code of an identity namespace"),
    );
    table.create(
        "an identity elsewhere",
        managed(json!({"identities": [{"destination": "_{ORG_ID}.a", "namespace": "Email"}]})),
        Refused("the only placeholder is _{TENANT_ID}"),
    );
    let on = managed(json!({"profile": true, "identities": [primary("a")]}));
    table.create("profile with a primary identity", on.clone(), Accepted);
    table.create("profile without identities", managed(json!({"profile": true})), Refused(PRIMARY_NEEDED));
    table.create(
        "profile without a primary one",
        managed(json!({"profile": true, "identities": [plain()]})),
        Refused(PRIMARY_NEEDED),
    );
    table.update("profile is switched on", json!({}), on.clone(), Accepted);
    table.update("profile is switched off", on.clone(), managed(json!({"profile": false})), Refused(ONE_WAY));
    table.update("profile is removed", on.clone(), managed(json!({"profile": null})), Refused(ONE_WAY));
    table.update(
        "the primary identity goes",
        on,
        managed(json!({"identities": []})),
        Refused(PRIMARY_NEEDED),
    );
}
