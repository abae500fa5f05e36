//! What to do. Pure: no async, no client, no clock; imports nothing of ours but `api`.
//!
//! Reading order: [`marker`] and [`intent`] (who owns what), [`plan`] (the state machine), [`outcome`] (what a pass ended
//! with and what the user sees of it).

pub mod absence;
pub mod adoption;
pub mod approval;
pub mod catalogue;
pub mod drift;
pub mod freshness;
pub mod intent;
pub mod lookup;
pub mod mapping;
pub mod marker;
pub mod outcome;
pub mod plan;
pub mod replacement;
pub mod retry;
pub mod schedule;
