//! Glue: one driver for all four kinds.
//!
//! ```text
//! trigger ──► driver ──► pass ──► kinds/{base,source,mapping,flow}
//!                │         ├────► upstream  (Adobe, by role)
//!                │         └────► cleanup   (deletion)
//!                └──► record ──► report
//! ```

pub mod adoption;
pub mod context;
pub mod described;
pub mod guardrail;
pub mod inventory;
pub mod kinds;
pub mod managed;
pub mod memory;
pub mod obstacle;
pub mod rotation;
pub mod site;
pub mod trigger;
mod unparsed;
pub mod upstream;
pub mod wake;

mod activity;
mod announce;
mod change;
mod cleanup;
mod conditions;
mod driver;
mod hash;
mod known;
mod look;
mod loss;
mod owners;
mod pass;
mod profile;
mod record;
mod replace;
mod report;
mod run;
mod run_request;
mod seats;
mod secrets;
mod usage;

pub use context::{Context, Settings};
pub use driver::reconcile;
pub use record::next_look;
pub use run::{CONTROLLERS, run};
pub use trigger::{Countdown, Scope};
