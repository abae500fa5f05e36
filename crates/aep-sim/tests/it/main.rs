//! What a client meets: each promise of the simulator's contract, through its front door.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

mod support;

mod connections;
mod control;
mod endpoints;
mod faults;
mod flows;
mod gateway;
mod ims;
mod lists;
mod openapi;
mod patch;
mod process;
mod runs;
mod server;
mod visibility;
