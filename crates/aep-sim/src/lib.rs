//! Simulator of Adobe Experience Platform.

pub mod switches;
pub mod wire;
