//! The store of mapping sets: every version of every set.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::form::{self, Draft, Stamp};
use super::{Context, bad_request, not_found, refuse, validate};
use crate::lake::{ids, visible};
use crate::switches::MappingSetDefaultVersion;
use crate::wire::{Caller, Reply};

/// One version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Version {
    draft: Draft,
    stamp: Stamp,
}

/// All mapping sets of a sandbox.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct MappingSets {
    /// Versions from 0 on.
    sets: BTreeMap<String, Vec<Version>>,
    /// Order of creation.
    order: Vec<String>,
}

impl MappingSets {
    /// One version of a set.
    pub(crate) fn version(&self, id: &str, version: u64) -> Option<&Draft> {
        let versions = self.sets.get(id)?;
        versions.get(usize::try_from(version).ok()?).map(|version| &version.draft)
    }

    pub(super) fn create(&mut self, context: &Context<'_>) -> Result<Reply, Reply> {
        let draft = Self::read_body(context)?;
        let stamp = Stamp::new(context.caller, context.now_ms);
        let id = self.insert(Version { draft, stamp: stamp.clone() });
        Ok(Reply::json(200, Value::Object(stamp.head(&id, 0))))
    }

    fn insert(&mut self, version: Version) -> String {
        let id = ids::hex32();
        self.sets.insert(id.clone(), vec![version]);
        self.order.push(id.clone());
        id
    }

    fn read_body(context: &Context<'_>) -> Result<Draft, Reply> {
        let body = context.call.json().ok_or_else(|| bad_request("The body must be a JSON object."))?;
        let draft = form::read(&body).map_err(bad_request)?;
        validate::check_schema(&draft, context.registry).map_err(bad_request)?;
        if context.call.query("validate") == Some("true") {
            let problems = validate::problems(&draft, context.registry);
            if let Some(first) = problems.into_iter().flatten().next() {
                return Err(bad_request(format!("The mapping set is not valid: {first}")));
            }
        }
        Ok(draft)
    }

    pub(super) fn replace(&mut self, context: &Context<'_>, id: &str) -> Result<Reply, Reply> {
        let created =
            self.sets.get(id).and_then(|versions| versions.first()).map(|first| first.stamp.clone());
        let created = created.ok_or_else(|| not_found(id, None))?;
        let draft = Self::read_body(context)?;
        let now = Stamp::new(context.caller, context.now_ms);
        let stamp = Stamp { created: created.created, created_by: created.created_by, ..now };
        if let Some(versions) = self.sets.get_mut(id) {
            versions.push(Version { draft, stamp });
        }
        let newest = self.newest(id).ok_or_else(|| not_found(id, None))?;
        Ok(Reply::json(200, self.show(context, id, newest)?))
    }

    fn newest(&self, id: &str) -> Option<u64> {
        let versions = self.sets.get(id)?;
        u64::try_from(versions.len()).ok()?.checked_sub(1)
    }

    /// The version asked for. Without one it is 0 as Adobe describes it, or the newest as clients have seen it.
    fn wanted(&self, context: &Context<'_>, id: &str) -> Result<u64, Reply> {
        match context.call.query("version") {
            Some(text) => {
                text.parse().map_err(|_| bad_request("The parameter version must be a whole number."))
            }
            None if context.switches.mapping_set_default_version == MappingSetDefaultVersion::Latest => {
                self.newest(id).ok_or_else(|| not_found(id, None))
            }
            None => Ok(0),
        }
    }

    fn stored(&self, id: &str, version: u64) -> Result<&Version, Reply> {
        let versions = self.sets.get(id).ok_or_else(|| not_found(id, None))?;
        let index = usize::try_from(version).ok();
        index.and_then(|index| versions.get(index)).ok_or_else(|| not_found(id, Some(version)))
    }

    fn show(&self, context: &Context<'_>, id: &str, version: u64) -> Result<Value, Reply> {
        let stored = self.stored(id, version)?;
        let expand = context.call.query("expandSchema") == Some("true");
        let schema = expand.then(|| context.registry.full_schema(&stored.draft.schema.id)).flatten();
        let schema = schema.map(|schema| schema.as_field());
        Ok(form::write(id, version, &stored.draft, &stored.stamp, schema))
    }

    pub(super) fn read(&self, context: &Context<'_>, id: &str) -> Result<Reply, Reply> {
        let created =
            self.sets.get(id).and_then(|versions| versions.first()).map_or(0, |first| first.stamp.created);
        if !visible(created, context.now_ms, context.switches.get_lag_ms) {
            return Err(not_found(id, None));
        }
        let version = self.wanted(context, id)?;
        Ok(Reply::json(200, self.show(context, id, version)?))
    }

