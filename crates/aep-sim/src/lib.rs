//! A simulator of the part of Adobe Experience Platform that ingests Stripe data.
//!
//! ```text
//!   server ── sim ── faults, journal
//!              │
//!           gateway ── ims
//!              ├── flow_service (connections, flows, runs, engine)
//!              └── lake (Schema Registry, Catalog, Data Prep, rows) ── stripe
//!   control: what tests see and do behind the scenes, below /_sim/
//! ```
//!
//! [`Sim`] is the way in: [`Sim::handle`] answers a request in process, [`Sim::serve`] does it over HTTP. It follows Adobe's
//! documents; where these disagree, [`switches::Switches`] offers both readings.

pub mod config;
pub mod faults;
pub mod flow_service;
pub mod journal;
pub mod lake;
pub mod marker;
pub mod persist;
pub mod secret;
pub mod stripe;
pub mod switches;
pub mod wire;

mod clock;
mod control;
mod gateway;
mod ims;
mod incoming;
mod keys;
mod server;
mod sim;
mod spoil;
mod track;
mod world;

pub use config::Config;
pub use sim::{Dropped, Sim};
