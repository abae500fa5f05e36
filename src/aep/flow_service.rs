//! Flow Service: connections, source and target connections, flows.
//!
//! One set of calls for the four collections; what differs is in [`Entity`]. Nothing here decides whether a call should be made.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::budget::{Lane, Permit};
use super::call::{Answer, Body, Call, Endpoint};
use super::error::{Error, Operation};
use super::gate::Gate;
use super::ids::{Etag, is_uuid};
use super::listing::{Filter, Page, Pages};
use super::model::{self, Meta, loose};
use super::patch::Patch;
use super::{ErrorKind, Session};

pub(super) const BASE: &str = "/data/foundation/flowservice";
/// A tag in the service's form, of a write in the first second of 1970.
const NEVER_ISSUED: &str = "\"00000000-0000-0200-0000-000000000000\"";

mod sealed {
    pub trait Sealed {}
}

/// An object of Flow Service. Implemented for the four kinds in [`model`].
pub trait Entity: DeserializeOwned + Send + sealed::Sealed {
    /// The collection's path segment.
    const COLLECTION: &'static str;
    /// What it takes to create one.
    type New: Sync;
    /// The members that all have.
    fn meta(&self) -> &Meta;
    #[doc(hidden)]
    fn body(new: &Self::New) -> Result<EntityBody, serde_json::Error>;
}

/// A serialised object; only the send path looks into it.
#[doc(hidden)]
pub struct EntityBody(Body);

macro_rules! entity {
    ($kind:ident, $new:ident, $collection:literal) => {
        impl sealed::Sealed for model::$kind {}
        impl Entity for model::$kind {
            const COLLECTION: &'static str = $collection;
            type New = model::$new;

            fn meta(&self) -> &Meta {
                &self.meta
            }

            fn body(new: &model::$new) -> Result<EntityBody, serde_json::Error> {
                Body::json(&new.body()).map(EntityBody)
            }
        }
    };
}

entity!(SourceConnection, NewSourceConnection, "sourceConnections");
entity!(TargetConnection, NewTargetConnection, "targetConnections");
entity!(Flow, NewFlow, "flows");

impl sealed::Sealed for model::Connection {}
impl Entity for model::Connection {
    const COLLECTION: &'static str = "connections";
    type New = model::NewConnection;

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn body(new: &model::NewConnection) -> Result<EntityBody, serde_json::Error> {
        // Private on purpose: this is the only place where the credential can be serialised.
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire<'a> {
            name: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            description: Option<&'a str>,
            connection_spec: &'a model::SpecRef,
            auth: Auth<'a>,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Auth<'a> {
            spec_name: &'a str,
            params: Params<'a>,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Params<'a> {
            access_token: &'a str,
        }
        let params = Params { access_token: new.access_token.expose_secret() };
        let body = Body::json(&Wire {
            name: &new.name,
            description: new.description.as_deref(),
            connection_spec: &new.connection_spec,
            auth: Auth { spec_name: &new.auth_spec_name, params },
        })?;
        Ok(EntityBody(body.with_secret(&new.access_token)))
    }
}

/// What a creation answers: not the object, only its id and tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The UUID.
    pub id: String,
    /// The first tag; absent when the answer had none that could be used.
    pub etag: Option<Etag>,
}

/// How a deletion ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Deleted {
    /// The service took the order (200, 202 or 204); read until the object is gone.
    Accepted,
    /// There was nothing to delete. An access label also looks like this to a read, but answers a delete with 403.
    Gone,
}

/// Whether an object that reads as missing is there all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Presence {
    /// It is there and may be written.
    Alive,
    /// It is there, hidden from reads by an access label.
    Hidden,
    /// It is not there.
    Gone,
}

/// What can be done to a flow besides changing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FlowAction {
    /// Let it run on schedule.
    Enable,
    /// Stop it from starting runs; one under way goes on.
    Disable,
}

/// `{id, etag}` as POST, PATCH and `/action` answer, or the list object that some document for PATCH.
#[derive(Deserialize)]
struct Written {
    #[serde(default, deserialize_with = "loose::text")]
    id: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    etag: Option<String>,
    #[serde(default, deserialize_with = "loose::or_default")]
    items: Vec<Value>,
}

impl Written {
    pub(super) fn read(answer: &Answer) -> Result<Created, Error> {
        let written: Self = answer.json()?;
        let item = written.items.first();
        let member =
            |own: Option<String>, name: &str| own.or_else(|| item?.get(name).and_then(loose::to_text));
        let id = member(written.id, "id").filter(|id| is_uuid(id));
        let id = id.ok_or_else(|| answer.not_understood("the answer holds no usable id"))?;
        Ok(Created { id, etag: member(written.etag, "etag").and_then(Etag::new) })
    }

    /// As [`Self::read`], for an object whose id is known: an answer about another object cannot be trusted.
    fn read_of(answer: &Answer, id: &str) -> Result<Option<Etag>, Error> {
        let written = Self::read(answer)?;
        if !written.id.eq_ignore_ascii_case(id) {
            return Err(answer.not_understood("the answer is about another object"));
        }
        Ok(written.etag)
    }
}

