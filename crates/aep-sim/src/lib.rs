//! Simulator of Adobe Experience Platform.

pub mod lake;
pub mod stripe;
pub mod switches;
pub mod wire;
