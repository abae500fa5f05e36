//! Integration tests.

mod api;