fn collection<E: Entity>() -> Endpoint {
    Endpoint::new(BASE).then(E::COLLECTION)
}

pub(super) fn created(answer: &Answer) -> Result<Created, Error> {
    Written::read(answer)
}

impl Session {
    /// Creates an object: `POST /{collection}`, answered with 201 and `{id, etag}`.
    ///
    /// There is no idempotency key: a second POST makes a second object. The gate is checked immediately before the request
    /// leaves; `permit` was taken before the claim.
    ///
    /// # Errors
    /// `Ambiguous` when the object may exist: no answer, 5xx, 408, or a success without a usable id. Every other kind means that
    /// nothing was created.
    pub async fn create<E: Entity>(
        &self,
        permit: Permit,
        gate: &Gate,
        new: &E::New,
    ) -> Result<Created, Error> {
        let call = Call::create(Operation::new("create", E::COLLECTION), collection::<E>(), permit, gate);
        let EntityBody(body) =
            E::body(new).map_err(|_| call.unsendable("the object cannot be written as JSON"))?;
        created(&self.send(call.body(body)).await?)
    }

    /// Reads one object: `GET /{collection}/{id}`, whose answer is a list of one. `None` when the service says 404, which a flow
    /// hidden by an access label does too (Adobe: "Access labels for sources").
    ///
    /// # Errors
    /// Those of a read. An answer about another object, organisation or sandbox is `Malformed`.
    pub async fn get<E: Entity>(&self, id: &str) -> Result<Option<E>, Error> {
        let call = Call::read(Operation::new("get", E::COLLECTION), collection::<E>().id(id), Lane::LookUp);
        let Some(answer) = absent(self.send(call).await)? else { return Ok(None) };
        let item = single::<E>(&answer)?;
        self.check(&answer, item.meta())?;
        if !item.meta().id.eq_ignore_ascii_case(id) {
            return Err(answer.not_understood("the answer is about another object"));
        }
        Ok(Some(item))
    }

    /// Reads a list to its end. See [`Session::pages`].
    pub async fn list<E: Entity>(&self, filter: &Filter) -> Result<Vec<E>, Error> {
        let mut pages = self.pages::<E>(filter);
        let mut all = Vec::new();
        while let Some(page) = pages.next().await? {
            all.extend(page);
        }
        Ok(all)
    }

    /// A list, page by page: `GET /{collection}` with `property`, `orderby`, `limit` and `continuationToken`.
    pub fn pages<'a, E: Entity>(&'a self, filter: &'a Filter) -> Pages<'a, E> {
        Pages::new(self, filter)
    }

    /// Changes an object: `PATCH /{collection}/{id}` with `If-Match`, the tag exactly as received. Returns the new tag, `None` if
    /// the answer has none. Accepted is not done: a flow may report a failure later in its last operation.
    ///
    /// # Errors
    /// `PreconditionFailed` when someone wrote since the tag was read; `Ambiguous` when the change may have been made.
    pub async fn patch<E: Entity>(
        &self,
        id: &str,
        etag: &Etag,
        patch: &Patch,
    ) -> Result<Option<Etag>, Error> {
        let call =
            Call::guarded_patch(Operation::new("patch", E::COLLECTION), collection::<E>().id(id), Some(etag));
        let body = patch.body().map_err(|_| call.unsendable("the patch cannot be written as JSON"))?;
        Written::read_of(&self.send(call.body(body)).await?, id)
    }

    /// Tells a hidden object from a missing one, which a read cannot: a flow with an access label that the credential lacks answers 404
    /// to GET and 403 to PATCH (Adobe: "Access labels for sources"). Sends a PATCH with a tag that the service never issues, so that
    /// it must be refused; were it accepted, it would only set the name to `name`, which it should have anyway.
    pub async fn presence<E: Entity>(&self, id: &str, name: &str) -> Result<Presence, Error> {
        let etag = Etag::new(NEVER_ISSUED);
        let call = Call::guarded_patch(
            Operation::new("probe", E::COLLECTION),
            collection::<E>().id(id),
            etag.as_ref(),
        );
        let body = Patch::new().replace("/name", name).body();
        let body = body.map_err(|_| call.unsendable("the patch cannot be written as JSON"))?;
        match self.send(call.body(body)).await {
            Ok(_) => Ok(Presence::Alive),
            Err(error) => match error.kind() {
                ErrorKind::PreconditionFailed => Ok(Presence::Alive),
                ErrorKind::NotFound => Ok(Presence::Gone),
                // 2120: permission on the object. Other 403s say that the credential may do nothing at all.
                ErrorKind::Denied if error.code_number() == Some(2120) => Ok(Presence::Hidden),
                _ => Err(error),
            },
        }
    }

