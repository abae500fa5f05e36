//! Simulator of Adobe Experience Platform.

pub mod wire;
