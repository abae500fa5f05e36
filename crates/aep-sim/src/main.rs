//! The simulator as a binary.

fn main() {}
