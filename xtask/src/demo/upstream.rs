//! What AEP holds of ours, read from the simulator, and the promises about it: one object per role and custom resource, nothing
//! left after a deletion but what is retained on purpose, nothing doubled at any moment.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use testbed::Simulator;

use super::objects::Object;

/// Which upstream objects a custom resource of a kind has.
const ROLES: [(&str, &[&str]); 4] = [
    ("StripeBaseConnection", &["connection"]),
    ("StripeSourceConnection", &["source-connection"]),
    ("IngestionMapping", &["field-group", "schema", "mapping-set"]),
    ("IngestionFlow", &["dataset", "target-connection", "flow"]),
];

/// What stays after a deletion: customers' data and its shape, and mapping sets, for which there is no deletion.
const RETAINED: [&str; 4] = ["dataset", "field-group", "mapping-set", "schema"];
/// What must be the same object after delete and apply.
const TAKEN_UP_AGAIN: [&str; 3] = ["dataset", "field-group", "schema"];

/// An upstream object that carries our marker.
struct Marked {
    id: String,
    uid: String,
    role: String,
    owner: String,
}

/// All upstream objects that carry our marker.
pub struct Upstream {
    objects: Vec<Marked>,
}

impl Upstream {
    /// As it is now.
    pub async fn read(simulator: &Simulator) -> Result<Self> {
        let inventory = simulator.inventory().await?;
        let objects = inventory["objects"].as_array().context("an inventory should list objects")?;
        let mut marked = Vec::new();
        for object in objects {
            for marker in object["markers"].as_array().into_iter().flatten() {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                marked.push(Marked {
                    id: text(&object["id"]),
                    uid: text(&marker["uid"]),
                    role: text(&marker["role"]),
                    owner: text(&marker["owner"]),
                });
            }
        }
        Ok(Self { objects: marked })
    }

    /// A table of custom resources and roles. An error unless each has exactly one object, the one that status names.
    pub fn table(&self, objects: &[Object]) -> Result<String> {
        let mut lines = vec![format!("{:<24} {:<24} {:<18} upstream id", "kind", "name", "role")];
        let mut wrong = Vec::new();
        for object in objects {
            let (_, roles) = ROLES
                .iter()
                .find(|(kind, _)| *kind == object.kind)
                .with_context(|| format!("no roles of {}", object.kind))?;
            for role in *roles {
                let found = self.of(&object.uid, role);
                let shown: Vec<&str> = found.iter().map(|id| short(id)).collect();
                let status = object.external.get(*role);
                lines.push(format!(
                    "{:<24} {:<24} {role:<18} {}",
                    object.kind,
                    object.name,
                    shown.join(", ")
                ));
                if found.len() != 1 || status.map(String::as_str) != found.first().copied() {
                    wrong.push(format!(
                        "{} {} {role}: upstream {found:?}, status {status:?}",
                        object.kind, object.name
                    ));
                }
            }
        }
        wrong.extend(self.without_owner(objects));
        let table = lines.join("\n");
        if !wrong.is_empty() {
            bail!(
                "not exactly one upstream object per role and custom resource:\n{}\n{table}",
                wrong.join("\n")
            );
        }
        let count = lines.len() - 1;
        Ok(format!(
            "{table}\n\n{count} upstream objects, exactly one per role of {} custom resources.",
            objects.len()
        ))
    }

    /// Objects of ours whose custom resource is gone: only mapping sets may be so, for which there is no deletion.
    fn without_owner(&self, objects: &[Object]) -> Vec<String> {
        let owners: BTreeSet<&str> = objects.iter().map(|object| object.uid.as_str()).collect();
        let gone = self.objects.iter().filter(|object| !owners.contains(object.uid.as_str()));
        gone.filter(|object| object.role != "mapping-set")
            .map(|object| format!("{} {} of {} has no custom resource", object.role, object.id, object.owner))
            .collect()
    }

    /// After the deletion: a table of what is left. An error if anything else than retained kinds is.
    pub fn table_of_retained(&self) -> Result<String> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for object in &self.objects {
            *counts.entry(&object.role).or_default() += 1;
        }
        let wrong: Vec<&str> = counts.keys().copied().filter(|role| !RETAINED.contains(role)).collect();
        if !wrong.is_empty() {
            bail!("left upstream after the deletion: {counts:?}, of which {wrong:?} should be gone");
        }
        let lines = counts.iter().map(|(role, count)| format!("  {count:>3} {role}"));
        let lines: Vec<String> = lines.collect();
        Ok(format!(
            "Left upstream, on purpose (retained, or without a deletion at Adobe):\n{}",
            lines.join("\n")
        ))
    }

    /// An error unless schemas, field groups and datasets are the very objects of `first`.
    pub fn reuses_what_was_retained(&self, first: &Self) -> Result<()> {
        for role in TAKEN_UP_AGAIN {
            let (before, now) = (first.ids(role), self.ids(role));
            if before != now {
                bail!("{role}: before {before:?}, now {now:?}");
            }
        }
        Ok(())
    }

    fn of(&self, uid: &str, role: &str) -> Vec<&str> {
        let mine = self.objects.iter().filter(|object| object.uid == uid && object.role == role);
        mine.map(|object| object.id.as_str()).collect()
    }

    fn ids(&self, role: &str) -> BTreeSet<&str> {
        self.objects.iter().filter(|object| object.role == role).map(|object| object.id.as_str()).collect()
    }
}

/// How often Stripe objects are in the datasets.
pub struct Rows {
    datasets: usize,
    objects: usize,
    doubled: Vec<String>,
}

impl Rows {
    /// As they are now.
    pub async fn read(simulator: &Simulator) -> Result<Self> {
        let answer = simulator.rows().await?;
        let mut rows = Self { datasets: 0, objects: 0, doubled: Vec::new() };
        for dataset in members(&answer).flat_map(members).flat_map(members) {
            rows.datasets += 1;
            for (id, count) in dataset.as_object().into_iter().flatten() {
                rows.objects += 1;
                if count.as_u64() > Some(1) {
                    rows.doubled.push(id.clone());
                }
            }
        }
        Ok(rows)
    }

    /// An error unless each Stripe object was ingested exactly once.
    pub fn each_once(&self) -> Result<String> {
        if self.objects == 0 {
            bail!("no row was ingested");
        }
        if !self.doubled.is_empty() {
            bail!("ingested more than once: {}", self.doubled.join(", "));
        }
        Ok(format!("{} Stripe objects in {} datasets, each exactly once.", self.objects, self.datasets))
    }
}

/// The simulator watches all the time, not only at the end.
pub async fn no_duplicate_at_any_moment(simulator: &Simulator) -> Result<()> {
    let answer = simulator.violations().await?;
    let violations = answer["violations"].as_array().context("violations should be a list")?;
    if !violations.is_empty() {
        bail!("objects shared a marker: {violations:?}");
    }
    println!("At no moment did two upstream objects claim to be the same.");
    Ok(())
}

fn members(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_object().into_iter().flatten().map(|(_, value)| value)
}

/// A schema id is an address; its last part is enough for people.
fn short(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}
