//! The order of exchanges: every request of one process, to either side, passes here and can be cut off.
//!
//! A process that dies loses all its memory, so what a crash leaves behind is which requests were executed. Two moments tell them apart: the
//! request was executed and the answer never read; it was on its way and is executed only when the next process is at work. A crash before
//! a request is sent leaves what a crash leaves in the exchange before it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::Notify;

/// When a process dies, or is stopped, within an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// After it was executed and before the answer is read.
    Executed,
    /// Before it is executed, while it is on its way.
    OnItsWay,
}

impl Moment {
    /// All moments.
    pub const ALL: [Self; 2] = [Self::Executed, Self::OnItsWay];
}

/// What happens to one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Nothing.
    Live,
    /// It dies in the exchange of this index.
    Die(usize, Moment),
    /// It is stopped just before the request of this index is executed, until [`Tape::go_on`].
    Stop(usize),
    /// It lives, and somebody does something at the exchange of this index: see [`Tape::at`].
    Notify(usize),
    /// Exchanges of several processes take turns at random.
    Mix(u64),
}

type Deed = Box<dyn FnOnce() + Send>;

struct State {
    plan: Plan,
    label: &'static str,
    count: usize,
    trace: Arc<Mutex<Vec<String>>>,
    dice: StdRng,
    on_its_way: Option<BoxFuture<'static, ()>>,
    deed: Option<Deed>,
}

/// The exchanges of one process. Clones share them.
#[derive(Clone)]
pub struct Tape(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    died: Notify,
    stopped: Notify,
    go_on: Notify,
}

impl Tape {
    /// A tape that writes into a trace shared by all processes of a world.
    pub fn new(label: &'static str, plan: Plan, trace: Arc<Mutex<Vec<String>>>) -> Self {
        let seed = if let Plan::Mix(seed) = plan { seed } else { 0 };
        let dice = StdRng::seed_from_u64(seed ^ label.len() as u64);
        let state = State { plan, label, count: 0, trace, dice, on_its_way: None, deed: None };
        let (died, stopped, go_on) = (Notify::new(), Notify::new(), Notify::new());
        Self(Arc::new(Shared { state: Mutex::new(state), died, stopped, go_on }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is done at the exchange that [`Plan::Notify`] names.
    pub fn at(&self, deed: impl FnOnce() + Send + 'static) {
        self.state().deed = Some(Box::new(deed));
    }

    /// Resolves when the process dies.
    pub async fn died(&self) {
        self.0.died.notified().await;
    }

    /// Resolves when the process is stopped.
    pub async fn stopped(&self) {
        self.0.stopped.notified().await;
    }

    /// Lets a stopped process go on.
    pub fn go_on(&self) {
        self.0.go_on.notify_one();
    }

    /// Takes the request that was on its way when the process died.
    pub fn take_on_its_way(&self) -> Option<BoxFuture<'static, ()>> {
        self.state().on_its_way.take()
    }

    /// One exchange: `execute` is what the other side does with the request.
    pub async fn exchange<T: Send + 'static>(&self, name: String, execute: BoxFuture<'static, T>) -> T {
        let (index, plan) = self.begin(&name);
        match plan {
            Plan::Die(at, Moment::Executed) if at == index => {
                let _unread = execute.await;
            }
            Plan::Die(at, Moment::OnItsWay) if at == index => {
                let delayed = async move {
                    let _unread = execute.await;
                };
                self.state().on_its_way = Some(Box::pin(delayed));
            }
            Plan::Stop(at) if at == index => {
                self.0.stopped.notify_one();
                self.0.go_on.notified().await;
                return execute.await;
            }
            Plan::Notify(at) if at == index => {
                let deed = self.state().deed.take();
                if let Some(deed) = deed {
                    deed();
                }
                return execute.await;
            }
            Plan::Mix(_) => {
                self.wait_for_turn().await;
                let answer = execute.await;
                self.wait_for_turn().await;
                return answer;
            }
            _ => return execute.await,
        }
        self.0.died.notify_one();
        std::future::pending().await
    }

    fn begin(&self, name: &str) -> (usize, Plan) {
        let mut state = self.state();
        let index = state.count;
        state.count += 1;
        let line = format!("{} {index:>3} {name}", state.label);
        state.trace.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        (index, state.plan)
    }

    async fn wait_for_turn(&self) {
        let turns = self.state().dice.random_range(0..6);
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }
}
