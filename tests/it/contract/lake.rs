//! Data Prep, Schema Registry and Catalog: every endpoint, and their refusals.

use aep_operator::aep::model::RowKind;
use aep_operator::aep::{Deleted, ErrorKind, Patch};
use aep_sim::switches::MappingSetDefaultVersion;

use super::*;

const NO_SET: &str = "00000000000000000000000000000000";
const NO_DATA_SET: &str = "000000000000000000000000";

#[tokio::test(start_paused = true)]
async fn a_mapping_set_reads_back_with_the_rows_that_were_sent() {
    let world = World::new();
    let schema = world.schema("Stripe charges").await;
    let set = world.mapping(&schema).await;
    let seen = world.session.get_mapping_set(&set.id, 0).await.unwrap().unwrap();
    assert_eq!((seen.version, seen.name.as_deref()), (Some(0), Some("Stripe charges")));
    assert!(seen.schema.is_same_major(&schema));
    let mut given = new_mapping(&schema).rows;
    let mut read = seen.rows;
    given.sort();
    read.sort();
    assert_eq!(read, given);
    assert!(read.iter().any(|row| row.kind == Some(RowKind::Expression)));
}

#[tokio::test(start_paused = true)]
async fn each_put_makes_a_version_and_old_ones_stay() {
    for default in [MappingSetDefaultVersion::Zero, MappingSetDefaultVersion::Latest] {
        let world = World::new();
        world.sim.switch(|switches| switches.mapping_set_default_version = default);
        let schema = world.schema("Stripe charges").await;
        let set = world.mapping(&schema).await;
        let mut fewer = new_mapping(&schema);
        fewer.rows.truncate(1);
        let next =
            world.session.put_mapping_set(world.permit().await, &world.gate, &set.id, &fewer).await.unwrap();
        assert_eq!((next.id.as_str(), next.version), (set.id.as_str(), 1));
        let rows = |version: i64| {
            let (session, id) = (&world.session, &set.id);
            async move { session.get_mapping_set(id, version).await.unwrap().map(|set| set.rows.len()) }
        };
        assert_eq!((rows(0).await, rows(1).await, rows(2).await), (Some(4), Some(1), None));
    }
}

