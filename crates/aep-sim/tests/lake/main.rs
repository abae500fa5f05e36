//! The data lake through its HTTP semantics: every rule of Schema Registry, Catalog, Data Prep and ingestion.

mod catalog;
mod data_prep;
mod evolution;
mod ingest;
mod openapi;
mod registry;
mod support;
