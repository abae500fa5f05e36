//! Data Prep: mapping sets.
//!
//! There is no documented DELETE and no entity tag: a set is changed by PUT, which makes the next version, and stays.

use std::collections::HashSet;

use http::Method;
use serde::Deserialize;
use serde_json::Value;

use super::Session;
use super::budget::{Lane, Permit};
use super::call::{Answer, Call, Effect, Endpoint};
use super::error::{Error, Operation};
use super::flow_service::absent;
use super::gate::Gate;
use super::ids::is_mapping_set_id;
use super::model::{MappingRow, MappingSet, MappingSetRef, NewMappingSet, Preview, RowFailure, loose};

const RESOURCE: &str = "mappingSets";
const PAGE: usize = 100;

fn sets() -> Endpoint {
    Endpoint::new("/data/foundation/conversion").then(RESOURCE)
}

#[derive(Deserialize)]
struct SetPage {
    #[serde(default)]
    data: Vec<MappingSet>,
    #[serde(rename = "_links", default)]
    links: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Validation {
    validation_response: Vec<RowValidation>,
}

#[derive(Deserialize)]
struct RowValidation {
    #[serde(default, deserialize_with = "loose::text")]
    status: Option<String>,
    #[serde(default, deserialize_with = "loose::or_default")]
    errors: Vec<RowProblem>,
}

/// Adobe's documents show an array of results and a single one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Previews {
    Several(Vec<PreviewedRecord>),
    One(PreviewedRecord),
}

#[derive(Deserialize)]
struct PreviewedRecord {
    data: Value,
    #[serde(default, deserialize_with = "loose::or_default")]
    errors: Vec<RowProblem>,
}

#[derive(Deserialize, Default)]
struct RowProblem {
    #[serde(default, deserialize_with = "loose::text")]
    source: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    destination: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    exception: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    message: Option<String>,
}

impl RowProblem {
    /// The failure, with what it does not say taken from the row that it is about.
    fn of(self, own: Option<&MappingRow>) -> RowFailure {
        let why = self.exception.or(self.message);
        RowFailure {
            source: self.source.or_else(|| own.map(|row| row.source.clone())).unwrap_or_default(),
            destination: self
                .destination
                .or_else(|| own.map(|row| row.destination.clone()))
                .unwrap_or_default(),
            message: super::redact::shown(why.as_deref().unwrap_or("the row is not accepted")),
        }
    }
}

impl Session {
    /// Creates a mapping set: `POST /mappingSets` in the documented form, with a name; answered with 200, `id` and version 0.
    ///
    /// # Errors
    /// `Ambiguous` when the set may exist; look it up by its name.
    pub async fn create_mapping_set(
        &self,
        permit: Permit,
        gate: &Gate,
        new: &NewMappingSet,
    ) -> Result<MappingSetRef, Error> {
        let call =
            Call::create(Operation::new("create", RESOURCE), sets(), permit, gate).json(&new.body())?.large();
        let answer = self.send(call).await?;
        reference(&answer, None)
    }

    /// Reads a mapping set in one version: `GET /mappingSets/{id}?version=…`. The version is always named, since Adobe's
    /// documents disagree on which one is shown otherwise. `None` when it does not exist.
    ///
    /// # Errors
    /// Those of a read. An answer about another set or version is `Malformed`.
    pub async fn get_mapping_set(&self, id: &str, version: i64) -> Result<Option<MappingSet>, Error> {
        let call = Call::read(Operation::new("get", RESOURCE), sets().id(id), Lane::LookUp)
            .query(&[("version", &version.to_string())])
            .large();
        let Some(answer) = absent(self.send(call).await)? else { return Ok(None) };
        let set: MappingSet = answer.json()?;
        if !set.id.eq_ignore_ascii_case(id) || set.version.is_some_and(|shown| shown != version) {
            return Err(answer.not_understood("the answer is about another set or version"));
        }
        Ok(Some(set))
    }

    /// Lists the mapping sets that the service finds for a name: `GET /mappingSets?name=…&limit=…&start=…`, to the end. The filter
    /// only narrows; compare the names.
    pub async fn find_mapping_sets(&self, name: &str) -> Result<Vec<MappingSet>, Error> {
        self.all_mapping_sets(Some(("name", name))).await
    }

    /// Lists all mapping sets of the sandbox, each in its newest version, to the end.
    pub async fn list_mapping_sets(&self) -> Result<Vec<MappingSet>, Error> {
        self.all_mapping_sets(None).await
    }

