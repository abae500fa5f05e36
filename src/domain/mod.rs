//! What to do. Pure: no async, no client, no clock; imports `api` only.

pub mod mapping;
