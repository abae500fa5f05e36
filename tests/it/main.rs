//! Integration tests.

mod api;
mod cluster;
mod support;