#[tokio::test(start_paused = true)]
async fn mapping_sets_are_found_by_their_name() {
    let world = World::new();
    let schema = world.schema("Stripe charges").await;
    let set = world.mapping(&schema).await;
    let other = NewMappingSet { name: "another".to_owned(), ..new_mapping(&schema) };
    world.session.create_mapping_set(world.permit().await, &world.gate, &other).await.unwrap();
    let found = world.session.find_mapping_sets("Stripe charges").await.unwrap();
    let ids: Vec<_> =
        found.iter().filter(|set| set.name.as_deref() == Some("Stripe charges")).map(|set| &set.id).collect();
    assert_eq!(ids, [&set.id]);
    assert!(world.session.find_mapping_sets("nobody's").await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn validation_names_the_row_that_is_wrong() {
    let world = World::new();
    let schema = world.schema("Stripe charges").await;
    let mut set = new_mapping(&schema);
    set.rows.push(MappingRow::attribute("data.id", format!("_{TENANT}.charges_data.nowhere")));
    set.rows.push(MappingRow::expression("upper(data.currency", format!("_{TENANT}.charges_data.currency")));
    let failures = world.session.validate_mapping_set(&set).await.unwrap();
    assert_eq!(failures.len(), 2, "{failures:?}");
    assert_eq!(failures[0].destination, format!("_{TENANT}.charges_data.nowhere"));
    assert_eq!(failures[1].source, "upper(data.currency");
    assert!(failures.iter().all(|failure| !failure.message.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn a_preview_shows_the_record_and_names_the_row_that_gave_nothing() {
    let world = World::new();
    let schema = world.schema("Stripe charges").await;
    let mut set = new_mapping(&schema);
    set.rows = vec![
        MappingRow::attribute("data.id", format!("_{TENANT}.charges_data.id")),
        MappingRow::expression("to_integer(data.currency)", format!("_{TENANT}.charges_data.amount")),
    ];
    let record = json!({"data": {"id": "ch_1", "currency": "eur"}});
    let preview = world.session.preview_mapping_set(&set, &record).await.unwrap();
    assert_eq!(preview.data, json!({format!("_{TENANT}"): {"charges_data": {"id": "ch_1"}}}));
    assert_eq!(preview.failures.len(), 1, "{preview:?}");
    assert_eq!(preview.failures[0].source, "to_integer(data.currency)");
    set.schema.id = format!("https://ns.adobe.com/{TENANT}/schemas/{NO_SET}");
    let refused = world.session.preview_mapping_set(&set, &record).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Refused);
}

#[tokio::test(start_paused = true)]
async fn everything_that_may_carry_a_marker_can_be_listed() {
    let world = World::new();
    let schema = world.schema("Stripe charges").await;
    let set = new_mapping(&schema);
    let made = world.session.create_mapping_set(world.permit().await, &world.gate, &set).await.unwrap();
    let sets = world.session.list_mapping_sets().await.unwrap();
    assert!(sets.iter().any(|set| set.id == made.id), "{sets:?}");
    let schemas = world.session.list_resources(ResourceKind::Schema).await.unwrap();
    assert!(
        schemas.iter().any(|listed| listed.id == schema.id && listed.description.is_some()),
        "{schemas:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn data_prep_refuses_an_unknown_schema_and_an_unknown_set() {
    let world = World::new();
    let nowhere = SchemaRef {
        id: format!("https://ns.adobe.com/{TENANT}/schemas/{NO_SET}"),
        content_type: spec::SCHEMA_CONTENT_TYPE.to_owned(),
    };
    let made =
        world.session.create_mapping_set(world.permit().await, &world.gate, &new_mapping(&nowhere)).await;
    assert_eq!(made.unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(world.session.get_mapping_set(NO_SET, 0).await.unwrap(), None);
    let schema = world.schema("Stripe charges").await;
    let put =
        world.session.put_mapping_set(world.permit().await, &world.gate, NO_SET, &new_mapping(&schema)).await;
    assert!(put.unwrap_err().is_not_found());
}

#[tokio::test(start_paused = true)]
async fn schemas_and_field_groups_are_found_read_and_resolved() {
    let world = World::new();
    let schema = world.schema("Stripe charges").await;
    let session = &world.session;
    let found = session.find_resources(ResourceKind::Schema, "Stripe charges").await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].id.as_str(), found[0].description.as_deref()),
        (schema.id.as_str(), Some("made by a test"))
    );
    assert_eq!(found[0].class(), Some(PROFILE));
    let groups = session.find_resources(ResourceKind::FieldGroup, "Stripe charges fields").await.unwrap();
    assert_eq!(groups.len(), 1);
    assert!(session.find_resources(ResourceKind::Schema, "nobody's").await.unwrap().is_empty());

    let raw = session.get_resource(ResourceKind::Schema, &schema.id).await.unwrap().unwrap();
    assert_eq!(raw.version.as_deref(), Some("1.0"));
    assert!(raw.all_of().any(|reference| reference == groups[0].id));
    assert!(!raw.is_in_union());
    let group = session.get_resource(ResourceKind::FieldGroup, &groups[0].id).await.unwrap().unwrap();
    assert!(group.raw["definitions"]["customFields"].is_object());
    let full = session.get_schema_full(&schema.id).await.unwrap().unwrap();
    let amount =
        &full.raw["properties"][format!("_{TENANT}")]["properties"]["charges_data"]["properties"]["amount"];
    assert_eq!(amount["type"], "integer");
    let missing = format!("https://ns.adobe.com/{TENANT}/schemas/{NO_SET}");
    assert_eq!(session.get_resource(ResourceKind::Schema, &missing).await.unwrap(), None);
    assert_eq!(session.get_schema_full(&missing).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_field_group_grows_by_a_patch() {
    let world = World::new();
    let schema = world.schema("Stripe charges").await;
    let kind = ResourceKind::FieldGroup;
    let group = world.session.find_resources(kind, "Stripe charges fields").await.unwrap().remove(0);
    let path =
        format!("/definitions/customFields/properties/_{TENANT}/properties/charges_data/properties/refunded");
    let growth = Patch::new().add(path, json!({"type": "boolean", "title": "Refunded"}));
    let grown = world.session.patch_resource(&world.gate, kind, &group.id, &growth).await.unwrap();
    assert_eq!((grown.id, grown.version.as_deref()), (group.id, Some("1.1")));
    let full = world.session.get_schema_full(&schema.id).await.unwrap().unwrap();
    let fields = &full.raw["properties"][format!("_{TENANT}")]["properties"]["charges_data"]["properties"];
    assert_eq!(fields["refunded"]["type"], "boolean");
}

#[tokio::test(start_paused = true)]
async fn a_title_is_taken_over_all_types_and_the_refusal_names_its_owner() {
    let world = World::new();
    let schema = world.schema("Stripe charges").await;
    let error = world.try_resource(ResourceKind::FieldGroup, &new_group("Stripe charges")).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Refused, Some(400)), "{error}");
    assert!(error.message().contains(&schema.id), "{error}");
    assert!(error.request_id().is_some());
}

#[tokio::test(start_paused = true)]
async fn the_registry_refuses_breaking_changes_and_the_deletion_of_what_is_used() {
    let world = World::new();
    let schema = world.schema("Stripe charges").await;
    world.data_set(&schema).await;
    let kind = ResourceKind::FieldGroup;
    let group = world.session.find_resources(kind, "Stripe charges fields").await.unwrap().remove(0);
    let path =
        format!("/definitions/customFields/properties/_{TENANT}/properties/charges_data/properties/amount");
    let error = world
        .session
        .patch_resource(&world.gate, kind, &group.id, &Patch::new().remove(path))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    let error =
        world.session.delete_resource(&world.gate, ResourceKind::Schema, &schema.id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    let outside = json!({"title": "x", "type": "object", "meta:intendedToExtend": [PROFILE],
        "definitions": {"customFields": {"type": "object", "properties": {"loose": {"type": "string"}}}},
        "allOf": [{"$ref": "#/definitions/customFields", "type": "object"}]});
    assert_eq!(world.try_resource(kind, &outside).await.unwrap_err().kind(), ErrorKind::Refused);
    let missing = format!("https://ns.adobe.com/{TENANT}/mixins/{NO_SET}");
    let gone = world.session.delete_resource(&world.gate, kind, &missing).await.unwrap();
    assert_eq!(gone, Deleted::Gone);
}

#[tokio::test(start_paused = true)]
async fn an_identity_is_described_listed_and_removed() {
    let world = World::new();
    let schema = world.schema("Stripe charges").await;
    let other = world.schema("Another").await;
    let descriptor = |schema: &str, primary: bool| {
        json!({"@type": "xdm:descriptorIdentity", "xdm:sourceSchema": schema, "xdm:sourceVersion": 1,
            "xdm:sourceProperty": format!("/_{TENANT}/charges_data/id"), "xdm:namespace": "Email",
            "xdm:property": "xdm:code", "xdm:isPrimary": primary})
    };
    let create = |body: Value| {
        let world = &world;
        async move { world.session.create_descriptor(world.permit().await, &world.gate, &body).await }
    };
    let made = create(descriptor(&schema.id, true)).await.unwrap();
    create(descriptor(&other.id, true)).await.unwrap();
    assert_eq!(create(descriptor(&schema.id, true)).await.unwrap_err().kind(), ErrorKind::Refused);
    let found = world.session.list_descriptors(&schema.id).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].id.as_str(), found[0].is_primary), (made.id.as_str(), true));
    assert_eq!(found[0].namespace.as_deref(), Some("Email"));
    assert_eq!(world.session.delete_descriptor(&world.gate, &made.id).await.unwrap(), Deleted::Accepted);
    assert_eq!(world.session.delete_descriptor(&world.gate, &made.id).await.unwrap(), Deleted::Gone);
    assert!(world.session.list_descriptors(&schema.id).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_data_set_reads_back_is_found_patched_and_deleted() {
    let world = World::new();
    let schema = world.schema("Stripe charges").await;
    let id = world.data_set(&schema).await;
    let session = &world.session;
    let seen = session.get_data_set(&id).await.unwrap().unwrap();
    assert_eq!(
        (seen.name.as_deref(), seen.description.as_deref()),
        (Some("Stripe charges"), Some("made by a test"))
    );
    assert!(seen.schema_ref.as_ref().unwrap().is_same_major(&schema));
    assert!(seen.has_tag("aep-operator", "owner-1") && !seen.is_profile_enabled());

    let twin = world.data_set(&schema).await;
    let ids = |found: Vec<aep_operator::aep::model::DataSet>| {
        found.into_iter().map(|set| set.id).collect::<Vec<_>>()
    };
    let mut both = [id.clone(), twin.clone()];
    both.sort();
    assert_eq!(ids(session.find_data_sets("Stripe charges").await.unwrap()), both, "names are not unique");
    assert_eq!(ids(session.find_data_sets_by_tag("aep-operator", "owner-1").await.unwrap()), both);
    assert!(session.find_data_sets("Stripe*").await.unwrap().is_empty(), "a name is not a pattern");
    assert!(session.find_data_sets_by_tag("aep-operator", "owner").await.unwrap().is_empty());

    let patch = Patch::new().replace("/name", "renamed").add("/tags/more", json!(["a"]));
    session.patch_data_set(&world.gate, &id, &patch).await.unwrap();
    let seen = session.get_data_set(&id).await.unwrap().unwrap();
    assert_eq!(seen.name.as_deref(), Some("renamed"));
    assert!(
        seen.has_tag("aep-operator", "owner-1") && seen.has_tag("more", "a"),
        "tags are patched one by one"
    );

    assert_eq!(session.delete_data_set(&world.gate, &id).await.unwrap(), Deleted::Accepted);
    assert_eq!(session.delete_data_set(&world.gate, &id).await.unwrap(), Deleted::Gone);
    assert_eq!(session.get_data_set(&id).await.unwrap(), None);
    assert_eq!(session.get_data_set(NO_DATA_SET).await.unwrap(), None);
    assert!(session.patch_data_set(&world.gate, NO_DATA_SET, &patch).await.unwrap_err().is_not_found());
}

#[tokio::test(start_paused = true)]
async fn names_with_special_characters_are_found() {
    let world = World::new();
    let schema = world.schema("Stripe charges").await;
    for name in ["a,b", "100 *", "!important", "key:value", "50% & more", "[x/y] ä"] {
        let new = NewDataSet { name: name.to_owned(), ..new_data_set(&schema) };
        let id = world.session.create_data_set(world.permit().await, &world.gate, &new).await.unwrap();
        let found = world.session.find_data_sets(name).await.unwrap();
        assert_eq!(found.iter().map(|set| set.id.as_str()).collect::<Vec<_>>(), [id.as_str()], "{name}");
    }
    let tags = [("aep-operator".to_owned(), vec!["uid/dataset/1 c/ns/name, more".to_owned()])].into();
    let new = NewDataSet { tags, ..new_data_set(&schema) };
    let id = world.session.create_data_set(world.permit().await, &world.gate, &new).await.unwrap();
    let found =
        world.session.find_data_sets_by_tag("aep-operator", "uid/dataset/1 c/ns/name, more").await.unwrap();
    assert_eq!(found.iter().map(|set| set.id.as_str()).collect::<Vec<_>>(), [id.as_str()]);
}

#[tokio::test(start_paused = true)]
async fn more_data_sets_than_a_page_holds_are_all_found() {
    let world = World::new();
    let schema = world.schema("Stripe charges").await;
    for _ in 0..101 {
        world.data_set(&schema).await;
    }
    assert_eq!(world.session.find_data_sets("Stripe charges").await.unwrap().len(), 101);
    for _ in 0..101 {
        world.mapping(&schema).await;
    }
    assert_eq!(world.session.find_mapping_sets("Stripe charges").await.unwrap().len(), 101);
}

#[tokio::test(start_paused = true)]
async fn a_data_set_needs_a_schema_that_exists() {
    let world = World::new();
    let nowhere = SchemaRef {
        id: format!("https://ns.adobe.com/{TENANT}/schemas/{NO_SET}"),
        content_type: spec::SCHEMA_CONTENT_TYPE.to_owned(),
    };
    let made =
        world.session.create_data_set(world.permit().await, &world.gate, &new_data_set(&nowhere)).await;
    assert_eq!(made.unwrap_err().kind(), ErrorKind::Refused);
}
