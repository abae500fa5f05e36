//! The wall clock: the only place that asks for the time. What decides by time takes it from a [`Clock`], which tests replace.

use std::sync::Arc;

use jiff::Timestamp;

/// Tells the time.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Arc::new(now))
    }

    /// A clock that asks `tell`.
    pub fn from_fn(tell: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

/// A time in milliseconds since 1970, as Adobe gives it, in the whole seconds that a status holds.
pub fn from_millis(millis: i64) -> Option<Timestamp> {
    Timestamp::from_second(millis.div_euclid(1000)).ok()
}

/// The time now, by the machine's clock.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> Timestamp {
    Timestamp::now()
}
