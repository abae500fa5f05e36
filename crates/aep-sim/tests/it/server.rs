//! Over sockets: the same answers, and connections that really break.

use aep_sim::{Config, Sim};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::support::{FLOW, World, connection};

struct Served {
    world: World,
    url: String,
    client: reqwest::Client,
    stop: oneshot::Sender<()>,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
}

async fn served() -> Served {
    let sim = Sim::new(Config::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = sim.clone();
    let server = tokio::spawn(async move {
        let stopped = async {
            let _closed = stopped.await;
        };
        serving.serve(listener, stopped).await
    });
    let _already = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    Served { world: World::over(sim).await, url, client, stop, server }
}

impl Served {
    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method.parse().unwrap(), format!("{}{path}", self.url));
        self.world.headers().into_iter().fold(request, |request, (name, value)| request.header(name, value))
    }

    async fn create(&self) -> reqwest::Result<reqwest::Response> {
        self.request("POST", &format!("{FLOW}/connections")).json(&connection("Stripe")).send().await
    }
}

#[tokio::test]
async fn a_client_over_http_gets_what_one_in_process_gets() {
    let served = served().await;
    let created = served.create().await.unwrap();
    assert_eq!(created.status(), 201);
    assert!(created.headers().contains_key("x-request-id"));
    let list: Value =
        served.request("GET", &format!("{FLOW}/connections")).send().await.unwrap().json().await.unwrap();
    assert_eq!(list["items"][0]["name"], "Stripe");
    let health = served.client.get(format!("{}/_sim/healthz", served.url)).send().await.unwrap();
    assert_eq!(health.status(), 200);
}

#[tokio::test]
async fn broken_connections_are_seen_as_such() {
    let served = served().await;
    for (action, left) in [("dropBeforeCommit", 0), ("dropAfterCommit", 1)] {
        served.world.control("POST", "/faults", &json!({"match": {"method": "POST"}, "action": action}));
        let failed = served.create().await.unwrap_err();
        assert!(failed.is_request() && failed.status().is_none(), "{failed:?}");
        assert_eq!(served.world.get("/connections?count=true").await.body["count"], left);
    }
    served.world.control("POST", "/faults", &json!({"match": {"method": "POST"}, "action": "dropMidBody"}));
    let answer = served.create().await.unwrap();
    assert!(answer.bytes().await.is_err());
    // Connections made afterwards are whole.
    assert_eq!(served.create().await.unwrap().status(), 201);
}

#[tokio::test]
async fn a_hanging_call_does_not_keep_the_server_from_stopping() {
    let served = served().await;
    served.world.control("POST", "/faults", &json!({"match": {"method": "POST"}, "action": "hang"}));
    let request = served.request("POST", &format!("{FLOW}/connections")).json(&connection("x"));
    let hanging = tokio::spawn(request.send());
    let reached = async {
        while served.world.control("GET", "/faults", &Value::Null)["faults"][0]["reached"] != 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), reached).await.unwrap();
    served.stop.send(()).unwrap();
    served.server.await.unwrap().unwrap();
    assert!(hanging.await.unwrap().is_err());
}

#[tokio::test]
async fn runs_go_on_without_requests() {
    let served = served().await;
    let world = &served.world;
    let mut chain = world.parts().await;
    world.switch(|switches| switches.run_duration_ms = 0);
    chain.flow = world.post("/flows", &chain.flow_body(world.now())).await.id();
    let done = async {
        // The journal is read without letting time pass, so only the ticker can move the flow.
        while world.sim.events() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), done).await.unwrap();
    assert_eq!(world.runs(&chain.flow).await.len(), 1);
}
