//! Starting a run that a user asked for: claimed first, so that one token never starts two runs.
//!
//! The claim names the token and the newest run before. Whoever finds it later, and no echo in status, sees in the list of runs whether
//! the run was started.

use tokio::time::Instant;

use super::managed::{Managed, Report, RunWish};
use super::memory::RunSent;
use super::pass::Pass;
use super::site::Site;
use crate::api::condition::Reason;
use crate::cluster::events::Severity;
use crate::domain::intent::Intent;
use crate::domain::outcome::{Class, Obstacle};

impl<K: Managed> Pass<'_, K> {
    /// Claims and starts the run that the kind wishes for, if it does. A run that Adobe refuses for good is told and not asked for again:
    /// the object itself is as spec says.
    pub(super) async fn start_run(
        &mut self,
        site: &Site,
        report: &mut Report<K::Status>,
    ) -> Result<(), Obstacle> {
        let Some(wish) = report.run.take() else { return Ok(()) };
        let permit = site.session.permits(1).await?.pop();
        let permit = permit.ok_or_else(|| Obstacle::bug("one permit should have been given"))?;
        self.claim_run(&wish).await?;
        let gate = self.create_gate()?;
        let token = &wish.claim.token;
        let result = site.session.create_run(permit, &gate, &wish.new).await.map_err(Obstacle::from);
        let sent = match &result {
            Ok(run) => RunSent::Started(run.id.clone()),
            Err(obstacle) if obstacle.class == Class::Ambiguous => RunSent::Unknown(Instant::now()),
            Err(_) => RunSent::Refused,
        };
        self.cx.memory.note_run(&self.uid, token, sent);
        let (severity, reason, text) = match result {
            Ok(run) => (Severity::Normal, Reason::RunStarted, format!("started run {}", run.id)),
            Err(obstacle) if is_final(obstacle.class) => {
                (Severity::Warning, Reason::RunRefused, format!("refused: {}", obstacle.message))
            }
            Err(obstacle) => return Err(obstacle),
        };
        (wish.note)(&mut report.status, token, &text);
        self.events.push((severity, reason, format!("{token}: {text}")));
        Ok(())
    }

    async fn claim_run(&mut self, wish: &RunWish<K::Status>) -> Result<(), Obstacle> {
        let standing = self.intent.clone();
        let standing = standing.ok_or_else(|| Obstacle::bug("a flow that exists should have a claim"))?;
        self.put_intent(Intent { run: Some(wish.claim.clone()), ..standing }).await?;
        self.claimed_at = Some(Instant::now());
        Ok(())
    }
}

/// Whether the same request would be refused again.
fn is_final(class: Class) -> bool {
    match class {
        Class::Invalid | Class::Denied | Class::Gone | Class::Bug => true,
        Class::Blocked | Class::Limited | Class::Unavailable | Class::Ambiguous | Class::Conflict => false,
    }
}
