//! Percent-encoding for paths, queries and forms.

use std::fmt::Write;

/// Encodes everything outside RFC 3986's unreserved characters, so the result can stand in any part of a URL or form.
pub(super) fn component(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Decodes `%XX`; a plus sign stays a plus sign, and anything malformed stays as it is.
pub(super) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        let digits = digits.filter(|pair| pair.bytes().all(|digit| digit.is_ascii_hexdigit()));
        if let Some(byte) = digits.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            decoded.push(byte);
            at += 3;
        } else {
            decoded.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// A query string from pairs, without the question mark.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    pairs
        .iter()
        .map(|(name, value)| format!("{}={}", component(name), component(value)))
        .collect::<Vec<_>>()
        .join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_id_becomes_one_path_segment() {
        assert_eq!(
            component("https://ns.adobe.com/t/schemas/a1"),
            "https%3A%2F%2Fns.adobe.com%2Ft%2Fschemas%2Fa1"
        );
    }

    #[test]
    fn decoding_reverses_encoding_and_tolerates_nonsense() {
        for text in ["a b&c=d", "é%", "x==y[]", "+/="] {
            assert_eq!(decode(&component(text)), text);
        }
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("%zz+"), "%zz+");
        assert_eq!(decode("%+1"), "%+1");
    }
}
