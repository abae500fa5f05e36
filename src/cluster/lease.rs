//! The leader lease: of several processes that serve the same objects, one works and the others stand by.
//!
//! # Guarantees
//!
//! - A term ends at least `DURATION - TERM` before another process that follows the same rules begins one, however long either was
//!   stopped. Both sides measure on their own monotonic clocks; the times in the lease are for people.
//! - A lease that vanishes, or that somebody edits, is respected like one that was just renewed.
//! - A release lets the successor begin at its next look.
//!
//! # Assumptions
//!
//! Clocks of two machines run at nearly the same rate. They need not agree. The lease keeps processes from working at the same time; what
//! keeps them from creating twice is the claim.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Api;
use kube::api::PostParams;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::{debug, info, warn};

use super::{Cluster, Error};
use crate::clock;

/// How long a lease is respected after a change of it was last seen.
const DURATION: Duration = Duration::from_secs(12);
/// How long a term lasts, from the moment at which the renewal was sent that succeeded last.
const TERM: Duration = Duration::from_secs(8);
/// The period of renewals, and of looks at a lease that another process holds.
const PERIOD: Duration = Duration::from_secs(2);
/// The pause after a renewal that failed.
const RETRY: Duration = Duration::from_millis(500);
/// Deadline of one call: shorter than a term, so that a renewal may be tried again.
const CALL: Duration = Duration::from_secs(3);

/// Why a term ended that was not given up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Somebody else stands in the lease.
    #[error("the lease is held by {0}")]
    Taken(String),
    /// The API server did not take a renewal in time.
    #[error("the lease could not be renewed in time")]
    Late,
}

/// One process's part in the election.
pub struct Election {
    leases: Api<Lease>,
    name: String,
    identity: String,
    leading_until: watch::Sender<Instant>,
    sight: Sight,
    /// The lease as it stands, while this process holds it.
    held: Lease,
}

impl Election {
    /// A candidate that does not lead yet. `identity` must not be used by another process, a former one included. Without a namespace,
    /// the lease is in the client's own.
    pub fn new(cluster: &Cluster, namespace: Option<&str>, name: &str, identity: String) -> Self {
        let client = cluster.client().clone();
        let leases = match namespace {
            Some(namespace) => Api::namespaced(client, namespace),
            None => Api::default_namespaced(client),
        };
        let leading_until = watch::Sender::new(Instant::now());
        let sight = Sight { spec: None, since: Instant::now(), existed: false };
        Self { leases, name: name.to_owned(), identity, leading_until, sight, held: Lease::default() }
    }

    /// Until when this process leads; the moment moves as long as it does.
    pub fn leading_until(&self) -> watch::Receiver<Instant> {
        self.leading_until.subscribe()
    }

    /// Waits until this process leads. `looked` is called after each look at the lease that succeeded.
    pub async fn acquire(&mut self, looked: impl Fn()) {
        loop {
            let wait = match self.attempt().await {
                Ok(Move::Wait(rest)) => {
                    looked();
                    rest.min(PERIOD)
                }
                Ok(Move::Take) => {
                    info!(lease = self.name, identity = self.identity, "leading");
                    return;
                }
                Err(Error::Conflict) => PERIOD,
                Err(error) => {
                    warn!(lease = self.name, error = chain(&error), "the lease could not be read or taken");
                    PERIOD
                }
            };
            sleep(wait).await;
        }
    }

    async fn attempt(&mut self) -> Result<Move, Error> {
        let lease = self.read().await?;
        let next = self.sight.judge(lease.as_ref().map(spec_of), &self.identity, Instant::now());
        if next == Move::Take {
            self.write(lease.unwrap_or_default()).await?;
        }
        Ok(next)
    }

    /// Renews the lease for as long as that works.
    pub async fn keep(&mut self) -> Lost {
        loop {
            let end = *self.leading_until.borrow();
            match timeout_at(end, self.renew()).await {
                Ok(Ok(())) => {}
                Ok(Err(lost)) => {
                    self.leading_until.send_replace(Instant::now());
                    return lost;
                }
                Err(_) => return Lost::Late,
            }
        }
    }

