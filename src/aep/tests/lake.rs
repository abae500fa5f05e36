//! Data Prep, Schema Registry and Catalog: bodies, paging and answers.

use model::{MappingRow, NewDataSet, NewMappingSet, ResourceKind, SchemaRef};

use super::*;

const SET_ID: &str = "f4aad280fdec4770b7e33066945919d8";
const DATA_SET: &str = "5c8c3c555033b814b69f947f";
const SCHEMA: &str = "https://ns.adobe.com/tenant/schemas/0ef4ce0d390f0809fad490802f53d30b";

fn set() -> NewMappingSet {
    NewMappingSet {
        name: "charges [marker]".to_owned(),
        schema: SchemaRef { id: SCHEMA.to_owned(), content_type: spec::SCHEMA_CONTENT_TYPE.to_owned() },
        rows: vec![
            MappingRow::attribute("data.id", "_tenant.charges_data.id"),
            MappingRow::expression("lower(data.currency)", "_tenant.charges_data.currency"),
        ],
    }
}

fn set_answer(version: &Value) -> Reply {
    Reply::json(200, &json!({"id": SET_ID, "version": version, "createdDate": 1, "modifiedDate": 1}))
}

#[tokio::test(start_paused = true)]
async fn a_mapping_set_is_created_in_the_documented_form() {
    let fake = Fake::answering([set_answer(&json!(0))]);
    let session = session(&fake);
    let (_leader, gate) = gate();
    let created = session.create_mapping_set(permit(&session).await, &gate, &set()).await.expect("created");
    assert_eq!((created.id.as_str(), created.version), (SET_ID, 0));
    let seen = &fake.calls()[0];
    assert!(seen.url.ends_with("/data/foundation/conversion/mappingSets"));
    assert_eq!(
        seen.json(),
        json!({
            "name": "charges [marker]",
            "outputSchema": {"schemaRef": {"id": SCHEMA, "contentType": spec::SCHEMA_CONTENT_TYPE}},
            "mappings": [
                {"sourceType": "ATTRIBUTE", "source": "data.id", "destination": "_tenant.charges_data.id"},
                {"sourceType": "EXPRESSION", "source": "lower(data.currency)", "destination": "_tenant.charges_data.currency"}
            ]
        })
    );
}

#[tokio::test(start_paused = true)]
async fn a_written_set_needs_a_usable_id_and_version() {
    let (_leader, gate) = gate();
    for body in [
        json!({"id": SET_ID}),
        json!({"id": ID, "version": 0}),
        json!({"version": 0}),
        json!({"id": SET_ID, "version": -1}),
    ] {
        let session = session(&Fake::answering([Reply::json(200, &body)]));
        let error =
            session.create_mapping_set(permit(&session).await, &gate, &set()).await.expect_err("untrusted");
        assert!(error.is_ambiguous(), "{body}");
    }
    let next = session(&Fake::answering([set_answer(&json!("1"))]));
    assert_eq!(
        next.put_mapping_set(permit(&next).await, &gate, SET_ID, &set()).await.expect("put").version,
        1
    );
    let other = session(&Fake::answering([set_answer(&json!(1))]));
    let error = other
        .put_mapping_set(permit(&other).await, &gate, "00000000000000000000000000000000", &set())
        .await
        .expect_err("another set");
    assert!(error.is_ambiguous());
}

#[tokio::test(start_paused = true)]
async fn a_set_is_always_read_in_a_named_version() {
    let fake = Fake::answering([set_answer(&json!(3))]);
    assert!(session(&fake).get_mapping_set(SET_ID, 3).await.expect("read").is_some());
    assert_eq!(fake.calls()[0].query(), [("version".to_owned(), "3".to_owned())]);
    let error = session(&Fake::answering([set_answer(&json!(0))])).get_mapping_set(SET_ID, 3).await;
    assert_eq!(error.expect_err("another version").kind(), ErrorKind::Malformed);
    assert_eq!(
        session(&Fake::answering([Reply::raw(404, "")])).get_mapping_set(SET_ID, 3).await.expect("read"),
        None
    );
}

#[tokio::test(start_paused = true)]
async fn sets_are_found_by_name_over_all_pages() {
    let page = |range: std::ops::Range<u32>| {
        let data: Vec<_> =
            range.map(|n| json!({"id": format!("{n:032x}"), "name": "n", "version": 0})).collect();
        Reply::json(200, &json!({"data": data, "_page": {"limit": 100}}))
    };
    let fake = Fake::answering([page(0..100), page(90..150)]);
    assert_eq!(session(&fake).find_mapping_sets("n").await.expect("found").len(), 150);
    let starts: Vec<_> = fake.calls().iter().map(|seen| seen.query()[2].clone()).collect();
    assert_eq!(starts, [("start".to_owned(), "0".to_owned()), ("start".to_owned(), "100".to_owned())]);
    let circle = Fake::answering([page(0..100)]);
    assert_eq!(session(&circle).find_mapping_sets("n").await.expect("found").len(), 100);
    assert_eq!(circle.calls().len(), 2, "a page that adds nothing ends the list");
}

