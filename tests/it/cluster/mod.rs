//! The operator process against a real API server and the simulator process.

mod adoption;
mod annotations;
mod bad_input;
mod budget;
mod chain;
mod change;
mod conflict;
mod crash;
mod deletion;
mod drift;
mod fleet;
mod flow_change;
mod held;
mod leader;
mod many;
mod mapping;
mod metrics;
mod missing;
mod namespace;
mod profile;
mod replacement;
mod rotation;
mod runs;
mod tenants;
mod traces;
mod unparsed;
