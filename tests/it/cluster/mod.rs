//! The operator process against a real API server and the simulator process.

mod bad_input;
mod chain;
mod change;
mod crash;
mod held;
mod leader;
mod many;
mod mapping;
mod namespace;
mod profile;
