//! The real control plane, the simulator process and the operator process, for the demo and the cluster tests.
