//! Sandbox management.

use super::Session;
use super::budget::Lane;
use super::call::{Call, Endpoint};
use super::error::{Error, Operation};
use super::flow_service::absent;
use super::model::Sandbox;

impl Session {
    /// Reads the session's own sandbox: `GET /data/foundation/sandbox-management/sandboxes/{name}`. `None` when there is none of
    /// this name, or it may not be seen.
    ///
    /// # Errors
    /// Those of a read. An answer about another sandbox is `Malformed`.
    pub async fn get_sandbox(&self) -> Result<Option<Sandbox>, Error> {
        let endpoint =
            Endpoint::new("/data/foundation/sandbox-management").then("sandboxes").id(self.sandbox());
        let call = Call::read(Operation::new("get", "sandboxes"), endpoint, Lane::LookUp);
        let Some(answer) = absent(self.send(call).await)? else { return Ok(None) };
        let sandbox: Sandbox = answer.json()?;
        if sandbox.name != self.sandbox() {
            return Err(answer.not_understood("the answer is about another sandbox"));
        }
        Ok(Some(sandbox))
    }
}
