//! The brake: what the last passes said of each sandbox, of each shelf and of both together. While too much is missing from one, nothing is made again there and
//! nothing is released.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::controller::site::Site;
use crate::domain::absence::is_suspect;

/// An organisation, a sandbox of it, and which of Adobe's services were listed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// `…@AdobeOrg`.
    pub organization: String,
    /// The sandbox name.
    pub sandbox: String,
    /// What was listed.
    pub shelf: Shelf,
}

impl Place {
    /// The place of a site.
    pub fn of(site: &Site, shelf: Shelf) -> Self {
        Self { organization: site.organization.clone(), sandbox: site.sandbox.clone(), shelf }
    }

    /// Whether both are of one sandbox.
    fn is_beside(&self, other: &Self) -> bool {
        self.organization == other.organization && self.sandbox == other.sandbox
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
    /// Notes a finished pass.
    pub fn note(&self, place: Place, began: Instant, known: usize, missing: usize) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(place, Pass { began, known, missing });
    }

    /// The verdict on an object that is missing since `since`.
    pub fn verdict(&self, place: &Place, since: Instant) -> Verdict {
        let passes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What vanishes from both shelves is counted together too: each alone may look harmless.
        let of_sandbox = passes.iter().filter(|(at, _)| at.is_beside(place)).map(|(_, pass)| pass);
        let (known, missing) =
            of_sandbox.fold((0, 0), |sum, pass| (sum.0 + pass.known, sum.1 + pass.missing));
        match passes.get(place) {
            _ if is_suspect(known, missing) => Verdict::Suspect,
            Some(pass) if is_suspect(pass.known, pass.missing) => Verdict::Suspect,
            Some(pass) if pass.began >= since => Verdict::Alone,
            _ => Verdict::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_pass_that_began_after_the_loss_tells_that_it_stands_alone() {
        let place = Place { organization: "o".into(), sandbox: "dev".into(), shelf: Shelf::Flows };
        let brake = Brake::default();
        let before = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        let lost = Instant::now();
        assert_eq!(brake.verdict(&place, lost), Verdict::Pending);
        brake.note(place.clone(), before, 100, 1);
        assert_eq!(brake.verdict(&place, lost), Verdict::Pending, "it may have listed before the loss");
        brake.note(place.clone(), lost, 100, 1);
        assert_eq!(brake.verdict(&place, lost), Verdict::Alone);
        brake.note(place.clone(), before, 100, 50);
        assert_eq!(brake.verdict(&place, lost), Verdict::Suspect);
        let elsewhere = Place { sandbox: "prod".into(), ..place };
        assert_eq!(brake.verdict(&elsewhere, lost), Verdict::Pending);
    }

    #[tokio::test(start_paused = true)]
    async fn what_vanishes_from_both_shelves_of_a_sandbox_counts_together() {
        let at = |shelf| Place { organization: "o".into(), sandbox: "dev".into(), shelf };
        let (brake, now) = (Brake::default(), Instant::now());
        brake.note(at(Shelf::Flows), now, 10, 3);
        assert_eq!(brake.verdict(&at(Shelf::Flows), now), Verdict::Alone);
        assert_eq!(brake.verdict(&at(Shelf::Lake), now), Verdict::Pending, "that shelf was not looked at");
        brake.note(at(Shelf::Lake), now, 10, 1);
        for shelf in [Shelf::Flows, Shelf::Lake] {
            assert_eq!(brake.verdict(&at(shelf), now), Verdict::Suspect, "four of twenty: {shelf:?}");
        }
        brake.note(at(Shelf::Lake), now, 1000, 0);
        assert_eq!(brake.verdict(&at(Shelf::Flows), now), Verdict::Alone);
        brake.note(at(Shelf::Flows), now, 10, 4);
        assert_eq!(brake.verdict(&at(Shelf::Flows), now), Verdict::Suspect, "much else hides nothing");
    }
}
