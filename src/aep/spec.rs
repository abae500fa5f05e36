//! The specs behind a Stripe flow. Spec objects are the same in every organisation (Adobe: Flow Service API reference;
//! "Ingest payments data from Stripe using APIs").

/// The connection spec of Stripe.
pub const STRIPE_CONNECTION_SPEC: &str = "cc2c31d6-7b8c-4581-b49f-5c8698aa3ab3";
/// The authentication type of a Stripe connection.
pub const STRIPE_AUTH_SPEC_NAME: &str = "OAuth2 Refresh Code";
/// The connection spec of the data lake, the target of every source flow.
pub const DATA_LAKE_CONNECTION_SPEC: &str = "c604ff05-7f1a-43c0-8e18-33bf874cb11c";
/// The flow spec of sources that are read over REST.
pub const REST_FLOW_SPEC: &str = "6499120c-0b15-42dc-936e-847ea3c24d72";
/// The media type under which schemas are named in data sets, target connections and mapping sets alike: rule 1425 compares them.
pub const SCHEMA_CONTENT_TYPE: &str = "application/vnd.adobe.xed-full+json;version=1";
