//! The operator process against a real API server and the simulator process.

mod bad_input;
mod chain;
mod change;
mod crash;
mod deletion;
mod held;
mod leader;
mod many;
mod mapping;
mod metrics;
mod namespace;
mod profile;
mod rotation;
