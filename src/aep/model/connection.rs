//! Base, source and target connections.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Meta, SchemaRef, SpecRef, loose};

/// A base connection: an authenticated account of a source. Its credentials cannot be read back: the service shows a partial
/// view of them (Adobe: Flow Service API reference).
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// The common members.
    #[serde(flatten)]
    pub meta: Meta,
    /// What kind of source it is.
    #[serde(default, deserialize_with = "loose::or_default")]
    pub connection_spec: SpecRef,
}

/// A base connection to create with an access token as credential. Has no `Debug`, since it holds a secret.
#[derive(Clone)]
pub struct NewConnection {
    /// The name people see.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// What kind of source it is.
    pub connection_spec: SpecRef,
    /// The authentication type, such as `OAuth2 Refresh Code`.
    pub auth_spec_name: String,
    /// The credential itself.
    pub access_token: SecretString,
}

/// A source connection: one resource of a base connection's account.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceConnection {
    /// The common members.
    #[serde(flatten)]
    pub meta: Meta,
    /// The base connection's id.
    #[serde(default, deserialize_with = "loose::text")]
    pub base_connection_id: Option<String>,
    /// What kind of source it is.
    #[serde(default, deserialize_with = "loose::or_default")]
    pub connection_spec: SpecRef,
    /// The source's own parameters.
    #[serde(default)]
    pub params: Value,
}

impl SourceConnection {
    /// The resource that is read, such as `charges`.
    pub fn resource_path(&self) -> Option<&str> {
        self.params.get("resourcePath").and_then(Value::as_str)
    }
}

/// A source connection to create; its data format is JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSourceConnection {
    /// The name people see.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// The base connection's id.
    pub base_connection_id: String,
    /// What kind of source it is.
    pub connection_spec: SpecRef,
    /// The resource to read, such as `charges`.
    pub resource_path: String,
}

impl NewSourceConnection {
    pub(in crate::aep) fn body(&self) -> impl Serialize + use<'_> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            name: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            description: Option<&'a str>,
            base_connection_id: &'a str,
            connection_spec: &'a SpecRef,
            data: Value,
            params: Value,
        }
        Body {
            name: &self.name,
            description: self.description.as_deref(),
            base_connection_id: &self.base_connection_id,
            connection_spec: &self.connection_spec,
            data: serde_json::json!({"format": "json"}),
            params: serde_json::json!({"resourcePath": self.resource_path}),
        }
    }
}

/// A target connection: a data set of the data lake as the end of a flow.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetConnection {
    /// The common members.
    #[serde(flatten)]
    pub meta: Meta,
    /// What kind of target it is.
    #[serde(default, deserialize_with = "loose::or_default")]
    pub connection_spec: SpecRef,
    /// Format and schema of what is written.
    #[serde(default, deserialize_with = "loose::or_default")]
    pub data: TargetData,
    /// The target's own parameters.
    #[serde(default)]
    pub params: Value,
}

/// Format and schema of what a flow writes.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct TargetData {
    /// `parquet_xdm` for the data lake.
    #[serde(default, deserialize_with = "loose::text")]
    pub format: Option<String>,
    /// The data set's schema.
    #[serde(default, deserialize_with = "loose::or_default")]
    pub schema: Option<SchemaRef>,
}

impl TargetConnection {
    /// The data set's id.
    pub fn data_set_id(&self) -> Option<&str> {
        self.params.get("dataSetId").and_then(Value::as_str)
    }
}

/// A target connection to create, to the data lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTargetConnection {
    /// The name people see.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// What kind of target it is.
    pub connection_spec: SpecRef,
    /// The data set's schema; rule 1425 compares it with the mapping's.
    pub schema: SchemaRef,
    /// The data set's id.
    pub data_set_id: String,
}

impl NewTargetConnection {
    pub(in crate::aep) fn body(&self) -> impl Serialize + use<'_> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            name: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            description: Option<&'a str>,
            connection_spec: &'a SpecRef,
            data: Value,
            params: Value,
        }
        Body {
            name: &self.name,
            description: self.description.as_deref(),
            connection_spec: &self.connection_spec,
            data: serde_json::json!({
                "format": "parquet_xdm",
                "schema": {"id": self.schema.id, "version": self.schema.content_type},
            }),
            // The capital S is Adobe's.
            params: serde_json::json!({"dataSetId": self.data_set_id}),
        }
    }
}
