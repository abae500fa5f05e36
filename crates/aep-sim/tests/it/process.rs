//! The binary: says where it listens, ends on a signal, and goes on from its state file.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::{CLIENT, ORG, SCOPES, SECRET, connection};

struct Process {
    child: Child,
    url: String,
}

impl Process {
    fn start(state: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_aep-sim"))
            .args(["serve", "--listen", "127.0.0.1:0", "--state-file"])
            .arg(state)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let url = ready["url"].as_str().unwrap().to_owned();
        Self { child, url }
    }

    fn stop(&mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

async fn token(client: &reqwest::Client, url: &str) -> String {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT),
        ("client_secret", SECRET),
        ("scope", SCOPES),
    ];
    let answer = client.post(format!("{url}/ims/token/v3")).form(&form).send().await.unwrap();
    answer.json::<Value>().await.unwrap()["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn state_survives_a_restart_without_any_secret_in_the_file() {
    let _already = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state.json");
    let mut process = Process::start(&state);
    let token = token(&client, &process.url).await;
    let call = |method: &str, url: &str| {
        let url = format!("{url}/data/foundation/flowservice/connections");
        let request = client.request(method.parse().unwrap(), url).bearer_auth(&token);
        request.header("x-api-key", CLIENT).header("x-gw-ims-org-id", ORG).header("x-sandbox-name", "dev")
    };
    let created = call("POST", &process.url).json(&connection("kept")).send().await.unwrap();
    assert_eq!(created.status(), 201);
    process.stop();
    let saved = std::fs::read_to_string(&state).unwrap();
    for secret in ["sk_test", SECRET, &token] {
        assert!(!saved.contains(secret));
    }

    let mut process = Process::start(&state);
    let list: Value = call("GET", &process.url).send().await.unwrap().json().await.unwrap();
    assert_eq!(list["items"][0]["name"], "kept");
    let id = list["items"][0]["id"].as_str().unwrap();
    let test = client
        .get(format!("{}/data/foundation/flowservice/connections/{id}/test", process.url))
        .bearer_auth(&token)
        .header("x-api-key", CLIENT)
        .header("x-gw-ims-org-id", ORG)
        .header("x-sandbox-name", "dev");
    assert_eq!(test.send().await.unwrap().json::<Value>().await.unwrap(), json!({"result": true}));
    process.stop();
}

#[test]
fn a_broken_state_file_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state.json");
    std::fs::write(&state, "{}").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_aep-sim"))
        .args(["serve", "--listen", "127.0.0.1:0", "--state-file"])
        .arg(&state)
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("does not hold a state"));
}

#[test]
fn the_configuration_can_be_printed_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    let run = |arguments: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_aep-sim")).arg("config").args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let printed = run(&["--org-id", "ABC@AdobeOrg", "--sandbox", "one,two", "--client-secret", "a,b"]);
    std::fs::write(&file, &printed).unwrap();
    let again = run(&["--config", file.to_str().unwrap()]);
    assert_eq!(printed, again);
    let config: Value = serde_json::from_slice(&printed).unwrap();
    assert_eq!(config["organisations"][0]["orgId"], "ABC@AdobeOrg");
    assert_eq!(config["organisations"][0]["sandboxes"][1]["name"], "two");
}
