//! Integration tests.

mod api;
mod cluster;
mod contract;
mod driver;
mod support;
