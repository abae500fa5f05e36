//! Spoilt answers: what a broken service or a proxy in between can make of a body.

use axum::http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

use crate::faults::Spoilt;
use crate::incoming::Incoming;

const IDS: &[&str] = &["id", "$id", "@id"];
const ETAGS: &[&str] = &["etag", "version"];
const HUGE: usize = 10 * 1024 * 1024;
const DEPTH: usize = 20_000;
const PAGE: &str =
    "<!DOCTYPE html><html><head><title>Service unavailable</title></head><body>Try again</body></html>";

/// Spoils the body of the answer to a call.
pub fn spoil(call: &Incoming, mut response: Response<Vec<u8>>, how: Spoilt) -> Response<Vec<u8>> {
    let body = std::mem::take(response.body_mut());
    *response.body_mut() = match how {
        Spoilt::Empty => Vec::new(),
        Spoilt::Cut => body[..body.len() / 2].to_vec(),
        Spoilt::Html => {
            *response.status_mut() = StatusCode::OK;
            response.headers_mut().insert("content-type", HeaderValue::from_static("text/html"));
            PAGE.into()
        }
        Spoilt::WrongId => with_ids(&body, |id| Some(json!(other_id(id)))),
        Spoilt::NoId => with_ids(&body, |_| None),
        Spoilt::BadId => with_ids(&body, |_| Some(json!("../../not an id\n"))),
        Spoilt::NoEtag => with_members(&body, ETAGS, |_| None),
        Spoilt::WeakEtag => with_members(&body, ETAGS, |etag| Some(json!(format!("W/{etag}")))),
        Spoilt::DoubleQuotedEtag => with_members(&body, ETAGS, |etag| Some(json!(format!("\"{etag}\"")))),
        Spoilt::PageLoop => page_loop(call, &body),
        Spoilt::Huge => {
            let filler = "x".repeat(HUGE);
            json!({"items": [], "filler": filler}).to_string().into_bytes()
        }
        Spoilt::InvalidUtf8 => [b"{\"id\":\"".as_slice(), &[0xff, 0xfe, 0xc0], b"\"}"].concat(),
        Spoilt::WrongType => b"[42]".to_vec(),
        Spoilt::Deep => [vec![b'['; DEPTH], vec![b']'; DEPTH]].concat(),
        Spoilt::ExtraFields => extra_fields(&body),
    };
    response
}

fn with_ids(body: &[u8], change: impl Fn(&str) -> Option<Value>) -> Vec<u8> {
    let changed = with_members(body, IDS, &change);
    let mut value: Value = serde_json::from_slice(&changed).unwrap_or_default();
    // Catalog answers with a reference instead of an id.
    if let Some(reference) = value.get_mut(0).filter(|first| first.is_string()) {
        *reference = change(reference.as_str().unwrap_or_default()).unwrap_or(Value::Null);
    }
    value.to_string().into_bytes()
}

/// The body with every text member of those names changed or, for `None`, removed.
fn with_members(body: &[u8], names: &[&str], change: impl Fn(&str) -> Option<Value>) -> Vec<u8> {
    let mut value: Value = serde_json::from_slice(body).unwrap_or_default();
    for_each_object(&mut value, &mut |fields| {
        for name in names {
            let Some(new) = fields.get(*name).and_then(Value::as_str).map(&change) else { continue };
            match new {
                Some(new) => fields.insert((*name).to_owned(), new),
                None => fields.shift_remove(*name),
            };
        }
    });
    value.to_string().into_bytes()
}

fn page_loop(call: &Incoming, body: &[u8]) -> Vec<u8> {
    let mut value: Value = serde_json::from_slice(body).unwrap_or_default();
    if let Some((_, token)) = call.query.iter().find(|(name, _)| name == "continuationToken") {
        let href = format!("/{}?continuationToken={token}", call.segments.join("/"));
        value["_links"] = json!({"next": {"href": href}});
    }
    value.to_string().into_bytes()
}

fn for_each_object(value: &mut Value, change: &mut impl FnMut(&mut serde_json::Map<String, Value>)) {
    match value {
        Value::Object(fields) => {
            // Members first: the change may add some.
            fields.values_mut().for_each(|field| for_each_object(field, change));
            change(fields);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| for_each_object(item, change)),
        _ => {}
    }
}

/// Another id of the same form.
fn other_id(id: &str) -> String {
    let (head, tail) = id.split_at(id.rfind('/').map_or(0, |at| at + 1));
    let tail = tail.chars().rev().enumerate().map(|(index, c)| match c.to_digit(16) {
        Some(digit) if index < 8 => char::from_digit((digit + 1) % 16, 16).unwrap_or('0'),
        _ => c,
    });
    head.to_owned() + &tail.collect::<Vec<_>>().into_iter().rev().collect::<String>()
}

fn extra_fields(body: &[u8]) -> Vec<u8> {
    let mut value: Value = serde_json::from_slice(body).unwrap_or_default();
    for_each_object(&mut value, &mut |fields| {
        fields.insert("somethingNew".to_owned(), json!({"nested": [1, null, "text"]}));
    });
    value.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_id_keeps_its_form() {
        let id = "84c64142-1741-4b0b-95a9-65644eba0cf6";
        let other = other_id(id);
        assert_ne!(other, id);
        assert_eq!(other.len(), id.len());
        assert_eq!(other.matches('-').count(), 4);
        assert!(
            other_id("https://ns.adobe.com/t/schemas/abc0").starts_with("https://ns.adobe.com/t/schemas/")
        );
    }

    #[test]
    fn ids_go_missing_everywhere() {
        let spoilt = with_ids(br#"{"items":[{"id":"a","n":1}]}"#, |_| None);
        assert_eq!(String::from_utf8(spoilt).unwrap(), r#"{"items":[{"n":1}]}"#);
    }
}
