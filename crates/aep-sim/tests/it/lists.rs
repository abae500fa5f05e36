//! Lists: filters, order, pages, counts, search.

use serde_json::json;

use crate::support::{FLOW, World};

async fn many(world: &World, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..count {
        ids.push(world.connection(&format!("c{number:02}")).await);
    }
    ids
}

fn names(items: &[serde_json::Value]) -> Vec<String> {
    items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

async fn walk(world: &World, query: &str, repeat: bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut path = format!("/connections?{query}");
    loop {
        let page = world.get(&path).await;
        found.extend(names(page.items()));
        let Some(href) = page.body["_links"]["next"]["href"].as_str() else { return found };
        path = if repeat {
            format!("/connections?{query}&{}", href.split_once('?').unwrap().1)
        } else {
            href.to_owned()
        };
    }
}

#[tokio::test]
async fn pages_hold_everything_once_with_and_without_repeated_parameters() {
    let world = World::new().await;
    many(&world, 7).await;
    for repeat in [true, false] {
        assert_eq!(
            walk(&world, "limit=3&orderby=name", repeat).await,
            ["c00", "c01", "c02", "c03", "c04", "c05", "c06"]
        );
        assert_eq!(walk(&world, "limit=2", repeat).await.len(), 7);
    }
    assert_eq!(walk(&world, "limit=100&orderby=-name", true).await[0], "c06");
    assert_eq!(walk(&world, "limit=100&orderby=+name", true).await[0], "c00");
}

#[tokio::test]
async fn pages_can_be_shorter_than_asked() {
    let world = World::new().await;
    many(&world, 5).await;
    world.switch(|switches| switches.page_cap = 2);
    let page = world.get("/connections?limit=4&orderby=createdAt").await;
    assert_eq!(page.items().len(), 2);
    assert_eq!(walk(&world, "limit=4&orderby=createdAt", true).await.len(), 5);
}

#[tokio::test]
async fn the_newest_comes_first_and_moves_while_one_pages() {
    let world = World::new().await;
    let ids = many(&world, 4).await;
    let first = world.get("/connections?limit=2").await;
    assert_eq!(names(first.items()), ["c03", "c02"]);
    let rename = json!([{"op": "replace", "path": "/description", "value": "moved"}]);
    world.patch(&format!("/connections/{}", ids[0]), &rename).await;
    let href = first.body["_links"]["next"]["href"].as_str().unwrap();
    assert_eq!(names(world.get(href).await.items()), ["c02", "c01"]);
}

#[tokio::test]
async fn an_ordered_list_survives_deletes_while_one_pages() {
    let world = World::new().await;
    let ids = many(&world, 4).await;
    let first = world.get("/connections?limit=2&orderby=name").await;
    world.delete(&format!("/connections/{}", ids[0])).await;
    let href = first.body["_links"]["next"]["href"].as_str().unwrap();
    assert_eq!(names(world.get(href).await.items()), ["c02", "c03"]);
}

#[tokio::test]
async fn filters_narrow_and_combine() {
    let world = World::new().await;
    let ids = many(&world, 3).await;
    let chain = world.chain().await;
    let count = async |path: &str| world.get(path).await.items().len();
    assert_eq!(count("/connections?property=name==c00,c02").await, 2);
    assert_eq!(count("/connections?property=name==c00&property=description==other").await, 0);
    assert_eq!(count("/connections?property=description==a test&property=name==c01").await, 1);
    assert_eq!(count(&format!("/connections?property=id=={}", ids[1])).await, 1);
    assert_eq!(
        count(&format!("/sourceConnections?property=baseConnectionId=={}", chain.connection)).await,
        1
    );
    assert_eq!(count(&format!("/targetConnections?property=params.dataSetId=={}", chain.dataset)).await, 1);
    assert_eq!(count(&format!("/flows?property=sourceConnectionIds[]=={}", chain.source)).await, 1);
    assert_eq!(
        count(&format!("/flows?property=transformations[].params.mappingId=={}", chain.mapping)).await,
        1
    );
    assert_eq!(count("/flows?property=inheritedAttributes.properties.isSourceFlow==true").await, 1);
    assert_eq!(count("/connections?property=createdAt>0").await, 4);
}

#[tokio::test]
async fn wrong_queries_have_their_codes() {
    let world = World::new().await;
    let cases = [
        ("property=name", "1440"),
        ("property=name!=x", "1440"),
        ("property=createdAt>1,2", "1443"),
        ("property=name>x", "1448"),
        ("property===x", "1449"),
        ("property=name==", "1452"),
        ("orderby=a..b", "1433"),
        ("limit=0", "1451"),
        ("limit=many", "1451"),
        ("nonsense=1", "1451"),
        ("continuationToken=nonsense", "1451"),
        ("count=true&limit=5", "1401"),
    ];
    for (query, code) in cases {
        assert_eq!(
            world.get(&format!("/connections?{query}")).await.code(),
            format!("{code}-400"),
            "{query}"
        );
    }
}

#[tokio::test]
async fn count_gives_a_number_only() {
    let world = World::new().await;
    many(&world, 3).await;
    assert_eq!(world.get("/connections?count=true&property=name==c01").await.body, json!({"count": 1}));
    assert_eq!(world.get("/connections?limit=100&count=False").await.items().len(), 3);
}

#[tokio::test]
async fn a_page_holds_at_most_a_hundred() {
    let world = World::new().await;
    world.control("POST", "/seed", &json!({"destinationFlows": 130}));
    assert_eq!(world.get("/flows?limit=1000").await.items().len(), 100);
    assert_eq!(world.get("/flows").await.items().len(), 20);
    assert_eq!(
        world.get("/flows?property=inheritedAttributes.properties.isSourceFlow==true").await.items().len(),
        0
    );
}

#[tokio::test]
async fn search_takes_the_same_filters_in_a_body() {
    let world = World::new().await;
    many(&world, 3).await;
    let search = async |body: serde_json::Value| world.post("/connections/search", &body).await;
    assert_eq!(search(json!({"queryString": "name==c01 AND description==a test"})).await.items().len(), 1);
    assert_eq!(search(json!({"queryString": "", "limit": 500, "orderby": "name"})).await.items().len(), 3);
    assert_eq!(search(json!({"queryString": "", "count": true})).await.body, json!({"count": 3}));
    assert_eq!(search(json!({"queryString": "nonsense"})).await.code(), "1440-400");
    assert_eq!(search(json!({"limit": 5000})).await.status, 400);
    assert_eq!(
        world
            .post("/flowSpecs/search", &json!({"queryString": "name==RestStorageToAEP"}))
            .await
            .items()
            .len(),
        1
    );
}

#[tokio::test]
async fn the_last_page_links_to_nothing() {
    let world = World::new().await;
    many(&world, 1).await;
    let page = world.call("GET", &format!("{FLOW}/connections?limit=1"), None).await;
    assert_eq!(page.body["_links"], json!({}));
}
