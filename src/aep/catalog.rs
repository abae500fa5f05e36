//! Catalog: data sets.
//!
//! Answers are keyed by id, writes answer with references such as `@/dataSets/5c8c…`, and an unknown id may be 200 with `[]`.

use std::collections::BTreeMap;

use http::Method;
use serde_json::Value;

use super::Session;
use super::budget::{Lane, Permit};
use super::call::{Answer, Call, Endpoint};
use super::error::{Details, Error, ErrorKind, Operation};
use super::flow_service::{Deleted, absent};
use super::gate::Gate;
use super::ids::is_data_set_id;
use super::model::{DataSet, NewDataSet};
use super::patch::Patch;

const RESOURCE: &str = "dataSets";
const PAGE: usize = 100;

fn data_sets() -> Endpoint {
    Endpoint::new("/data/foundation/catalog").then(RESOURCE)
}

impl Session {
    /// Creates a data set: `POST /dataSets?requestDataSource=true`, answered with 201 and `["@/dataSets/{id}"]`. Returns the id.
    ///
    /// # Errors
    /// `Ambiguous` when it may exist; look it up by its tag. Names are not unique.
    pub async fn create_data_set(
        &self,
        permit: Permit,
        gate: &Gate,
        new: &NewDataSet,
    ) -> Result<String, Error> {
        let call = Call::create(Operation::new("create", RESOURCE), data_sets(), permit, gate)
            .query(&[("requestDataSource", "true")])
            .json(new)?;
        let answer = self.send(call).await?;
        reference(&answer)?.ok_or_else(|| answer.not_understood("the answer holds no usable id"))
    }

    /// Reads a data set: `GET /dataSets/{id}`. `None` when it does not exist.
    ///
    /// # Errors
    /// Those of a read. An answer about another data set or organisation is `Malformed`.
    pub async fn get_data_set(&self, id: &str) -> Result<Option<DataSet>, Error> {
        let call = Call::read(Operation::new("get", RESOURCE), data_sets().id(id), Lane::LookUp);
        let Some(answer) = absent(self.send(call).await)? else { return Ok(None) };
        let mut found = self.keyed(&answer)?;
        match (found.pop(), found.is_empty()) {
            (None, _) => Ok(None),
            (Some(data_set), true) if data_set.id.eq_ignore_ascii_case(id) => Ok(Some(data_set)),
            _ => Err(answer.not_understood("the answer is about another data set")),
        }
    }

    /// The data sets of exactly this name, to the end of the list.
    pub async fn find_data_sets(&self, name: &str) -> Result<Vec<DataSet>, Error> {
        // The asterisk escapes itself. A comma means "or" and an exclamation mark "not", which cannot be escaped: a wildcard
        // finds more, and the comparison below removes it.
        let pattern = name.replace('*', "**").replace([',', '!'], "*");
        let mut found = self.all_data_sets(("name", &pattern)).await?;
        found.retain(|data_set| data_set.name.as_deref() == Some(name));
        Ok(found)
    }

    /// The data sets with this value of a tag, to the end of the list.
    pub async fn find_data_sets_by_tag(&self, key: &str, value: &str) -> Result<Vec<DataSet>, Error> {
        // Within a value a comma would begin the next tag; what stands before it, with a wildcard, finds more.
        let (narrow, wildcard) = match value.split_once([',', '*']) {
            Some((before, _)) => (before, "*"),
            None => (value, ""),
        };
        let mut found = self.all_data_sets(("tags", &format!("{key}:{narrow}{wildcard}"))).await?;
        found.retain(|data_set| data_set.has_tag(key, value));
        Ok(found)
    }

    /// The data sets that have a tag, whatever its value, to the end of the list.
    pub async fn list_tagged_data_sets(&self, key: &str) -> Result<Vec<DataSet>, Error> {
        let mut found = self.all_data_sets(("tags", &format!("{key}:*"))).await?;
        found.retain(|data_set| data_set.tags.contains_key(key));
        Ok(found)
    }

    /// The data sets of a schema, to the end of the list. Catalog filters by nothing that is nested, so all of the sandbox are read,
    /// reduced to what tells of their use.
    pub async fn find_data_sets_by_schema(&self, schema_id: &str) -> Result<Vec<DataSet>, Error> {
        let mut found = self.all_data_sets(("properties", "name,schemaRef,tags,imsOrg")).await?;
        found.retain(|data_set| data_set.schema_ref.as_ref().is_some_and(|schema| schema.id == schema_id));
        Ok(found)
    }

