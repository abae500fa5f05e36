//! Integration tests.

mod api;
mod cluster;
mod contract;
mod support;
