//! Places for passes, so that an organisation that has much to do, or has to wait, leaves room for the others.
//!
//! A controller works on its queue in order and on so many objects at once. Without more, the objects of one organisation would hold all
//! of its places for as long as that organisation is slow. So a controller has twice the places that are set, no organisation gets more
//! than those that are set, and several share them. Who gets none comes again a little later and costs nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Who got no place comes again not sooner than this,
const AGAIN: Duration = Duration::from_secs(1);
/// and so long after the one before: however many wait, coming again costs next to nothing, and a free place is taken at once.
const SPACING: Duration = Duration::from_millis(5);
/// How long an organisation that got no place is counted among those that want one.
const REMEMBERED: Duration = Duration::from_secs(3);

/// The places of all kinds.
#[derive(Debug)]
pub struct Seats {
    of_kind: usize,
    taken: Mutex<HashMap<String, HashMap<String, Taken>>>,
}

/// What one organisation has of one kind.
#[derive(Debug, Default)]
struct Taken {
    held: usize,
    refused: Option<Instant>,
    /// When the last of those that were refused comes again.
    last: Option<Instant>,
}

impl Taken {
    fn is_wanted(&self) -> bool {
        self.held > 0 || self.refused.is_some_and(|at| at.elapsed() < REMEMBERED)
    }

    /// Notes that somebody was refused, and says when to come again.
    fn refuse(&mut self) -> Duration {
        let now = Instant::now();
        let after_the_last = self.last.map_or(now, |last| last + SPACING);
        let again = after_the_last.max(now + AGAIN);
        (self.refused, self.last) = (Some(now), Some(again));
        again - now
    }
}

/// A place, until it is dropped.
#[derive(Debug)]
pub struct Seat {
    seats: Arc<Seats>,
    kind: String,
    organization: String,
}

impl Seats {
    /// So many places of each kind for one organisation.
    pub fn new(of_kind: u16) -> Arc<Self> {
        Arc::new(Self { of_kind: usize::from(of_kind), taken: Mutex::default() })
    }

    /// A place for a pass over an object of the kind that lives in the organisation. The error is when to come again.
    pub fn take(self: &Arc<Self>, kind: &str, organization: &str) -> Result<Seat, Duration> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of_kind = taken.entry(kind.to_owned()).or_default();
        of_kind.retain(|_, taken| taken.is_wanted());
        let others = of_kind.keys().filter(|other| *other != organization).count();
        let share = (self.of_kind / (others + 1)).max(1);
        let own = of_kind.entry(organization.to_owned()).or_default();
        if own.held >= share {
            return Err(own.refuse());
        }
        own.held += 1;
        Ok(Seat { seats: Arc::clone(self), kind: kind.to_owned(), organization: organization.to_owned() })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = taken.get_mut(&self.kind).and_then(|of_kind| of_kind.get_mut(&self.organization));
        if let Some(entry) = entry {
            entry.held = entry.held.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(seats: &Arc<Seats>, organization: &str, count: usize) -> Vec<Seat> {
        (0..count).map_while(|_| seats.take("Kind", organization).ok()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn one_organisation_has_all_places_and_several_share_them() {
        let seats = Seats::new(16);
        let mut of_a = take(&seats, "a", 20);
        assert_eq!(of_a.len(), 16);
        let of_b = take(&seats, "b", 20);
        assert_eq!(of_b.len(), 8, "whatever the other holds");
        assert!(seats.take("Kind", "a").is_err());
        of_a.truncate(8);
        assert!(seats.take("Kind", "a").is_err(), "a share is half");
        of_a.truncate(7);
        assert!(seats.take("Kind", "a").is_ok());
        assert_eq!(take(&seats, "c", 20).len(), 5);
        assert_eq!(seats.take("Another", "a").map(drop), Ok(()), "kinds have places of their own");
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_wait_they_come_again_one_after_the_other() {
        let seats = Seats::new(1);
        let _held = take(&seats, "a", 1);
        let waits: Vec<Duration> = (0..10_000).filter_map(|_| seats.take("Kind", "a").err()).collect();
        assert_eq!((waits[0], waits[1]), (AGAIN, AGAIN + SPACING));
        assert!(waits.is_sorted() && waits.len() == 10_000);
        tokio::time::advance(waits[9_999]).await;
        assert_eq!(seats.take("Kind", "a").err(), Some(AGAIN), "nobody waits any more");
    }

    #[tokio::test(start_paused = true)]
    async fn who_wants_no_place_any_more_leaves_its_share_to_the_others() {
        let seats = Seats::new(4);
        drop(take(&seats, "a", 4));
        assert_eq!(take(&seats, "b", 5).len(), 4, "a has gone, and b was refused a fifth");
        assert_eq!(take(&seats, "a", 4).len(), 2, "b is counted for a while, since it wanted more");
        tokio::time::advance(REMEMBERED).await;
        assert_eq!(take(&seats, "a", 4).len(), 4);
        let many: Vec<Seat> = (0..40).flat_map(|n| take(&seats, &format!("org {n}"), 1)).collect();
        assert_eq!(many.len(), 40, "everybody gets one");
    }
}
