//! The API as users meet it: the CRDs, their rules, and the samples.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]
#![allow(clippy::needless_pass_by_value, reason = "a table reads best when its cells are plain values")]

mod cases;
mod crds;
mod rbac;
mod rules;
mod samples;
mod server;
