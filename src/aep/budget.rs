//! The request budget of one organisation: a steady pace, shared by lanes so that none starves another.
//!
//! It decides when a call may leave, never whether it should. It slows when the organisation is told to wait (429,
//! `Retry-After`) and falls to a probing pace while nothing answers.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

use super::pace::Pace;
use super::{Observer, retry};

/// What a call is for. Lanes share the budget by weight; an idle lane's share goes to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Reads that a reconcile waits for.
    LookUp,
    /// Changes and deletions.
    Change,
    /// Creations.
    Create,
    /// Inventory pages and other background comparison.
    Drift,
    /// Reads of flow runs.
    Runs,
}

impl Lane {
    /// All lanes.
    pub const ALL: [Self; 5] = [Self::LookUp, Self::Change, Self::Create, Self::Drift, Self::Runs];

    /// How far one call moves the lane ahead: the inverse of its weight, in sixtieths.
    const fn stride(self) -> u64 {
        match self {
            // A claim was made for it, and grows old.
            Self::Create => 5,
            Self::LookUp | Self::Change => 15,
            Self::Drift | Self::Runs => 60,
        }
    }

    const fn index(self) -> usize {
        match self {
            Self::LookUp => 0,
            Self::Change => 1,
            Self::Create => 2,
            Self::Drift => 3,
            Self::Runs => 4,
        }
    }

    /// A short constant name for metric labels and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LookUp => "LookUp",
            Self::Change => "Change",
            Self::Create => "Create",
            Self::Drift => "Drift",
            Self::Runs => "Runs",
        }
    }
}

/// The promise that one creation will leave soon after its claim: only so many claims are under way at once as the pace can follow up.
/// A permit that is dropped costs nothing.
#[derive(Debug)]
pub struct Permit {
    _place: OwnedSemaphorePermit,
}

/// The fewest permits at once: what one claim needs at most, and one more.
const FEWEST_AHEAD: usize = 4;
/// Who works on an object of one organisation waits no longer than this for the end of a pause: others need the place.
const LONGEST_STAY: Duration = Duration::from_secs(10);
/// Longest self-chosen pause after a 429 that does not say how long to wait.
const LONGEST_GUESS: Duration = Duration::from_mins(1);
/// After this many calls in a row without a useful answer the pace falls to a probe.
const STORM: u32 = 5;
/// The pace of probes while nothing answers.
const PROBE_EVERY: Duration = Duration::from_secs(2);

/// The budget of one organisation. Clones share it.
#[derive(Clone)]
pub(super) struct Budget(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    ahead: Arc<Semaphore>,
    observer: Option<Arc<dyn Observer>>,
}

struct State {
    pace: Pace,
    waiting: [VecDeque<oneshot::Sender<()>>; 5],
    /// Stride scheduling: the lane with the least travelled goes first.
    travelled: [u64; 5],
    dispatching: bool,
    paused_until: Option<Instant>,
    limited_in_a_row: u32,
    failed_in_a_row: u32,
}

impl Budget {
    /// A budget of `per_second` calls, evenly spaced. Values that make no sense become one call a second.
    pub fn new(per_second: f64, observer: Option<Arc<dyn Observer>>) -> Self {
        let state = State {
            pace: Pace::new(per_second),
            waiting: Default::default(),
            travelled: Default::default(),
            dispatching: false,
            paused_until: None,
            limited_in_a_row: 0,
            failed_in_a_row: 0,
        };
        // Half a second of the pace: the last of them leaves long before its claim grows too old.
        let ahead = Arc::new(Semaphore::new(state.pace.within(Duration::from_millis(500)).max(FEWEST_AHEAD)));
        Self(Arc::new(Shared { state: Mutex::new(state), ahead, observer }))
    }

    /// Waits for the turn of one call, as long as it takes. Cancel-safe.
    pub async fn turn(&self, lane: Lane) {
        let since = Instant::now();
        // The dispatcher answers everyone that waits; it can only be gone with its runtime.
        let _gone = self.enqueue(lane).await;
        if let Some(observer) = &self.0.observer {
            observer.permitted(lane, since.elapsed());
        }
    }

    /// Waits for the turn of one call until `by`. The error is the time for which the organisation is paused, if it is. Nobody but the
    /// inventory sits out a long pause.
    pub async fn turn_by(&self, lane: Lane, by: Instant) -> Result<(), Option<Duration>> {
        let patient_until = if lane == Lane::Drift { by } else { by.min(Instant::now() + LONGEST_STAY) };
        if self.paused_until().is_some_and(|until| until > patient_until) {
            return Err(self.pause());
        }
        tokio::time::timeout_at(by, self.turn(lane)).await.map_err(|_| self.pause())
    }

    /// Waits for the permits of one claim, all at once, and for the end of a short pause. The error is the time that a long one lasts.
    pub async fn permits(&self, count: usize) -> Result<Vec<Permit>, Duration> {
        let many = u32::try_from(count.min(FEWEST_AHEAD)).unwrap_or(1);
        loop {
            match self.pause() {
                Some(pause) if pause > LONGEST_STAY => return Err(pause),
                Some(pause) => tokio::time::sleep(pause).await,
                None => {}
            }
            let places = Arc::clone(&self.0.ahead).acquire_many_owned(many).await;
            let Ok(mut places) = places else { return Ok(Vec::new()) };
            if self.pause().is_none() {
                let mut permits = Vec::with_capacity(count);
                while let Some(place) = places.split(1) {
                    permits.push(Permit { _place: place });
                }
                return Ok(permits);
            }
        }
    }

    /// For how long the organisation is told to wait from now on.
    pub fn pause(&self) -> Option<Duration> {
        let now = Instant::now();
        self.paused_until().filter(|until| *until > now).map(|until| until - now)
    }

