//! Simulator of Adobe Experience Platform.

pub mod lake;
pub mod stripe;
pub mod wire;
