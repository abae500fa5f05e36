//! Integration tests.

mod api;
mod cluster;
mod contract;
mod driver;
mod packaging;
mod plugin;
mod support;
