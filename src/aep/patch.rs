//! JSON Patch documents, as Flow Service, Schema Registry and Catalog take them.
//!
//! Operations are sent in lower case and always as an array, which is what Adobe's services accept where its documents disagree.

use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::call::Body;

/// A JSON Patch (RFC 6902) under construction. Values may be secret.
#[derive(Debug, Clone, Default)]
pub struct Patch(Vec<Op>);

#[derive(Debug, Clone)]
enum Op {
    Add(String, Value),
    Replace(String, Value),
    Remove(String),
    AccessToken(SecretString),
}

impl Patch {
    /// An empty patch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a member, or overwrites it. Use it for optional members: replacing an absent one is refused (1455).
    #[must_use]
    pub fn add(mut self, path: impl Into<String>, value: impl Into<Value>) -> Self {
        self.0.push(Op::Add(path.into(), value.into()));
        self
    }

    /// Replaces a member that exists.
    #[must_use]
    pub fn replace(mut self, path: impl Into<String>, value: impl Into<Value>) -> Self {
        self.0.push(Op::Replace(path.into(), value.into()));
        self
    }

    /// Removes a member that exists.
    #[must_use]
    pub fn remove(mut self, path: impl Into<String>) -> Self {
        self.0.push(Op::Remove(path.into()));
        self
    }

    /// Replaces the credentials of a connection: all of `/auth/params`, which overrides what was there (Adobe: "Update accounts").
    #[must_use]
    pub fn access_token(mut self, token: SecretString) -> Self {
        self.0.push(Op::AccessToken(token));
        self
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One segment of a path, escaped: `a/b~c` becomes `a~1b~0c`.
    pub fn segment(text: &str) -> String {
        text.replace('~', "~0").replace('/', "~1")
    }

    pub(super) fn body(&self) -> Result<Body, serde_json::Error> {
        let mut body = Body::json(&Ops(&self.0))?;
        for op in &self.0 {
            if let Op::AccessToken(token) = op {
                body = body.with_secret(token);
            }
        }
        Ok(body)
    }
}

// Private on purpose: a public Serialize would be a way to print the secret.
#[derive(Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
enum Wire<'a> {
    Add {
        path: &'a str,
        value: &'a Value,
    },
    Replace {
        path: &'a str,
        value: &'a Value,
    },
    Remove {
        path: &'a str,
    },
    #[serde(rename = "replace")]
    AccessToken {
        path: &'static str,
        value: Params<'a>,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Params<'a> {
    access_token: &'a str,
}

struct Ops<'a>(&'a [Op]);

impl Serialize for Ops<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|op| match op {
            Op::Add(path, value) => Wire::Add { path, value },
            Op::Replace(path, value) => Wire::Replace { path, value },
            Op::Remove(path) => Wire::Remove { path },
            Op::AccessToken(token) => Wire::AccessToken {
                path: "/auth/params",
                value: Params { access_token: token.expose_secret() },
            },
        }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn operations_are_lower_case_in_one_array() {
        let patch = Patch::new()
            .replace("/name", "n")
            .add("/labels", json!(["core/C12"]))
            .remove("/options/x")
            .access_token(SecretString::from("sk_test_1"));
        let body = patch.body().expect("JSON");
        let sent: Value = serde_json::from_slice(&body.bytes).expect("JSON");
        assert_eq!(
            sent,
            json!([
                {"op": "replace", "path": "/name", "value": "n"},
                {"op": "add", "path": "/labels", "value": ["core/C12"]},
                {"op": "remove", "path": "/options/x"},
                {"op": "replace", "path": "/auth/params", "value": {"accessToken": "sk_test_1"}}
            ])
        );
        assert_eq!(body.secrets.len(), 1);
        assert!(!format!("{patch:?}").contains("sk_test_1"));
    }

    #[test]
    fn a_path_segment_is_escaped() {
        assert_eq!(Patch::segment("a/b~c"), "a~1b~0c");
    }
}