    /// A useful answer came back (any status below 500 but 429).
    pub fn answered(&self) {
        let mut state = self.0.lock();
        state.limited_in_a_row = 0;
        state.failed_in_a_row = 0;
        state.pace.recover();
    }

    /// No useful answer: 5xx, no connection, a deadline. `asked` is a `Retry-After`, which is obeyed.
    pub fn failed(&self, asked: Option<Duration>) {
        let mut state = self.0.lock();
        state.failed_in_a_row = state.failed_in_a_row.saturating_add(1);
        let probing =
            (state.failed_in_a_row >= STORM).then(|| retry::jittered(PROBE_EVERY) + PROBE_EVERY / 2);
        if let Some(wait) = asked.max(probing) {
            state.pause_for(wait);
        }
    }

    /// The organisation was limited. Returns for how long it pauses: what was asked, or a growing guess.
    pub fn limited(&self, asked: Option<Duration>) -> Duration {
        let mut state = self.0.lock();
        // Calls that were on their way when the first one was limited say nothing new.
        if state.paused_until.is_none_or(|until| until <= Instant::now()) {
            state.pace.halve();
        }
        let guess = Duration::from_secs(1) * 2_u32.saturating_pow(state.limited_in_a_row.min(6));
        state.limited_in_a_row = state.limited_in_a_row.saturating_add(1);
        let wait = asked.unwrap_or_else(|| retry::jittered(guess.min(LONGEST_GUESS)));
        state.pause_for(wait);
        wait
    }

    fn paused_until(&self) -> Option<Instant> {
        self.0.lock().paused_until
    }

    fn enqueue(&self, lane: Lane) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.0.lock();
        state.enqueue(lane, sender);
        if !state.dispatching {
            state.dispatching = true;
            tokio::spawn(dispatch(Arc::clone(&self.0)));
        }
        receiver
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Gives one turn, or says when the next is due.
    fn give_one(&self) -> Result<(), Instant> {
        let mut state = self.lock();
        state.pace.take(Instant::now())?;
        state.hand_out();
        Ok(())
    }
}

impl State {
    fn enqueue(&mut self, lane: Lane, sender: oneshot::Sender<()>) {
        // A lane that was idle starts where the others are; it may not save up its share.
        if self.waiting[lane.index()].is_empty() {
            let others = Lane::ALL.iter().filter(|other| !self.waiting[other.index()].is_empty());
            if let Some(least) = others.map(|other| self.travelled[other.index()]).min() {
                let own = &mut self.travelled[lane.index()];
                *own = (*own).max(least);
            }
        }
        self.waiting[lane.index()].push_back(sender);
    }

    fn pause_for(&mut self, wait: Duration) {
        let until = Instant::now() + wait.min(retry::LONGEST_WAIT);
        self.paused_until = self.paused_until.max(Some(until));
    }

    /// Removes waiters that gave up; false when nobody is left, in which case the dispatcher is to end.
    fn has_waiters(&mut self) -> bool {
        for lane in &mut self.waiting {
            lane.retain(|sender| !sender.is_closed());
        }
        self.dispatching = self.waiting.iter().any(|lane| !lane.is_empty());
        self.dispatching
    }

    /// Gives the turn to the lane whose turn it is.
    fn hand_out(&mut self) {
        while let Some(lane) = Lane::ALL
            .into_iter()
            .filter(|lane| !self.waiting[lane.index()].is_empty())
            .min_by_key(|lane| self.travelled[lane.index()])
        {
            let Some(sender) = self.waiting[lane.index()].pop_front() else { return };
            if sender.send(()).is_ok() {
                self.travelled[lane.index()] += lane.stride();
                return;
            }
        }
    }
}

/// Gives turns at the organisation's pace while somebody waits, then ends.
async fn dispatch(shared: Arc<Shared>) {
    loop {
        let paused_until = {
            let mut state = shared.lock();
            if !state.has_waiters() {
                return;
            }
            state.paused_until
        };
        if let Some(until) = paused_until.filter(|until| *until > Instant::now()) {
            tokio::time::sleep_until(until).await;
            continue;
        }
        if let Err(at) = shared.give_one() {
            tokio::time::sleep_until(at).await;
        }
    }
}

/// From this number of organisations on, budgets that nobody uses are forgotten.
const MOST_IDLE: usize = 256;

/// The budgets of all organisations.
pub(super) struct Budgets {
    per_second: f64,
    observer: Option<Arc<dyn Observer>>,
    by_organisation: Mutex<HashMap<String, Budget>>,
}

impl Budgets {
    pub fn new(per_second: f64, observer: Option<Arc<dyn Observer>>) -> Self {
        Self { per_second, observer, by_organisation: Mutex::default() }
    }

    /// Who still waits, by lane.
    pub fn waiting(&self) -> [usize; Lane::ALL.len()] {
        let budgets = self.by_organisation.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sums = [0; Lane::ALL.len()];
        for budget in budgets.values() {
            let state = budget.0.lock();
            for (sum, lane) in sums.iter_mut().zip(&state.waiting) {
                *sum += lane.iter().filter(|sender| !sender.is_closed()).count();
            }
        }
        sums
    }

    pub fn of(&self, org_id: &str) -> Budget {
        let mut budgets = self.by_organisation.lock().unwrap_or_else(PoisonError::into_inner);
        if budgets.len() >= MOST_IDLE {
            // Only what nobody holds and nothing restrains may be forgotten.
            budgets.retain(|_, budget| Arc::strong_count(&budget.0) > 1 || budget.pause().is_some());
        }
        let new = || Budget::new(self.per_second, self.observer.clone());
        budgets.entry(org_id.to_owned()).or_insert_with(new).clone()
    }
}