#[tokio::test(start_paused = true)]
async fn all_sets_are_listed_without_a_name() {
    let fake = Fake::answering([Reply::json(200, &json!({"data": [{"id": SET_ID, "version": 2}]}))]);
    assert_eq!(session(&fake).list_mapping_sets().await.expect("listed").len(), 1);
    let names: Vec<_> = fake.calls()[0].query().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["limit", "start"]);
}

#[tokio::test(start_paused = true)]
async fn a_preview_is_read_in_both_documented_forms_and_repeated_like_a_read() {
    let shown = json!({"data": {"_tenant": {"id": "ch_1"}}, "errors": [{"source": "s", "destination": "d", "exception": "no\nnumber"}]});
    let record = json!({"data": {"id": "ch_1"}});
    for body in [json!([shown]), shown.clone()] {
        let fake = Fake::answering([Reply::raw(500, ""), Reply::json(200, &body)]);
        let preview =
            session(&fake).preview_mapping_set(&set(), &record).await.expect("shown, after a retry");
        assert_eq!(preview.data, shown["data"]);
        let failures: Vec<_> = preview.failures.iter().map(|failure| failure.message.as_str()).collect();
        assert_eq!(failures, ["no number"]);
        let seen = &fake.calls()[1];
        assert!(seen.url.ends_with("/mappingSets/preview"), "{}", seen.url);
        assert_eq!(seen.json()["data"], json!([record]));
        assert_eq!(seen.json()["mappingSet"]["mappings"].as_array().map(Vec::len), Some(2));
    }
    let nothing = session(&Fake::answering([Reply::json(200, &json!([]))]));
    let error = nothing.preview_mapping_set(&set(), &record).await.expect_err("about no record");
    assert_eq!(error.kind(), ErrorKind::Malformed);
}

#[tokio::test(start_paused = true)]
async fn validation_names_the_rows_that_fail() {
    let body = json!({"validationResponse": [
        {"status": "SUCCESS", "errors": null},
        {"status": "FAILED", "errors": [{"exception": "no such\nfield", "destination": null, "sourceType": "EXPRESSION"}]}
    ]});
    let fake = Fake::answering([Reply::raw(500, ""), Reply::json(200, &body)]);
    let failures = session(&fake).validate_mapping_set(&set()).await.expect("validated, after a retry");
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].destination, "_tenant.charges_data.currency");
    assert_eq!(
        (failures[0].source.as_str(), failures[0].message.as_str()),
        ("lower(data.currency)", "no such field")
    );
    for body in [json!({"validationResponse": []}), json!({})] {
        let error = session(&Fake::answering([Reply::json(200, &body)])).validate_mapping_set(&set()).await;
        assert_eq!(error.expect_err("says nothing").kind(), ErrorKind::Malformed);
    }
    let bare = json!({"validationResponse": [{"status": "FAILED"}, {"status": "SUCCESS"}]});
    let failures = session(&Fake::answering([Reply::json(200, &bare)]))
        .validate_mapping_set(&set())
        .await
        .expect("answered");
    assert_eq!(failures[0].source, "data.id");
}

#[tokio::test(start_paused = true)]
async fn the_tenant_id_has_to_be_usable() {
    let fake = Fake::answering([Reply::json(200, &json!({"imsOrg": ORG, "tenantId": "acme"}))]);
    assert_eq!(session(&fake).stats().await.expect("stats").tenant_id, "acme");
    for tenant in [json!(""), json!("a.b"), json!("a/b")] {
        let body = json!({"tenantId": tenant});
        let error = session(&Fake::answering([Reply::json(200, &body)])).stats().await.expect_err("unusable");
        assert_eq!(error.kind(), ErrorKind::Malformed);
    }
}

