//! One test's world: a namespace on the shared control plane, a simulator process and an operator process under its service account.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aep_operator::api::GROUP;
use anyhow::{Context as _, Result, bail, ensure};
use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;
use testbed::{AuditLog, ControlPlane, Operator, Options, Simulator, SimulatorOptions, until};
use tokio::sync::OnceCell;

use super::install::{create_namespace, install, present_crds};
use super::objects;
use super::operators::{check_outputs, grant_lease, holds_no_secret, start_operator};
use super::seen::{Call, Upstream};

/// The user that the operator is to the API server.
pub const OPERATOR_USER: &str = "system:serviceaccount:aep-operator-system:aep-operator";
/// How long a test waits for a condition.
pub const DEADLINE: Duration = Duration::from_mins(1);
/// The four kinds, in the order of their references.
pub const KINDS: [&str; 4] =
    ["StripeBaseConnection", "StripeSourceConnection", "IngestionMapping", "IngestionFlow"];

/// What differs from test to test.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Arguments of `aep-operator run`.
    pub operator: Vec<String>,
    /// Arguments of `aep-sim serve`.
    pub simulator: Vec<String>,
    /// Whether operators of this world take turns, by a lease in its namespace.
    pub elect: bool,
    /// A second namespace that the operator serves: the first one's name and this.
    pub also: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        let operator = [
            "--drift-interval",
            "5s",
            "--call-deadline",
            "5s",
            "--lookup-grace",
            "6s",
            "--requests-per-second",
            "500",
        ];
        Self {
            operator: operator.map(str::to_owned).to_vec(),
            simulator: Vec::new(),
            elect: false,
            also: None,
        }
    }
}

/// One test's world.
pub struct World {
    /// The shared control plane.
    pub plane: &'static ControlPlane,
    /// An administrator's client.
    pub client: Client,
    /// The test's own namespace.
    pub namespace: String,
    /// The test's own simulator.
    pub sim: Simulator,
    /// The test's own operator.
    pub operator: Operator,
    settings: Settings,
}

impl World {
    /// A world whose operator is ready and whose two Secrets exist.
    pub async fn start(name: &str) -> Result<Self> {
        Self::start_with(name, Settings::default()).await
    }

    /// A world with settings of its own.
    pub async fn start_with(name: &str, settings: Settings) -> Result<Self> {
        let (plane, kubeconfig) = installed().await?;
        Self::start_on(plane, kubeconfig, name, settings).await
    }

    /// A world on a control plane of its own, for what others on a shared one would feel. It ends with the test process.
    pub async fn start_alone(name: &str) -> Result<Self> {
        let plane: &'static ControlPlane =
            Box::leak(Box::new(ControlPlane::start(Options::default()).await?));
        let kubeconfig = install(plane, &present_crds()).await?;
        Self::start_on(plane, &kubeconfig, name, Settings::default()).await
    }

    async fn start_on(
        plane: &'static ControlPlane,
        kubeconfig: &Path,
        name: &str,
        settings: Settings,
    ) -> Result<Self> {
        let client = plane.client().await?;
        let namespace = format!("{name}-{:06x}", rand::random::<u32>() & 0xff_ffff);
        create_namespace(&client, &namespace).await?;
        let sim = Simulator::start(SimulatorOptions {
            args: settings.simulator.clone(),
            ..SimulatorOptions::default()
        })
        .await?;
        if settings.elect {
            grant_lease(&client, &namespace).await?;
        }
        let mut watched = namespace.clone();
        if let Some(also) = &settings.also {
            let second = format!("{namespace}-{also}");
            create_namespace(&client, &second).await?;
            watched = format!("{watched},{second}");
        }
        let operator = start_operator(kubeconfig, &sim, &settings, "aep-operator", &namespace, &watched)?;
        let mut world = Self::around(plane, &namespace, sim, operator).await?;
        world.settings = settings;
        Ok(world)
    }

    /// A world whose operator was started in another way; its namespace exists. Waits until the operator is ready, and makes the Secrets.
    pub async fn around(
        plane: &'static ControlPlane,
        namespace: &str,
        sim: Simulator,
        operator: Operator,
    ) -> Result<Self> {
        let (client, settings) = (plane.client().await?, Settings::default());
        let mut world = Self { plane, client, namespace: namespace.to_owned(), sim, operator, settings };
        world.operator.ready(DEADLINE).await?;
        world.apply(&objects::platform_secret()).await?;
        world.apply(&objects::stripe_secret()).await?;
        Ok(world)
    }

    /// Another operator process, not waited for, with the settings of the world's own. `name` is that of its lease, if it has one.
    pub async fn another_operator(&self, name: &str, watched: &str) -> Result<Operator> {
        let (_, kubeconfig) = installed().await?;
        start_operator(kubeconfig, &self.sim, &self.settings, name, &self.namespace, watched)
    }

