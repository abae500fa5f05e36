//! The real control plane, the simulator process and the operator process, for the demo and the cluster tests.
//!
//! Everything here is a process of its own: nothing is linked in, so that a missing right, a lost answer or a kill -9 is the
//! real thing. No process outlives the one that started it, whatever ends that one (see [`guard`]). This crate decides
//! nothing about Adobe or about the operator's kinds.

pub mod audit;
pub mod binaries;
pub mod control_plane;
pub mod go_build;
pub mod guard;
pub mod ports;
pub mod process;
pub mod wait;

pub use audit::{AuditEvent, AuditLog};
pub use control_plane::{ControlPlane, Options, helm, tool};
pub use process::{Operator, OperatorOptions, Process, Simulator, SimulatorOptions};
pub use wait::until;
