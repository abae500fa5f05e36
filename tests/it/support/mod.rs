//! What the tests on the real control plane share: a namespace, a simulator and an operator of their own on one shared control plane.

pub mod by_hand;
pub mod collector;
pub mod commands;
pub mod install;
pub mod objects;
pub mod operators;
pub mod seen;
pub mod world;

pub use world::World;
