//! Source and target connections, and the specs.

use serde_json::{Value, json};

use crate::support::{REST_FLOW, STRIPE, World, source, target, with};

#[tokio::test]
async fn a_source_connection_shows_its_base_connection() {
    let world = World::new().await;
    let base = world.connection("Stripe").await;
    let id = world.source(&base).await;
    let got = world.get(&format!("/sourceConnections/{id}")).await;
    let item = got.item();
    assert_eq!(item["params"]["resourcePath"], "charges");
    assert_eq!(item["inheritedAttributes"]["baseConnection"]["id"], base);
    assert_eq!(item["inheritedAttributes"]["baseConnection"]["connectionSpec"]["id"], STRIPE);
}

#[tokio::test]
async fn wrong_sources_are_refused() {
    let world = World::new().await;
    let base = world.connection("Stripe").await;
    let good = source(&base, "charges");
    let cases = [
        (with(good.clone(), "/baseConnectionId", json!("none")), 404),
        (with(good.clone(), "/baseConnectionId", Value::Null), 400),
        (with(good.clone(), "/data", Value::Null), 400),
        (with(good.clone(), "/data/format", json!("parquet")), 400),
        (with(good.clone(), "/params/resourcePath", json!("payouts")), 400),
        (with(good.clone(), "/params", Value::Null), 400),
        (with(good, "/connectionSpec/id", json!("none")), 400),
    ];
    for (body, status) in cases {
        assert_eq!(world.post("/sourceConnections", &body).await.status, status, "{body}");
    }
}

#[tokio::test]
async fn a_target_needs_a_data_set_that_exists() {
    let world = World::new().await;
    assert_eq!(world.post("/targetConnections", &target("0123456789abcdef01234567")).await.status, 400);
    let body = with(target("x"), "/params", Value::Null);
    assert_eq!(world.post("/targetConnections", &body).await.status, 400);
    let chain = world.parts().await;
    let got = world.get(&format!("/targetConnections/{}", chain.target)).await;
    assert_eq!(got.item()["params"]["dataSetId"], chain.dataset);
}

#[tokio::test]
async fn an_end_in_use_cannot_be_deleted() {
    let world = World::new().await;
    let chain = world.chain().await;
    let paths =
        [format!("/sourceConnections/{}", chain.source), format!("/targetConnections/{}", chain.target)];
    for path in &paths {
        assert_eq!(world.delete(path).await.code(), "1447-400");
    }
    world.delete(&format!("/flows/{}", chain.flow)).await;
    for path in &paths {
        assert_eq!(world.delete(path).await.status, 204);
    }
}

#[tokio::test]
async fn specs_can_be_read_and_filtered_but_not_written() {
    let world = World::new().await;
    assert_eq!(world.get(&format!("/connectionSpecs/{STRIPE}")).await.item()["name"], "stripe");
    assert_eq!(world.get(&format!("/flowSpecs/{REST_FLOW}")).await.item()["name"], "RestStorageToAEP");
    assert_eq!(world.get("/flowSpecs?property=name=\"RestStorageToAEP\"").await.items().len(), 1);
    assert_eq!(world.get("/connectionSpecs?property=id==none").await.items().len(), 0);
    assert_eq!(world.get("/connectionSpecs/none").await.code(), "1439-404");
    assert_eq!(world.post("/connectionSpecs", &json!({})).await.code(), "1426-400");
}

#[tokio::test]
async fn unknown_resources_are_not_found() {
    let world = World::new().await;
    for path in ["/nothing", "/flows/a/b", "/connections/a/nothing"] {
        assert_eq!(world.get(path).await.status, 404, "{path}");
    }
    assert_eq!(world.call("PUT", "/data/foundation/flowservice/flows", None).await.status, 405);
}
