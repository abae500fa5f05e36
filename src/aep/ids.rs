//! Identifiers as Adobe Experience Platform issues them, and entity tags.
//!
//! An id from an answer is used in later paths and kept in status, so none is trusted before it has its documented form.

use serde::{Deserialize, Serialize};

/// Whether `text` is a UUID in its hyphenated form: connections, source and target connections, flows, runs, sandboxes.
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Whether `text` is a mapping set id: 32 hexadecimal digits.
pub fn is_mapping_set_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether `text` is a Catalog data set id: 24 hexadecimal digits.
pub fn is_data_set_id(text: &str) -> bool {
    text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether `text` is a Schema Registry `$id`: a URI below `https://ns.adobe.com/`, at most 512 characters.
pub fn is_schema_id(text: &str) -> bool {
    text.len() <= 512
        && text.strip_prefix("https://ns.adobe.com/").is_some_and(|rest| {
            !rest.is_empty()
                && rest
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.'))
        })
}

/// Whether `text` may name a sandbox in a header and a path: lower case letters, digits and hyphens.
pub fn is_sandbox_name(text: &str) -> bool {
    (1..=256).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// An entity tag, kept exactly as received, its double quotes included.
///
/// Flow Service asks for the same text in `If-Match`; without the quotes it answers 412 (Adobe: "Update dataflows",
/// Destinations API reference).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Etag(String);

impl Etag {
    /// Takes a tag over as it is; `None` when it is empty, longer than 512 bytes or could not stand in a header.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let fits =
            !text.is_empty() && text.len() <= 512 && text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        fits.then_some(Self(text))
    }

    /// The tag as received.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Etag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_documented_forms_pass_as_ids() {
        assert!(is_uuid("a9950001-a386-4642-a0cd-5eaac6db5556"));
        assert!(!is_uuid("a9950001a3864642a0cd5eaac6db5556"));
        assert!(!is_uuid("a9950001-a386-4642-a0cd-5eaac6db555/"));
        assert!(is_mapping_set_id("f4aad280fdec4770b7e33066945919d8"));
        assert!(!is_mapping_set_id("f4aad280fdec4770b7e33066945919d"));
        assert!(is_data_set_id("5c8c3c555033b814b69f947f"));
        assert!(!is_data_set_id("../../../../../../../etc"));
        assert!(is_schema_id("https://ns.adobe.com/tenant/schemas/0ef4ce0d390f0809"));
        assert!(!is_schema_id("https://ns.adobe.com/"));
        assert!(!is_schema_id("https://ns.adobe.com/tenant/schemas/a b"));
        assert!(!is_schema_id("https://elsewhere.example/tenant/schemas/a"));
        assert!(is_sandbox_name("dev-1") && !is_sandbox_name("Dev") && !is_sandbox_name(""));
    }

    #[test]
    fn an_etag_keeps_its_quotes_and_refuses_header_injection() {
        let text = "\"dc01244d-0000-0200-0000-65ea4e500000\"";
        assert_eq!(Etag::new(text).map(|tag| tag.as_str().to_owned()).as_deref(), Some(text));
        assert_eq!(Etag::new("W/\"weak\"").map(|tag| tag.to_string()).as_deref(), Some("W/\"weak\""));
        assert!(Etag::new("\"a\"\r\nx-evil: 1").is_none());
        assert!(Etag::new("").is_none());
    }
}
