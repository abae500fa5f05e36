//! The data lake through its HTTP semantics: every rule of Schema Registry, Catalog, Data Prep and ingestion.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]
#![allow(clippy::similar_names, reason = "path and patch, set and sent are the words of this API")]

mod catalog;
mod data_prep;
mod evolution;
mod ingest;
mod openapi;
mod registry;
mod support;
mod tutorial;
