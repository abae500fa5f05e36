//! Secrets: only digests are kept, and whatever is recorded of a request is masked first.

use axum::http::HeaderMap;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// What stands in for a secret in everything that is recorded or answered.
pub const MASK: &str = "***";

/// Longer bodies are not recorded.
const RECORDED: usize = 256 * 1024;

const SECRET_NAMES: &[&str] = &[
    "accesstoken",
    "access_token",
    "refreshtoken",
    "clientsecret",
    "client_secret",
    "password",
    "secret",
    "keys",
];
const KEY_PREFIXES: &[&str] = &["sk_", "rk_"];

/// A digest by which two secrets can be compared.
pub fn digest(secret: &str) -> String {
    let hash = Sha256::digest(secret.as_bytes());
    hash.iter().take(16).fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// A recorded form of a request body: JSON or a form, without secrets. `None` when there is none.
pub fn mask_body(headers: &HeaderMap, body: &[u8]) -> Option<Value> {
    if body.is_empty() {
        return None;
    }
    if body.len() > RECORDED {
        return Some(Value::String(format!("{} bytes, too long to be recorded", body.len())));
    }
    if let Ok(mut value) = serde_json::from_slice::<Value>(body) {
        mask(&mut value, false);
        return Some(value);
    }
    let kind = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.starts_with("application/x-www-form-urlencoded") {
        let pairs = crate::incoming::decode_query(&String::from_utf8_lossy(body));
        return Some(Value::Object(
            pairs.into_iter().map(|(name, value)| masked_pair(name, value)).collect(),
        ));
    }
    Some(Value::String(format!("{} bytes that are not JSON", body.len())))
}

/// A query string as it may be recorded.
pub fn mask_query(pairs: &[(String, String)]) -> String {
    let pairs = pairs.iter().map(|(name, value)| {
        let shown = if is_secret_name(name) || is_key(value) { MASK } else { value };
        format!("{name}={shown}")
    });
    pairs.collect::<Vec<_>>().join("&")
}

fn masked_pair(name: String, value: String) -> (String, Value) {
    let shown = if is_secret_name(&name) || is_key(&value) { MASK.to_owned() } else { value };
    (name, Value::String(shown))
}

fn is_secret_name(name: &str) -> bool {
    SECRET_NAMES.contains(&name.to_ascii_lowercase().as_str())
}

fn is_key(text: &str) -> bool {
    KEY_PREFIXES.iter().any(|prefix| text.contains(prefix))
}

fn mask(value: &mut Value, inside: bool) {
    match value {
        Value::String(text) if inside || is_key(text) => MASK.clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, inside)),
        Value::Object(fields) => {
            // A patch of `/auth/params` carries its secret below `value`.
            let patches_auth =
                fields.get("path").and_then(Value::as_str).is_some_and(|path| path.starts_with("/auth"));
            for (name, field) in fields.iter_mut() {
                let secret = inside || is_secret_name(name) || (patches_auth && name == "value");
                mask(field, secret);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stripe_key_is_masked_wherever_it_stands() {
        let bodies = [
            json!({"auth": {"specName": "OAuth2 Refresh Code", "params": {"accessToken": "canary"}}}),
            json!([{"op": "replace", "path": "/auth/params", "value": {"anything": "canary"}}]),
            json!({"description": "sk_live_canary"}),
        ];
        for body in bodies {
            let masked = mask_body(&HeaderMap::new(), body.to_string().as_bytes()).unwrap().to_string();
            assert!(!masked.contains("canary"), "{masked}");
            assert!(masked.contains(MASK));
        }
    }

    #[test]
    fn a_form_keeps_its_names_and_loses_its_secret() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/x-www-form-urlencoded".parse().unwrap());
        let masked = mask_body(&headers, b"client_id=me&client_secret=canary").unwrap();
        assert_eq!(masked, json!({"client_id": "me", "client_secret": "***"}));
    }

    #[test]
    fn equal_secrets_have_equal_digests() {
        assert_eq!(digest("a"), digest("a"));
        assert_ne!(digest("a"), digest("b"));
    }
}
