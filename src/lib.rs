//! A Kubernetes operator for Stripe ingestion into Adobe Experience Platform.

pub mod aep;
