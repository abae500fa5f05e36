//! The custom resources of the demo: how they stand, and waiting for them with a line that shows the progress.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use aep_operator::api::all_crds;
use anyhow::{Context as _, Result, bail};
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;
use testbed::{ControlPlane, until};

/// How one custom resource stands.
pub struct Object {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Ids of its upstream objects by role, from status.
    pub external: BTreeMap<String, String>,
    ready: bool,
    stalled: Option<String>,
    last_run: Value,
}

/// The custom resources of one namespace.
pub struct Objects {
    kinds: Vec<(String, Api<DynamicObject>)>,
}

impl Objects {
    /// Of a namespace.
    pub async fn new(control_plane: &ControlPlane, namespace: &str) -> Result<Self> {
        let client = control_plane.client().await?;
        let kinds = all_crds().into_iter().map(|crd| {
            let (kind, version) = (crd.spec.names.kind, &crd.spec.versions[0].name);
            let id = GroupVersionKind::gvk(&crd.spec.group, version, &kind);
            let resource = ApiResource::from_gvk_with_plural(&id, &crd.spec.names.plural);
            (kind, Api::namespaced_with(client.clone(), namespace, &resource))
        });
        Ok(Self { kinds: kinds.collect() })
    }

    /// All, in the order of their references.
    pub async fn list(&self) -> Result<Vec<Object>> {
        let mut found = Vec::new();
        for (kind, api) in &self.kinds {
            let list = api.list(&ListParams::default()).await?;
            found.extend(list.into_iter().map(|object| Object::from(kind, &object)));
        }
        Ok(found)
    }

    /// Waits until exactly so many exist and all are ready, as their present spec says.
    pub async fn wait_ready(&self, count: usize, deadline: Duration) -> Result<()> {
        let mut line = ProgressLine::new();
        let waited = until(format!("{count} objects to be Ready"), deadline, async || {
            let objects = self.list().await?;
            let ready = objects.iter().filter(|object| object.ready).count();
            line.show(&format!("{ready} of {count} Ready{}", waiting(&objects)));
            Ok((ready == count && objects.len() == count).then_some(()))
        })
        .await;
        line.end();
        waited
    }

    /// Waits until none is left.
    pub async fn wait_gone(&self, deadline: Duration) -> Result<()> {
        let mut line = ProgressLine::new();
        let waited = until("all objects to be gone", deadline, async || {
            let left = self.list().await?.len();
            line.show(&format!("{left} left"));
            Ok((left == 0).then_some(()))
        })
        .await;
        line.end();
        waited
    }

    /// Waits until the last run of every flow is in its status and has succeeded.
    pub async fn wait_for_runs(&self, deadline: Duration) -> Result<()> {
        let mut line = ProgressLine::new();
        let waited = until("a successful run of every flow", deadline, async || {
            let flows = self.flows().await?;
            if let Some(failed) = flows.iter().find(|flow| flow.run_state() == "failed") {
                bail!("the last run of {} failed: {}", failed.name, failed.last_run);
            }
            let done = flows.iter().filter(|flow| flow.run_state() == "success").count();
            line.show(&format!("{done} of {} flows have run", flows.len()));
            Ok((done == flows.len()).then_some(()))
        })
        .await;
        line.end();
        waited
    }

    /// The last run of every flow.
    pub async fn runs_table(&self) -> Result<String> {
        let mut lines =
            vec![format!("{:<24} {:<10} {:>8} {:>8} {:>8}", "flow", "last run", "in", "out", "failed")];
        for flow in self.flows().await? {
            let number =
                |field: &str| flow.last_run[field].as_u64().map_or_else(|| "-".to_owned(), |n| n.to_string());
            lines.push(format!(
                "{:<24} {:<10} {:>8} {:>8} {:>8}",
                flow.name,
                flow.run_state(),
                number("recordsIn"),
                number("recordsOut"),
                number("recordsFailed"),
            ));
        }
        Ok(lines.join("\n") + "\n")
    }

    async fn flows(&self) -> Result<Vec<Object>> {
        let (kind, api) = self.kinds.last().context("flows should be the last kind")?;
        let flows = api.list(&ListParams::default()).await?;
        Ok(flows.into_iter().map(|flow| Object::from(kind, &flow)).collect())
    }
}

impl Object {
    fn from(kind: &str, object: &DynamicObject) -> Self {
        let status = &object.data["status"];
        let condition = |wanted: &str| {
            let conditions = status["conditions"].as_array()?;
            conditions.iter().find(|condition| condition["type"] == wanted)
        };
        let current = status["observedGeneration"].as_i64() == object.metadata.generation;
        let ready = condition("Ready").is_some_and(|ready| ready["status"] == "True");
        let stalled = condition("Stalled").filter(|stalled| stalled["status"] == "True");
        let external = status["external"].as_array().into_iter().flatten().filter_map(|object| {
            Some((object["role"].as_str()?.to_owned(), object["id"].as_str()?.to_owned()))
        });
        Self {
            kind: kind.to_owned(),
            name: object.metadata.name.clone().unwrap_or_default(),
            uid: object.metadata.uid.clone().unwrap_or_default(),
            external: external.collect(),
            ready: ready && current && object.metadata.deletion_timestamp.is_none(),
            stalled: stalled.and_then(|stalled| Some(stalled["message"].as_str()?.to_owned())),
            last_run: status["lastRun"].clone(),
        }
    }

    fn run_state(&self) -> &str {
        self.last_run["state"].as_str().unwrap_or("none")
    }
}

/// What is not ready yet, and why if it is stalled.
fn waiting(objects: &[Object]) -> String {
    let mut stalled = objects.iter().filter_map(|object| Some((object, object.stalled.as_ref()?)));
    if let Some((object, why)) = stalled.next() {
        return format!("; {} {} is stalled: {why}", object.kind, object.name);
    }
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for object in objects.iter().filter(|object| !object.ready) {
        *kinds.entry(&object.kind).or_default() += 1;
    }
    let kinds: Vec<String> = kinds.into_iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    if kinds.is_empty() { String::new() } else { format!("; waiting for {}", kinds.join(", ")) }
}

/// One line that is written over on a terminal. Elsewhere each change is a line, at most one a second.
struct ProgressLine {
    last: String,
    shown: Option<Instant>,
    start: Instant,
    terminal: bool,
}

impl ProgressLine {
    fn new() -> Self {
        let terminal = std::io::stdout().is_terminal();
        Self { last: String::new(), shown: None, start: Instant::now(), terminal }
    }

    fn show(&mut self, text: &str) {
        if self.terminal {
            print!("\r\x1b[2K{:>5.1} s  {text}", self.start.elapsed().as_secs_f64());
            // A terminal that cannot be written to is no reason to stop.
            let _ = std::io::stdout().flush();
        } else if self.last != text
            && self.shown.is_none_or(|shown| shown.elapsed() >= Duration::from_secs(1))
        {
            println!("{:>5.1} s  {text}", self.start.elapsed().as_secs_f64());
            self.shown = Some(Instant::now());
            text.clone_into(&mut self.last);
        }
    }

    fn end(&self) {
        if self.terminal {
            println!();
        }
    }
}