    fn api(&self, kind: &str) -> Api<DynamicObject> {
        let (group, version) = match kind {
            kind if KINDS.contains(&kind) => (GROUP, "v1alpha1"),
            "Lease" => ("coordination.k8s.io", "v1"),
            _ => ("", "v1"),
        };
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }

    /// Applies an object by server-side apply, as a user would.
    pub async fn apply(&self, object: &Value) -> Result<()> {
        let kind = object["kind"].as_str().context("an object has a kind")?;
        let name = object["metadata"]["name"].as_str().context("an object has a name")?;
        self.api(kind)
            .patch(name, &PatchParams::apply("a-user").force(), &Patch::Apply(object))
            .await
            .with_context(|| format!("apply {kind} {name}"))?;
        Ok(())
    }

    /// Applies several objects one after the other.
    pub async fn apply_all<'a>(&self, objects: impl IntoIterator<Item = &'a Value>) -> Result<()> {
        for object in objects {
            self.apply(object).await?;
        }
        Ok(())
    }

    /// Changes an object by a merge patch.
    pub async fn merge(&self, kind: &str, name: &str, patch: &Value) -> Result<()> {
        self.api(kind).patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(())
    }

    /// Changes an object's status by a merge patch.
    pub async fn merge_status(&self, kind: &str, name: &str, patch: &Value) -> Result<()> {
        self.api(kind).patch_status(name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(())
    }

    /// An object as JSON.
    pub async fn get(&self, kind: &str, name: &str) -> Result<Option<Value>> {
        Ok(self.api(kind).get_opt(name).await?.map(serde_json::to_value).transpose()?)
    }

    /// All objects of a kind.
    pub async fn list(&self, kind: &str) -> Result<Vec<Value>> {
        let list = self.api(kind).list(&ListParams::default()).await?;
        list.items.into_iter().map(|object| Ok(serde_json::to_value(object)?)).collect()
    }

    /// Asks for the deletion of an object.
    pub async fn delete(&self, kind: &str, name: &str) -> Result<()> {
        self.api(kind).delete(name, &DeleteParams::background()).await?;
        Ok(())
    }

    /// Asks for the deletion of everything and waits until it is gone.
    pub async fn delete_everything(&self) -> Result<()> {
        for kind in KINDS {
            // One call for all of a kind: an object that is on its way out already may be gone by the time it is named.
            self.api(kind).delete_collection(&DeleteParams::background(), &ListParams::default()).await?;
        }
        self.wait_until_empty().await
    }

    /// Waits until no custom resource is left.
    pub async fn wait_until_empty(&self) -> Result<()> {
        self.until("all custom resources to be gone", async || {
            for kind in KINDS {
                if !self.list(kind).await?.is_empty() {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
        .await
    }

    /// Waits for a condition; a failure shows what the custom resources say.
    pub async fn until<T>(&self, what: &str, ask: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
        self.until_within(DEADLINE, what, ask).await
    }

    /// Waits for a condition with a deadline of its own.
    pub async fn until_within<T>(
        &self,
        deadline: Duration,
        what: &str,
        ask: impl AsyncFnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        match until(what, deadline, ask).await {
            Ok(value) => Ok(value),
            Err(error) => Err(error.context(self.describe().await)),
        }
    }

    /// Waits until an object's Ready condition has the status.
    pub async fn wait_ready(&self, kind: &str, name: &str) -> Result<Value> {
        self.until(&format!("{kind} {name} to be Ready"), async || {
            Ok(self.get(kind, name).await?.filter(is_ready))
        })
        .await
    }

    /// Waits until every custom resource is Ready.
    pub async fn wait_all_ready(&self, count: usize) -> Result<()> {
        self.until(&format!("{count} custom resources to be Ready"), async || {
            let mut ready = 0;
            for kind in KINDS {
                ready += self.list(kind).await?.iter().filter(|object| is_ready(object)).count();
            }
            Ok((ready == count).then_some(()))
        })
        .await
    }

    /// Waits until a condition has the status and reason, and returns its message.
    pub async fn wait_condition(
        &self,
        kind: &str,
        name: &str,
        type_: &str,
        status: &str,
        reason: &str,
    ) -> Result<String> {
        self.until(&format!("{kind} {name} to have {type_} {status} with {reason}"), async || {
            let Some(object) = self.get(kind, name).await? else { return Ok(None) };
            let found = condition(&object, type_)
                .filter(|found| found["status"] == status && found["reason"] == reason);
            Ok(found.and_then(|found| found["message"].as_str().map(str::to_owned)))
        })
        .await
    }

    /// What the custom resources say, for a failure.
    pub async fn describe(&self) -> String {
        let mut text = format!("namespace {}\n", self.namespace);
        for kind in KINDS {
            for object in self.list(kind).await.unwrap_or_default() {
                let ready = condition(&object, "Ready");
                let ready = ready.map_or_else(|| "no Ready condition".to_owned(), |ready| ready.to_string());
                text = format!(
                    "{text}  {kind} {}: {ready}
",
                    object["metadata"]["name"]
                );
            }
        }
        text + "the operator's log ends with\n" + &self.operator.log_tail(30)
    }

    /// The calls that the simulator has seen, after a sequence number.
    pub async fn calls(&self, since: u64) -> Result<Vec<Call>> {
        let journal = self.sim.journal(since).await?;
        let entries = journal["entries"].as_array().context("a journal has entries")?;
        Ok(entries.iter().filter(|entry| entry["kind"] == "call").map(Call::from_entry).collect())
    }

    /// The sequence number of the last call.
    pub async fn last_call(&self) -> Result<u64> {
        // Nothing comes after that number, so that the answer is short.
        Ok(self.sim.journal(u64::MAX).await?["last"].as_u64().unwrap_or_default())
    }

    /// Every upstream object: kind, id and marker.
    pub async fn upstream(&self) -> Result<Vec<Upstream>> {
        let inventory = self.sim.inventory().await?;
        let objects = inventory["objects"].as_array().context("an inventory has objects")?;
        Ok(objects.iter().map(Upstream::from_entry).collect())
    }

    /// How often each Stripe id was ingested into a dataset of the sandbox `dev`.
    pub async fn rows(&self, dataset: &str) -> Result<std::collections::BTreeMap<String, u64>> {
        let rows = self.sim.rows().await?;
        let rows = &rows[objects::ORGANIZATION]["dev"][dataset];
        Ok(rows
            .as_object()
            .into_iter()
            .flatten()
            .map(|(id, times)| (id.clone(), times.as_u64().unwrap_or_default()))
            .collect())
    }

    /// The audit log of this namespace.
    pub fn audit(&self) -> Result<AuditLog> {
        Ok(self.plane.audit_log()?.in_namespace(&self.namespace))
    }

    /// Successful writes of the operator on our kinds and on Secrets in this namespace; Events are counted apart.
    pub fn operator_writes(&self) -> Result<Vec<String>> {
        let log = self.audit()?.writes_by(OPERATOR_USER);
        Ok(log
            .events()
            .iter()
            .filter(|event| event.succeeded() && event.resource != "events")
            .map(|event| format!("{} {}/{} {}", event.verb, event.resource, event.subresource, event.name))
            .collect())
    }

    /// What has to hold after every test: no upstream object twice at any time, Ready only for the generation that is applied, no defect
    /// and no panic of the operator, and no secret in any output.
    pub async fn check_invariants(&self) -> Result<()> {
        let violations = self.sim.violations().await?;
        let list = violations["violations"].as_array().cloned().unwrap_or_default();
        ensure!(list.is_empty(), "two upstream objects carried one marker: {list:?}");
        let mut outputs = vec![("journal", self.sim.journal(0).await?.to_string())];
        outputs.push(("events", serde_json::to_string(&self.list("Event").await?)?));
        for kind in KINDS {
            outputs.push(("objects", serde_json::to_string(&self.list(kind).await?)?));
        }
        for (output, text) in &outputs {
            holds_no_secret(output, text)?;
        }
        check_outputs(&self.operator).await
    }
}

/// The shared control plane with CRDs and rights installed, and a kubeconfig with the operator's rights.
async fn installed() -> Result<(&'static ControlPlane, &'static Path)> {
    static INSTALLED: OnceCell<PathBuf> = OnceCell::const_new();
    let plane = ControlPlane::shared().await?;
    let kubeconfig = INSTALLED.get_or_try_init(async || install(plane, &present_crds()).await).await?;
    Ok((plane, kubeconfig))
}

/// A condition of an object.
pub fn condition(object: &Value, type_: &str) -> Option<Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == type_).cloned()
}

/// Whether an object is Ready for its present generation.
pub fn is_ready(object: &Value) -> bool {
    condition(object, "Ready").is_some_and(|ready| ready["status"] == "True")
        && object["status"]["observedGeneration"] == object["metadata"]["generation"]
}

/// The id of a role's upstream object in an object's status.
pub fn external_id(object: &Value, role: &str) -> Result<String> {
    let external = object["status"]["external"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|external| external["role"] == role);
    match external.and_then(|external| external["id"].as_str()) {
        Some(id) => Ok(id.to_owned()),
        None => bail!("{} has no {role}: {}", object["metadata"]["name"], object["status"]),
    }
}