    async fn all_mapping_sets(&self, narrow: Option<(&str, &str)>) -> Result<Vec<MappingSet>, Error> {
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        let mut start = 0;
        loop {
            let (limit, offset) = (PAGE.to_string(), start.to_string());
            let query: Vec<_> =
                narrow.into_iter().chain([("limit", limit.as_str()), ("start", offset.as_str())]).collect();
            let call =
                Call::read(Operation::new("list", RESOURCE), sets(), Lane::LookUp).query(&query).large();
            let answer = self.send(call).await?;
            let page: SetPage = answer.json()?;
            let (length, before) = (page.data.len(), found.len());
            for set in page.data {
                if !is_mapping_set_id(&set.id) {
                    return Err(answer.not_understood("the answer holds a set without a usable id"));
                }
                if seen.insert(set.id.clone()) {
                    found.push(set);
                }
            }
            let more = length >= PAGE || page.links.get("next").is_some_and(|next| !next.is_null());
            // A page that adds nothing is the end, whatever its links say.
            if !more || found.len() == before {
                return Ok(found);
            }
            start += length;
        }
    }

    /// Puts rows in place of a set's: `PUT /mappingSets/{id}`, answered with the same id and the next version. Running flows keep
    /// the old version until they are patched.
    ///
    /// There is no `If-Match`, so the gate guards it. After `Ambiguous` read the next version: ours, foreign or absent decides.
    pub async fn put_mapping_set(
        &self,
        permit: Permit,
        gate: &Gate,
        id: &str,
        new: &NewMappingSet,
    ) -> Result<MappingSetRef, Error> {
        let call = Call::write(Operation::new("replace", RESOURCE), Method::PUT, sets().id(id), gate);
        let answer = self.send(call.with_permit(permit).json(&new.body())?.large()).await?;
        reference(&answer, Some(id))
    }

    /// Asks which rows Data Prep does not accept: `POST /mappingSets/validate`. It changes nothing, so it is repeated like a read.
    /// An empty list means that all are accepted.
    ///
    /// # Errors
    /// Those of a read; `Refused` when the set as a whole is not accepted, for instance for its schema.
    pub async fn validate_mapping_set(&self, set: &NewMappingSet) -> Result<Vec<RowFailure>, Error> {
        let answer = self.send(question("validate").json(&set.body())?.large()).await?;
        let rows = answer.json::<Validation>()?.validation_response;
        if rows.is_empty() && !set.rows.is_empty() {
            return Err(answer.not_understood("the answer says nothing about the rows"));
        }
        Ok(rows.into_iter().enumerate().flat_map(|(at, row)| failures(set, at, row)).collect())
    }

    /// Puts one record through a mapping set that need not exist: `POST /mappingSets/preview`. It changes nothing, so it is repeated
    /// like a read. The record is taken as it is: rows that read below `data` need a record that has it.
    ///
    /// # Errors
    /// Those of a read; `Refused` when the set as a whole is not accepted, for instance for its schema.
    pub async fn preview_mapping_set(&self, set: &NewMappingSet, record: &Value) -> Result<Preview, Error> {
        let body = serde_json::json!({"data": [record], "mappingSet": set.body()});
        let answer = self.send(question("preview").json(&body)?.large()).await?;
        let mut shown = match answer.json()? {
            Previews::Several(shown) => shown,
            Previews::One(shown) => vec![shown],
        };
        match (shown.pop(), shown.is_empty()) {
            (Some(PreviewedRecord { data: data @ Value::Object(_), errors }), true) => {
                Ok(Preview { data, failures: errors.into_iter().map(|problem| problem.of(None)).collect() })
            }
            _ => Err(answer.not_understood("the answer is not about one record")),
        }
    }
}

/// A POST that changes nothing, so that it is repeated like a read.
fn question(what: &'static str) -> Call<'static> {
    let mut call = Call::read(Operation::new(what, RESOURCE), sets().then(what), Lane::LookUp);
    call.method = Method::POST;
    debug_assert!(matches!(call.effect, Effect::Read));
    call
}

fn failures(set: &NewMappingSet, at: usize, row: RowValidation) -> Vec<RowFailure> {
    let failed = row.status.as_deref().is_some_and(|status| !status.eq_ignore_ascii_case("SUCCESS"));
    if !failed && row.errors.is_empty() {
        return Vec::new();
    }
    let own = set.rows.get(at);
    if row.errors.is_empty() {
        return vec![RowProblem::default().of(own)];
    }
    row.errors.into_iter().map(|problem| problem.of(own)).collect()
}

/// Id and version of a written set. Only these two are read: the rows that come back may be many.
fn reference(answer: &Answer, id: Option<&str>) -> Result<MappingSetRef, Error> {
    #[derive(Deserialize)]
    struct Written {
        #[serde(default)]
        id: String,
        #[serde(default, deserialize_with = "loose::number")]
        version: Option<i64>,
    }
    let written: Written = answer.json()?;
    let known = id.is_none_or(|id| written.id.eq_ignore_ascii_case(id));
    match written.version {
        Some(version) if known && version >= 0 && is_mapping_set_id(&written.id) => {
            Ok(MappingSetRef { id: written.id, version })
        }
        _ => Err(answer.not_understood("the answer holds no usable id and version")),
    }
}
