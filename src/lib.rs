//! A Kubernetes operator that brings Stripe payment data into Adobe Experience Platform (AEP) through Flow Service.
//!
//! ```text
//!  Secret ◄── StripeBaseConnection ◄── StripeSourceConnection ◄──┬── IngestionMapping
//!             connection               source connection         │   field group, schema, mapping set
//!                                                                │          ▲
//!                                                                └── IngestionFlow
//!                                                                    dataset, target connection, dataflow
//! ```
//!
//! ```text
//!   main ─► run ─► controller ─┬─► cluster ─► (kube)      Kubernetes I/O; knows nothing of Adobe
//!                              ├─► aep ─────► (reqwest)   Adobe over HTTP; knows nothing of Kubernetes
//!                              ├─► domain                 what to do; pure
//!                              └─► api                    what users write and read; data only
//! ```
//!
//! Who may import whom: `api` nothing of ours; `domain` only `api`; `aep` nothing of ours; `cluster` `api` and `domain`; `controller` all
//! four; `run` everything. `cargo xtask import-check` proves it.

pub mod aep;
pub mod api;
pub mod args;
pub mod clock;
pub mod cluster;
pub mod controller;
pub mod domain;
pub mod http;
pub mod run;
pub mod telemetry;