    /// Changes a data set by JSON Patch: `PATCH /dataSets/{id}`. A partial object would replace members as a whole, tags too.
    ///
    /// # Errors
    /// `NotFound` also when the service answers 200 and `[]`; `Ambiguous` when the change may have been made: read it.
    pub async fn patch_data_set(&self, gate: &Gate, id: &str, patch: &Patch) -> Result<(), Error> {
        let operation = Operation::new("patch", RESOURCE);
        let call = Call::write(operation, Method::PATCH, data_sets().id(id), gate);
        let body = patch.body().map_err(|_| call.unsendable("the patch cannot be written as JSON"))?;
        let answer = self.send(call.body(body.with_content_type("application/json-patch+json"))).await?;
        match reference(&answer)? {
            Some(patched) if patched.eq_ignore_ascii_case(id) => Ok(()),
            Some(_) => Err(answer.not_understood("the answer is about another data set")),
            None => Err(gone(&answer)),
        }
    }

    /// Deletes a data set: `DELETE /dataSets/{id}`, with the data in it and without any check of its use.
    pub async fn delete_data_set(&self, gate: &Gate, id: &str) -> Result<Deleted, Error> {
        let call = Call::write(Operation::new("delete", RESOURCE), Method::DELETE, data_sets().id(id), gate);
        let Some(answer) = absent(self.send(call).await)? else { return Ok(Deleted::Gone) };
        let nothing = serde_json::from_slice::<Vec<Value>>(&answer.body).is_ok_and(|list| list.is_empty());
        Ok(if nothing { Deleted::Gone } else { Deleted::Accepted })
    }

    async fn all_data_sets(&self, filter: (&str, &str)) -> Result<Vec<DataSet>, Error> {
        let mut found: BTreeMap<String, DataSet> = BTreeMap::new();
        let mut start = 0;
        loop {
            let (limit, offset) = (PAGE.to_string(), start.to_string());
            let call = Call::read(Operation::new("list", RESOURCE), data_sets(), Lane::LookUp)
                .query(&[filter, ("orderBy", "asc:created"), ("limit", &limit), ("start", &offset)])
                .large();
            let page = self.keyed(&self.send(call).await?)?;
            let (length, before) = (page.len(), found.len());
            found.extend(page.into_iter().map(|data_set| (data_set.id.clone(), data_set)));
            // There is no link to the next page: a short one is the last.
            if length < PAGE || found.len() == before {
                return Ok(found.into_values().collect());
            }
            start += length;
        }
    }

    /// The data sets of an answer, each with its id. An empty list stands for an empty object.
    fn keyed(&self, answer: &Answer) -> Result<Vec<DataSet>, Error> {
        let whole: Value = answer.json()?;
        if whole.as_array().is_some_and(Vec::is_empty) {
            return Ok(Vec::new());
        }
        let members: BTreeMap<String, DataSet> = serde_json::from_value(whole)
            .map_err(|_| answer.not_understood("the answer is not keyed by id"))?;
        members.into_iter().map(|(id, data_set)| self.data_set(answer, id, data_set)).collect()
    }

    fn data_set(&self, answer: &Answer, id: String, data_set: DataSet) -> Result<DataSet, Error> {
        if !is_data_set_id(&id) {
            return Err(answer.not_understood("the answer holds a data set without a usable id"));
        }
        if data_set.organization.as_deref().is_some_and(|held| held != self.org_id()) {
            return Err(answer.not_understood("the answer holds a data set of another organisation"));
        }
        Ok(DataSet { id, ..data_set })
    }
}

/// The id that a write answers with; `None` for an empty list.
fn reference(answer: &Answer) -> Result<Option<String>, Error> {
    let references: Vec<String> = answer.json()?;
    let Some(reference) = references.first() else { return Ok(None) };
    let id = reference.rsplit('/').next().filter(|id| is_data_set_id(id) && references.len() == 1);
    id.map(|id| Some(id.to_owned())).ok_or_else(|| answer.not_understood("the answer holds no usable id"))
}

fn gone(answer: &Answer) -> Error {
    Error::from(Details {
        kind: ErrorKind::NotFound,
        operation: answer.operation,
        status: Some(answer.status),
        code: None,
        message: "the data set does not exist".to_owned(),
        request_id: Some(answer.request_id.clone()),
        retry_after: None,
    })
}