    async fn renew(&mut self) -> Result<(), Lost> {
        sleep(PERIOD).await;
        loop {
            let error = match self.write(self.held.clone()).await {
                Ok(()) => return Ok(()),
                // Somebody wrote to the lease or deleted it. While nobody else stands in it, it is ours.
                Err(error @ (Error::Conflict | Error::NotFound)) => match self.read().await {
                    Ok(None) => {
                        self.held = Lease::default();
                        error
                    }
                    Ok(Some(lease)) if holder(spec_of(&lease)) == Some(&self.identity) => {
                        self.held = lease;
                        error
                    }
                    Ok(Some(lease)) => {
                        return Err(Lost::Taken(holder(spec_of(&lease)).unwrap_or("nobody").to_owned()));
                    }
                    Err(error) => error,
                },
                Err(error) => error,
            };
            debug!(lease = self.name, error = chain(&error), "the lease is not renewed yet");
            sleep(RETRY).await;
        }
    }

    /// Gives the lease up, so that a successor need not wait.
    pub async fn release(mut self) {
        self.leading_until.send_replace(Instant::now());
        // A renewal that was under way may have been written in between.
        for _ in 0..3 {
            match self.read().await {
                Ok(Some(lease)) if holder(spec_of(&lease)) == Some(&self.identity) => self.held = lease,
                Ok(_) => return,
                Err(error) => {
                    return warn!(lease = self.name, error = chain(&error), "the lease is not released");
                }
            }
            if let Some(spec) = &mut self.held.spec {
                spec.holder_identity = None;
            }
            match within(self.leases.replace(&self.name, &PostParams::default(), &self.held)).await {
                Ok(_) => return info!(lease = self.name, "the lease is released"),
                Err(error) => {
                    debug!(lease = self.name, error = chain(&error), "the lease is not released yet");
                }
            }
        }
    }

    async fn read(&self) -> Result<Option<Lease>, Error> {
        within(self.leases.get_opt(&self.name)).await
    }

    /// Writes this process into the version of the lease that was read, or creates the lease. The term runs from before the call.
    async fn write(&mut self, base: Lease) -> Result<(), Error> {
        let sent = Instant::now();
        let lease = held_by(base, &self.name, &self.identity);
        let params = PostParams::default();
        let written = if lease.metadata.resource_version.is_some() {
            within(self.leases.replace(&self.name, &params, &lease)).await?
        } else {
            within(self.leases.create(&params, &lease)).await?
        };
        self.held = written;
        self.leading_until.send_replace(sent + TERM);
        Ok(())
    }
}

/// What a candidate may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Move {
    /// Write itself into the lease.
    Take,
    /// Look again, at the latest after this time.
    Wait(Duration),
}

/// What a candidate saw last, and since when.
struct Sight {
    /// `None` for a lease that is not there.
    spec: Option<LeaseSpec>,
    since: Instant,
    existed: bool,
}

impl Sight {
    fn judge(&mut self, spec: Option<&LeaseSpec>, identity: &str, now: Instant) -> Move {
        self.existed |= spec.is_some();
        if self.spec.as_ref() != spec {
            self.spec = spec.cloned();
            self.since = now;
        }
        let is_free = match spec {
            // The holder of a lease that was deleted by hand writes it again; only who never saw one may begin at once.
            None => !self.existed,
            Some(spec) => holder(spec).is_none_or(|holder| holder == identity),
        };
        let rest = (self.since + DURATION).saturating_duration_since(now);
        if is_free || rest.is_zero() { Move::Take } else { Move::Wait(rest) }
    }
}

fn spec_of(lease: &Lease) -> &LeaseSpec {
    static EMPTY: LeaseSpec = LeaseSpec {
        acquire_time: None,
        holder_identity: None,
        lease_duration_seconds: None,
        lease_transitions: None,
        preferred_holder: None,
        renew_time: None,
        strategy: None,
    };
    lease.spec.as_ref().unwrap_or(&EMPTY)
}

