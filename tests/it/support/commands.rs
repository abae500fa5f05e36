//! What tests of a running operator do beside applying objects: annotate, edit upstream by hand, let time pass, count events.

use aep_operator::api::{APPROVE, SYNC_REQUESTED_AT};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::objects::{chain, with};
use super::world::{Settings, World, external_id};

/// Settings of a world whose operator makes no inventory pass while the test runs, so that every call is one that the test caused.
pub fn without_inventory() -> Settings {
    let mut settings = Settings::default();
    "1h".clone_into(&mut settings.operator[1]);
    settings
}

/// A chain named `c` whose flow starts far ahead, in a world where every call is one that the test caused.
pub async fn quiet_chain(name: &str) -> Result<World> {
    let world = World::start_with(name, without_inventory()).await?;
    let [base, source, mapping, flow] = chain("c", "prices");
    let flow = with(flow, "/schedule/startTime", json!("2090-01-01T00:00:00Z"));
    world.apply_all(&[base, source, mapping, flow]).await?;
    world.wait_all_ready(4).await?;
    Ok(world)
}

impl World {
    /// Sets an annotation under our group's name, or takes it away.
    pub async fn annotate(
        &self,
        kind: &str,
        name: &str,
        annotation: &str,
        value: Option<&str>,
    ) -> Result<()> {
        self.merge(kind, name, &json!({ "metadata": { "annotations": { annotation: value } } })).await
    }

    /// Approves what an object shows as waiting, and returns the digest.
    pub async fn approve(&self, kind: &str, name: &str) -> Result<String> {
        let object = self.get(kind, name).await?.context("the object exists")?;
        let digest = object["status"]["pending"]["digest"].as_str().context("a digest")?.to_owned();
        self.annotate(kind, name, APPROVE, Some(&digest)).await?;
        Ok(digest)
    }

    /// Asks for a check of an object, and returns the token that status will echo.
    pub async fn ask_for_check(&self, kind: &str, name: &str) -> Result<String> {
        let token = format!("{:08x}", rand::random::<u32>());
        self.annotate(kind, name, SYNC_REQUESTED_AT, Some(&token)).await?;
        Ok(token)
    }

    /// Waits until the last run of a flow is a success, and returns the flow.
    pub async fn wait_success(&self, name: &str) -> Result<Value> {
        self.until(&format!("a success of the flow {name}"), async || {
            let flow = self.get("IngestionFlow", name).await?;
            Ok(flow.filter(|flow| flow["status"]["lastRun"]["state"] == "success"))
        })
        .await
    }

    /// The id of the upstream object that plays a role for a custom resource.
    pub async fn id_of(&self, kind: &str, name: &str, role: &str) -> Result<String> {
        external_id(&self.get(kind, name).await?.context("the object exists")?, role)
    }

    /// The stored document of an upstream object.
    pub async fn document(&self, id: &str) -> Result<Value> {
        Ok(self.sim.get(&format!("objects/{id}")).await?["doc"].clone())
    }

    /// Edits an upstream object as a person in Adobe's UI would.
    pub async fn edit_upstream(&self, id: &str, patch: Value) -> Result<()> {
        self.sim.post(&format!("objects/{id}"), &json!({ "patch": patch })).await?;
        Ok(())
    }

    /// How often an event with the reason was published about an object.
    pub async fn events_of(&self, name: &str, reason: &str) -> Result<u64> {
        let events = self.list("Event").await?;
        let wanted = events
            .iter()
            .filter(|event| event["reason"] == reason && event["involvedObject"]["name"] == name);
        Ok(wanted.map(|event| event["series"]["count"].as_u64().unwrap_or(1)).sum())
    }

    /// The notes of the events with the reason about an object.
    pub async fn notes_of(&self, name: &str, reason: &str) -> Result<Vec<String>> {
        let events = self.list("Event").await?.into_iter();
        let wanted =
            events.filter(|event| event["reason"] == reason && event["involvedObject"]["name"] == name);
        Ok(wanted.map(|event| event["message"].as_str().unwrap_or_default().to_owned()).collect())
    }

    /// Waits for as many whole inventory passes, each of which begins with the list of connections.
    pub async fn inventory_passes(&self, count: usize) -> Result<()> {
        let since = self.last_call().await?;
        self.until("inventory passes", async || {
            let calls = self.calls(since).await?;
            Ok((calls.iter().filter(|call| call.line == "GET /connections").count() > count).then_some(()))
        })
        .await
    }

    /// How often each of the calls was made since a sequence number.
    pub async fn count(&self, since: u64, line: &str) -> Result<usize> {
        Ok(self.calls(since).await?.iter().filter(|call| call.line == line).count())
    }

    /// Writes of the operator on the status of an object of a plural.
    pub fn status_writes(&self, plural: &str, name: &str) -> Result<usize> {
        let write = format!("patch {plural}/status {name}");
        Ok(self.operator_writes()?.iter().filter(|line| **line == write).count())
    }
}