    pub(super) fn read_rows(&self, context: &Context<'_>, id: &str) -> Result<Reply, Reply> {
        let stored = self.stored(id, self.wanted(context, id)?)?;
        let rows = stored.draft.rows.iter().map(|row| form::write_row(row, &stored.stamp));
        Ok(Reply::json(200, rows.collect()))
    }

    pub(super) fn read_row(&self, context: &Context<'_>, id: &str, row: &str) -> Result<Reply, Reply> {
        let stored = self.stored(id, self.wanted(context, id)?)?;
        let found = stored.draft.rows.iter().find(|known| known.id == row);
        let found = found.ok_or_else(|| refuse(404, "Not Found", format!("Mapping {row} is not found.")))?;
        Ok(Reply::json(200, form::write_row(found, &stored.stamp)))
    }

    pub(super) fn list(&self, context: &Context<'_>) -> Result<Reply, Reply> {
        let number = |name: &str| {
            let text = context.call.query(name);
            let text = text.ok_or_else(|| bad_request(format!("The parameter {name} is required.")))?;
            text.parse::<usize>().map_err(|_| bad_request(format!("The parameter {name} must be a number.")))
        };
        let (limit, start) = (number("limit")?, number("start")?);
        let wanted = context.call.query("name");
        let mut found: Vec<(&String, &Version)> = self.newest_versions().collect();
        found.retain(|(_, version)| {
            visible(version.stamp.created, context.now_ms, context.switches.list_lag_ms)
                && wanted.is_none_or(|name| version.draft.name.as_deref() == Some(name))
        });
        sort(&mut found, context.call.query("orderBy").unwrap_or("-updatedDate"))?;
        let total = found.len();
        let page = found.into_iter().skip(start).take(limit);
        let shown: Result<Vec<Value>, Reply> =
            page.map(|(id, _)| self.show(context, id, self.newest(id).unwrap_or(0))).collect();
        let shown = shown?;
        let mut links = Map::new();
        let next = start.saturating_add(limit);
        if limit > 0 && next < total {
            let href = format!("/mappingSets?limit={limit}&start={next}");
            links.insert("next".into(), json!({"href": href, "templated": false}));
        }
        Ok(Reply::json(
            200,
            json!({"_page": {"count": shown.len(), "limit": limit}, "data": shown, "_links": links}),
        ))
    }

    fn newest_versions(&self) -> impl Iterator<Item = (&String, &Version)> {
        self.order.iter().filter_map(|id| Some((id, self.sets.get(id)?.last()?)))
    }

    /// Stores a set without judging it.
    pub(crate) fn seed(&mut self, body: &Value, caller: &Caller, now_ms: i64) -> String {
        let unknown = || json!({"xdmSchema": "", "mappings": []});
        let draft = form::read(body).or_else(|_| form::read(&unknown()));
        match draft {
            Ok(draft) => self.insert(Version { draft, stamp: Stamp::new(caller, now_ms) }),
            Err(_) => String::new(),
        }
    }

    /// Adds a version in which the rows or the name are others, as a hand edit does.
    pub(crate) fn tamper(&mut self, id: &str, changes: &Map<String, Value>, now_ms: i64) -> bool {
        let Some(versions) = self.sets.get_mut(id) else { return false };
        let Some(mut next) = versions.last().cloned() else { return false };
        if let Some(name) = changes.get("name").and_then(Value::as_str) {
            next.draft.name = Some(name.to_owned());
        }
        if let Some(rows) = changes.get("mappings") {
            let body = json!({"xdmSchema": next.draft.schema.id, "mappings": rows});
            if let Ok(draft) = form::read(&body) {
                next.draft.rows = draft.rows;
            }
        }
        next.stamp.modified = now_ms;
        versions.push(next);
        true
    }

    /// Removes a set; `false` when there is none.
    pub(crate) fn lose(&mut self, id: &str) -> bool {
        self.order.retain(|known| known != id);
        self.sets.remove(id).is_some()
    }

    /// Mapping sets for the inventory.
    pub(crate) fn inventory(&self) -> impl Iterator<Item = Value> {
        self.newest_versions().map(|(id, version)| {
            json!({
                "kind": "mappingSets", "id": id, "name": version.draft.name, "version": self.newest(id),
                "schema": version.draft.schema.id, "rows": version.draft.rows.len(),
            })
        })
    }
}

fn sort(found: &mut [(&String, &Version)], order: &str) -> Result<(), Reply> {
    let descending = order.starts_with('-');
    // A plus sign in a query arrives as a blank from clients that do not escape it.
    let key: fn(&Version) -> i64 = match order.trim_start_matches(['+', '-', ' ']) {
        "createdDate" => |version| version.stamp.created,
        "updatedDate" | "modifiedDate" | "lastUpdateDate" => |version| version.stamp.modified,
        other => return Err(bad_request(format!("{other} is not a field to order by."))),
    };
    found.sort_by_key(|(_, version)| key(version));
    if descending {
        found.reverse();
    }
    Ok(())
}