    /// Deletes an object: `DELETE /{collection}/{id}`, answered with 204 or 202.
    ///
    /// # Errors
    /// `Refused` while it is in use (1418, 1447) or in a state that forbids it (1416); `Denied` also for a flow hidden by an
    /// access label; `Ambiguous` when it may have been deleted: read it.
    pub async fn delete<E: Entity>(&self, gate: &Gate, id: &str) -> Result<Deleted, Error> {
        let operation = Operation::new("delete", E::COLLECTION);
        let call = Call::write(operation, Method::DELETE, collection::<E>().id(id), gate);
        deleted(self.send(call).await)
    }

    /// Asks whether a connection's credentials work: `GET /connections/{id}/test`. Wrong ones are 200 with `false`, not an error.
    pub async fn test_connection(&self, id: &str) -> Result<bool, Error> {
        #[derive(Deserialize)]
        struct Test {
            #[serde(default, deserialize_with = "loose::flag")]
            result: Option<bool>,
        }
        let endpoint = collection::<model::Connection>().id(id).then("test");
        let answer =
            self.send(Call::read(Operation::new("test", "connections"), endpoint, Lane::LookUp)).await?;
        let result = answer.json::<Test>()?.result;
        result.ok_or_else(|| answer.not_understood("the answer holds no result"))
    }

    /// Explores a resource of a connection: `{format, schema}`, inferred by Adobe from live rows, so it differs between accounts
    /// and over time. `resource_path` is sent as Base64 of `{"resourcePath":…}` in `sourceParams` (Adobe: "Ingest payments data from
    /// Stripe using APIs").
    pub async fn explore(&self, connection_id: &str, resource_path: &str) -> Result<Value, Error> {
        let params = STANDARD.encode(serde_json::json!({"resourcePath": resource_path}).to_string());
        let endpoint = collection::<model::Connection>().id(connection_id).then("explore");
        let call =
            Call::read(Operation::new("explore", "connections"), endpoint, Lane::LookUp).large().query(&[
                ("objectType", "rest"),
                ("object", "json"),
                ("fileType", "json"),
                ("preview", "false"),
                ("sourceParams", &params),
            ]);
        let answer = self.send(call).await?;
        let explored: Value = answer.json()?;
        match explored.get("schema") {
            Some(Value::Object(_)) => Ok(explored),
            _ => Err(answer.not_understood("the answer holds no schema")),
        }
    }

    /// Enables or disables a flow: `POST /flows/{id}/action?op=…`, without body and without `If-Match`, hence behind the gate.
    /// Returns the new tag, `None` if the answer has none.
    ///
    /// # Errors
    /// `Refused` with 1421 or 1422 when the state does not allow it; `Ambiguous` when it may have been done: read the state.
    pub async fn action(
        &self,
        gate: &Gate,
        flow_id: &str,
        action: FlowAction,
    ) -> Result<Option<Etag>, Error> {
        let (verb, op) = match action {
            FlowAction::Enable => ("enable", "enable"),
            FlowAction::Disable => ("disable", "disable"),
        };
        let endpoint = collection::<model::Flow>().id(flow_id).then("action");
        let call =
            Call::write(Operation::new(verb, "flows"), Method::POST, endpoint, gate).query(&[("op", op)]);
        Written::read_of(&self.send(call).await?, flow_id)
    }

    /// An object of an answer has to have a UUID and to be of this organisation and sandbox, where it says so.
    pub(super) fn check(&self, answer: &Answer, meta: &Meta) -> Result<(), Error> {
        if !is_uuid(&meta.id) {
            return Err(answer.not_understood("the answer holds an object without a usable id"));
        }
        let other = |held: &Option<String>, own: &str| held.as_deref().is_some_and(|held| held != own);
        if other(&meta.organization, self.org_id()) || other(&meta.sandbox_name, self.sandbox()) {
            return Err(
                answer.not_understood("the answer holds an object of another organisation or sandbox")
            );
        }
        Ok(())
    }
}

/// The one object of an answer, which is a list of one; a bare object is accepted too.
pub(super) fn single<T: DeserializeOwned>(answer: &Answer) -> Result<T, Error> {
    let value: Value = answer.json()?;
    if value.get("items").is_none() {
        return serde_json::from_value(value).map_err(|_| answer.not_understood("the answer is no object"));
    }
    let page: Page<T> = serde_json::from_value(value)
        .map_err(|_| answer.not_understood("the answer is no list of objects"))?;
    let mut items = page.items;
    match (items.pop(), items.is_empty()) {
        (Some(item), true) => Ok(item),
        _ => Err(answer.not_understood("the answer does not hold exactly one object")),
    }
}

/// 404 is an answer to a read, not a failure.
pub(super) fn absent(result: Result<Answer, Error>) -> Result<Option<Answer>, Error> {
    match result {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// 404 on a deletion means that there is nothing left to do.
pub(super) fn deleted(result: Result<Answer, Error>) -> Result<Deleted, Error> {
    Ok(absent(result)?.map_or(Deleted::Gone, |_| Deleted::Accepted))
}