#[tokio::test(start_paused = true)]
async fn resources_are_found_by_title_as_whole_objects() {
    let first = json!({"results": [{"$id": SCHEMA, "title": "t", "description": "d"}], "_page": {"next": "t", "count": 1}});
    let second = json!({"results": [], "_page": {"next": null, "count": 0}});
    let fake = Fake::answering([Reply::json(200, &first), Reply::json(200, &second)]);
    let found = session(&fake).find_resources(ResourceKind::Schema, "t").await.expect("found");
    assert_eq!((found.len(), found[0].description.as_deref()), (1, Some("d")));
    let calls = fake.calls();
    assert_eq!(calls[0].header("accept"), "application/vnd.adobe.xed+json");
    assert!(calls[0].query().contains(&("property".to_owned(), "title==t".to_owned())));
    assert!(calls[1].query().contains(&("start".to_owned(), "t".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn a_schema_is_addressed_by_its_encoded_id_and_read_with_the_right_accept() {
    let body = json!({"$id": SCHEMA, "title": "t", "version": "1.2", "meta:class": "c", "meta:immutableTags": ["union"],
        "allOf": [{"$ref": "c"}, {"x": 1}]});
    let fake = Fake::answering([Reply::json(200, &body)]);
    let session = session(&fake);
    let raw = session.get_resource(ResourceKind::Schema, SCHEMA).await.expect("read").expect("a schema");
    assert!(raw.is_in_union());
    assert_eq!((raw.class(), raw.all_of().collect::<Vec<_>>()), (Some("c"), vec!["c"]));
    session.get_schema_full(SCHEMA).await.expect("read").expect("a schema");
    let calls = fake.calls();
    let path =
        "/tenant/schemas/https%3A%2F%2Fns.adobe.com%2Ftenant%2Fschemas%2F0ef4ce0d390f0809fad490802f53d30b";
    assert!(calls[0].url.ends_with(path), "{}", calls[0].url);
    assert_eq!(calls[0].header("accept"), "application/vnd.adobe.xed+json; version=1");
    assert_eq!(calls[1].header("accept"), "application/vnd.adobe.xed-full+json; version=1");
    let error =
        session.get_schema_full("https://ns.adobe.com/tenant/schemas/other").await.expect_err("another");
    assert_eq!(error.kind(), ErrorKind::Malformed);
}

#[tokio::test(start_paused = true)]
async fn a_resource_is_created_patched_and_deleted() {
    let (_leader, gate) = gate();
    let group = "https://ns.adobe.com/tenant/mixins/abc";
    let answer = Reply::json(201, &json!({"$id": group, "title": "t", "version": "1.0"}));
    let fake = Fake::answering([
        answer.clone(),
        answer,
        Reply::raw(204, ""),
        Reply::json(201, &json!({"title": "t"})),
    ]);
    let session = session(&fake);
    let kind = ResourceKind::FieldGroup;
    let body = json!({"title": "t", "type": "object"});
    let made = session.create_resource(permit(&session).await, &gate, kind, &body).await.expect("created");
    assert_eq!(made.id, group);
    session.patch_resource(&gate, kind, group, &Patch::new().add("/x", json!({}))).await.expect("patched");
    assert_eq!(session.delete_resource(&gate, kind, group).await.expect("deleted"), Deleted::Accepted);
    let error = session.create_resource(permit(&session).await, &gate, kind, &body).await.expect_err("no id");
    assert!(error.is_ambiguous());
    let calls = fake.calls();
    assert!(calls[0].url.ends_with("/tenant/fieldgroups"));
    assert_eq!((calls[1].method.as_str(), calls[1].header("content-type")), ("PATCH", "application/json"));
}

#[tokio::test(start_paused = true)]
async fn descriptors_are_read_grouped_or_listed() {
    let descriptor = json!({"@id": "d1", "@type": "xdm:descriptorIdentity", "xdm:sourceSchema": SCHEMA,
        "xdm:sourceProperty": "/_t/a", "xdm:namespace": "Email", "xdm:isPrimary": "true"});
    let foreign = json!({"@id": "d2", "@type": "x", "xdm:sourceSchema": "other"});
    for body in [
        json!({"xdm:descriptorIdentity": [descriptor, foreign]}),
        json!({"results": [descriptor, foreign], "_page": {"count": 2}}),
        json!([descriptor, foreign]),
    ] {
        let found = session(&Fake::answering([Reply::json(200, &body)]))
            .list_descriptors(SCHEMA)
            .await
            .expect("read");
        assert_eq!(found.len(), 1);
        assert!(found[0].is_primary);
        assert_eq!((found[0].id.as_str(), found[0].namespace.as_deref()), ("d1", Some("Email")));
    }
}

fn new_data_set() -> NewDataSet {
    NewDataSet {
        name: "Stripe charges".to_owned(),
        description: None,
        schema_ref: SchemaRef { id: SCHEMA.to_owned(), content_type: spec::SCHEMA_CONTENT_TYPE.to_owned() },
        tags: [("aep-operator".to_owned(), vec!["u/d/1".to_owned()])].into(),
        enable_error_diagnostics: None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_data_set_is_created_and_its_id_is_the_end_of_the_reference() {
    let (_leader, gate) = gate();
    let fake = Fake::answering([Reply::json(201, &json!([format!("@/dataSets/{DATA_SET}")]))]);
    let session = session(&fake);
    let id = session.create_data_set(permit(&session).await, &gate, &new_data_set()).await.expect("created");
    assert_eq!(id, DATA_SET);
    let seen = &fake.calls()[0];
    assert!(seen.url.ends_with("/data/foundation/catalog/dataSets?requestDataSource=true"));
    assert_eq!(
        seen.json(),
        json!({"name": "Stripe charges", "schemaRef": {"id": SCHEMA, "contentType": spec::SCHEMA_CONTENT_TYPE},
            "tags": {"aep-operator": ["u/d/1"]}})
    );
    for body in
        [json!([]), json!(["@/dataSets/x"]), json!({}), json!([7]), json!(["@/dataSets/a", "@/dataSets/b"])]
    {
        let session = super::session(&Fake::answering([Reply::json(201, &body)]));
        let error = session
            .create_data_set(permit(&session).await, &gate, &new_data_set())
            .await
            .expect_err("untrusted");
        assert!(error.is_ambiguous(), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_data_set_that_is_not_there_is_none_in_every_form() {
    for reply in [Reply::raw(404, ""), Reply::json(200, &json!({})), Reply::json(200, &json!([]))] {
        assert_eq!(session(&Fake::answering([reply])).get_data_set(DATA_SET).await.expect("read"), None);
    }
    let body = json!({DATA_SET: {"name": "n", "tags": {"unifiedProfile": ["enabled:true"]}, "imsOrg": ORG}});
    let found =
        session(&Fake::answering([Reply::json(200, &body)])).get_data_set(DATA_SET).await.expect("read");
    assert!(found.is_some_and(|data_set| data_set.id == DATA_SET && data_set.is_profile_enabled()));
    for body in [
        json!({"other": {}}),
        json!({"5c8c3c555033b814b69f947e": {}}),
        json!({DATA_SET: {"imsOrg": "X"}}),
        json!("x"),
    ] {
        let error = session(&Fake::answering([Reply::json(200, &body)])).get_data_set(DATA_SET).await;
        assert_eq!(error.expect_err("untrusted").kind(), ErrorKind::Malformed, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn data_sets_are_found_by_exact_name_and_by_tag_over_all_pages() {
    let page = |range: std::ops::Range<u32>| {
        let members: serde_json::Map<_, _> = range
            .map(|n| {
                (
                    format!("{n:024x}"),
                    json!({"name": if n == 7 { "a,b*" } else { "other" }, "tags": {"k": [n.to_string()]}}),
                )
            })
            .collect();
        Reply::json(200, &Value::Object(members))
    };
    let fake = Fake::answering([page(0..100), page(100..120), page(0..100), page(100..120)]);
    let session = session(&fake);
    assert_eq!(session.find_data_sets("a,b*").await.expect("found").len(), 1);
    assert_eq!(session.find_data_sets_by_tag("k", "101").await.expect("found").len(), 1);
    let queries: Vec<_> = fake.calls().iter().map(Seen::query).collect();
    assert_eq!(queries[0][0], ("name".to_owned(), "a*b**".to_owned()));
    assert_eq!(queries[1][3], ("start".to_owned(), "100".to_owned()));
    assert_eq!(queries[2][0], ("tags".to_owned(), "k:101".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_data_set_is_patched_by_json_patch_and_deleted_once() {
    let (_leader, gate) = gate();
    let done = Reply::json(200, &json!([format!("@/dataSets/{DATA_SET}")]));
    let nothing = Reply::json(200, &json!([]));
    let fake = Fake::answering([done.clone(), nothing.clone(), done, nothing]);
    let session = session(&fake);
    let patch = Patch::new().add("/tags/aep-operator", json!(["x"]));
    session.patch_data_set(&gate, DATA_SET, &patch).await.expect("patched");
    let seen = &fake.calls()[0];
    assert_eq!(seen.header("content-type"), "application/json-patch+json");
    assert!(session.patch_data_set(&gate, DATA_SET, &patch).await.expect_err("not there").is_not_found());
    assert_eq!(session.delete_data_set(&gate, DATA_SET).await.expect("deleted"), Deleted::Accepted);
    assert_eq!(session.delete_data_set(&gate, DATA_SET).await.expect("deleted"), Deleted::Gone);
}
