//! Simulator of Adobe Experience Platform.