fn holder(spec: &LeaseSpec) -> Option<&str> {
    spec.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

fn held_by(base: Lease, name: &str, identity: &str) -> Lease {
    let now = MicroTime(clock::now());
    let is_new = holder(spec_of(&base)) != Some(identity);
    let before = base.spec.unwrap_or_default();
    let transitions = before.lease_transitions.unwrap_or_default();
    Lease {
        metadata: ObjectMeta { name: Some(name.to_owned()), managed_fields: None, ..base.metadata },
        spec: Some(LeaseSpec {
            holder_identity: Some(identity.to_owned()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: if is_new { Some(now.clone()) } else { before.acquire_time },
            renew_time: Some(now),
            lease_transitions: Some(if is_new { transitions.saturating_add(1) } else { transitions }),
            ..before
        }),
    }
}

async fn within<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
    match timeout(CALL, call).await {
        // A lease that somebody else created in between is a conflict like any other.
        Ok(Err(kube::Error::Api(status))) if status.is_already_exists() => Err(Error::Conflict),
        Ok(result) => result.map_err(Error::from),
        Err(_) => Err(Error::Deadline),
    }
}

/// The error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: &str = "me";

    fn lease(holder: &str, renewal: i64) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            renew_time: k8s_openapi::jiff::Timestamp::from_second(renewal).ok().map(MicroTime),
            ..LeaseSpec::default()
        }
    }

    /// Looks at a lease at given seconds; the last one's verdict.
    fn after(looks: &[(u64, Option<LeaseSpec>)]) -> Move {
        let start = Instant::now();
        let mut sight = Sight { spec: None, since: start, existed: false };
        let verdicts =
            looks.iter().map(|(at, spec)| sight.judge(spec.as_ref(), ME, start + Duration::from_secs(*at)));
        verdicts.last().unwrap_or(Move::Wait(DURATION))
    }

    #[test]
    fn a_candidate_takes_only_what_is_free_or_has_not_changed_for_the_whole_duration() {
        let wait = |seconds| Move::Wait(Duration::from_secs(seconds));
        let cases = [
            ("the first process of an installation begins at once", vec![(0, None)], Move::Take),
            ("and tries again when its write failed", vec![(0, None), (1, None)], Move::Take),
            ("a released lease is free", vec![(0, Some(LeaseSpec::default()))], Move::Take),
            ("an empty name is nobody's", vec![(0, Some(lease("", 1)))], Move::Take),
            ("a write whose answer was lost is taken up", vec![(0, Some(lease(ME, 1)))], Move::Take),
            (
                "a lease that was renewed long ago by its own clock counts from the first look",
                vec![(0, Some(lease("other", -1_000_000)))],
                wait(12),
            ),
            (
                "a renewal starts the wait anew",
                vec![(0, Some(lease("other", 1))), (11, Some(lease("other", 2)))],
                wait(12),
            ),
            ("the wait ends", vec![(0, Some(lease("other", 1))), (12, Some(lease("other", 1)))], Move::Take),
            (
                "a lease deleted by hand is respected",
                vec![(0, Some(lease("other", 1))), (5, None), (6, None)],
                wait(11),
            ),
            (
                "a lease that stays deleted is taken",
                vec![(0, Some(lease("other", 1))), (5, None), (17, None)],
                Move::Take,
            ),
            (
                "a holder that writes its deleted lease again keeps it",
                vec![(0, Some(lease("other", 1))), (5, None), (6, Some(lease("other", 3)))],
                wait(12),
            ),
        ];
        for (reason, looks, expected) in cases {
            assert_eq!(after(&looks), expected, "{reason}");
        }
    }

    #[test]
    fn a_term_ends_well_before_anybody_else_may_begin_one() {
        const { assert!(TERM.as_secs() + 2 * CALL.as_secs() / 2 < DURATION.as_secs()) };
        const { assert!(PERIOD.as_secs() + CALL.as_secs() < TERM.as_secs()) };
    }

    #[test]
    fn a_renewal_keeps_the_time_of_acquisition_and_counts_no_transition() {
        let first = held_by(Lease::default(), "l", ME);
        let again = held_by(first.clone(), "l", ME);
        assert_eq!(spec_of(&again).acquire_time, spec_of(&first).acquire_time);
        assert_eq!(spec_of(&again).lease_transitions, Some(1));
        assert_eq!(spec_of(&held_by(again, "l", "other")).lease_transitions, Some(2));
    }
}
