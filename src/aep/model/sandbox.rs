//! Sandboxes.

use serde::Deserialize;

use super::loose;

/// A sandbox, as sandbox management shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sandbox {
    /// The name that calls carry.
    pub name: String,
    /// The title people see.
    #[serde(default, deserialize_with = "loose::text")]
    pub title: Option<String>,
    /// `active` when usable; `creating`, `deleting`, `resetting`, `deleted` or `failed` otherwise.
    #[serde(default, deserialize_with = "loose::text")]
    pub state: Option<String>,
    /// `production` or `development`.
    #[serde(default, rename = "type", deserialize_with = "loose::text")]
    pub kind: Option<String>,
    /// The id, where the service shows it.
    #[serde(default, alias = "sandboxId", deserialize_with = "loose::text")]
    pub id: Option<String>,
    /// Whether it is the one used when no sandbox is named.
    #[serde(default, deserialize_with = "loose::flag")]
    pub is_default: Option<bool>,
}

impl Sandbox {
    /// Whether it can be worked in.
    pub fn is_active(&self) -> bool {
        self.state.as_deref().is_some_and(|state| state.eq_ignore_ascii_case("active"))
    }
}
