//! Integration tests.

mod api;
mod cluster;
mod driver;
mod support;
