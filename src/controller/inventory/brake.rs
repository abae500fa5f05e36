//! The brake: what the last passes said of each sandbox, of each shelf and of both together. While too much is missing from one, nothing is made again there and
//! nothing is released.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::controller::site::Site;
use crate::domain::absence::is_suspect;

/// An organisation, a sandbox of it, who looked, and which of Adobe's services were listed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// `…@AdobeOrg`.
    pub organization: String,
    /// The sandbox name.
    pub sandbox: String,
    /// The credential that looked: another one may see another part.
    pub client_id: String,
    /// What was listed.
    pub shelf: Shelf,
}

impl Place {
    /// The place of a site.
    pub fn of(site: &Site, shelf: Shelf) -> Self {
        let (organization, sandbox, client_id) = site.key();
        Self { organization, sandbox, client_id, shelf }
    }

    /// Whether both are the same but for the shelf.
    fn is_beside(&self, other: &Self) -> bool {
        *self == Self { shelf: self.shelf, ..other.clone() }
    }
}

/// What one kind of pass lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shelf {
    /// Flow Service.
    Flows,
    /// Schema Registry, Data Prep and Catalog.
    Lake,
}

/// What a pass saw of one place.
#[derive(Debug, Clone, Copy)]
struct Pass {
    began: Instant,
    /// When the round began that it was part of.
    round: Instant,
    known: usize,
    missing: usize,
}

/// What is to be thought of an object that is missing since some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// No pass has begun and ended since.
    Pending,
    /// A pass since then found the sandbox as it should be otherwise.
    Alone,
    /// Too many of the known objects are missing with it.
    Suspect,
}

/// The last pass over each place.
#[derive(Debug, Default)]
pub struct Brake(Mutex<HashMap<Place, Pass>>);

impl Brake {
    /// Notes a pass that has ended, and when it and its round began.
    pub fn note(&self, place: Place, (round, began): (Instant, Instant), known: usize, missing: usize) {
        let pass = Pass { began, round, known, missing };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(place, pass);
    }

    /// The verdict on an object that is missing since `since`.
    pub fn verdict(&self, place: &Place, since: Instant) -> Verdict {
        let passes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pass) = passes.get(place) else { return Verdict::Pending };
        // What one round misses on both shelves is counted together too: each alone may look harmless.
        let of_round = passes.iter().filter(|(at, other)| at.is_beside(place) && other.round == pass.round);
        let (known, missing) =
            of_round.fold((0, 0), |sum, (_, pass)| (sum.0 + pass.known, sum.1 + pass.missing));
        if is_suspect(pass.known, pass.missing) || is_suspect(known, missing) {
            Verdict::Suspect
        } else if pass.began >= since {
            Verdict::Alone
        } else {
            Verdict::Pending
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn place() -> Place {
        Place {
            organization: "o".into(),
            sandbox: "dev".into(),
            client_id: "client".into(),
            shelf: Shelf::Flows,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_pass_that_began_after_the_loss_tells_that_it_stands_alone() {
        let place = place();
        let brake = Brake::default();
        let before = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        let lost = Instant::now();
        assert_eq!(brake.verdict(&place, lost), Verdict::Pending);
        brake.note(place.clone(), (before, before), 100, 1);
        assert_eq!(brake.verdict(&place, lost), Verdict::Pending, "it may have listed before the loss");
        brake.note(place.clone(), (lost, lost), 100, 1);
        assert_eq!(brake.verdict(&place, lost), Verdict::Alone);
        brake.note(place.clone(), (before, before), 100, 50);
        assert_eq!(brake.verdict(&place, lost), Verdict::Suspect);
        let elsewhere = Place { sandbox: "prod".into(), ..place };
        assert_eq!(brake.verdict(&elsewhere, lost), Verdict::Pending);
    }

    #[tokio::test(start_paused = true)]
    async fn what_one_round_misses_on_both_shelves_of_a_sandbox_counts_together() {
        let at = |shelf| Place { shelf, ..place() };
        let (brake, now) = (Brake::default(), Instant::now());
        let note = |shelf, round, known, missing| brake.note(at(shelf), (round, now), known, missing);
        note(Shelf::Flows, now, 10, 3);
        assert_eq!(brake.verdict(&at(Shelf::Flows), now), Verdict::Alone);
        assert_eq!(brake.verdict(&at(Shelf::Lake), now), Verdict::Pending, "that shelf was not looked at");
        note(Shelf::Lake, now, 10, 1);
        for shelf in [Shelf::Flows, Shelf::Lake] {
            assert_eq!(brake.verdict(&at(shelf), now), Verdict::Suspect, "four of twenty: {shelf:?}");
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        note(Shelf::Flows, Instant::now(), 10, 3);
        assert_eq!(
            brake.verdict(&at(Shelf::Flows), now),
            Verdict::Alone,
            "what an earlier round missed is old"
        );
        note(Shelf::Lake, Instant::now(), 1000, 0);
        note(Shelf::Flows, Instant::now(), 10, 4);
        assert_eq!(brake.verdict(&at(Shelf::Flows), now), Verdict::Suspect, "much else hides nothing");
    }

    #[test]
    fn another_credential_sees_another_part_of_a_sandbox() {
        let (brake, now) = (Brake::default(), Instant::now());
        brake.note(place(), (now, now), 10, 10);
        let beside = Place { client_id: "other".into(), ..place() };
        brake.note(beside.clone(), (now, now), 10, 0);
        assert_eq!(brake.verdict(&place(), now), Verdict::Suspect);
        assert_eq!(brake.verdict(&beside, now), Verdict::Alone);
    }
}
