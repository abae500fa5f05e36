//! Integration tests.

mod api;
mod book;
mod cluster;
mod contract;
mod driver;
mod packaging;
mod plugin;
mod support;
mod upgrade;
