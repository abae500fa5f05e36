//! Keeps secrets out of texts that leave this module.
//!
//! Errors carry words of a foreign server, which may echo what was sent. Known secrets are removed in every form in which a
//! server could plausibly repeat them; things that look like keys or tokens are removed even when unknown.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use super::encode;

/// What stands where a secret stood.
const REDACTED: &str = "[redacted]";
/// A run of this many characters of a secret is already a leak.
const SHORTEST_LEAK: usize = 16;
/// Longest message that is passed on, in characters.
const LONGEST_MESSAGE: usize = 512;

/// Removes a call's own secrets, and whatever looks like one, from texts.
#[derive(Default)]
pub(super) struct Redactor {
    forms: Vec<Zeroizing<String>>,
}

impl Redactor {
    /// A redactor for the given secrets.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a SecretString>) -> Self {
        let mut forms = Vec::new();
        for secret in secrets {
            let secret = secret.expose_secret();
            // Three characters would make every text unreadable; nothing that short is a secret.
            if secret.len() > 3 {
                forms.extend(encodings(secret).map(Zeroizing::new));
            }
        }
        Self { forms }
    }

    /// The text in one line, capped, without control characters, secrets and key-like words.
    pub fn clean(&self, text: &str) -> String {
        let one_line: String =
            text.chars().map(|c| if c.is_control() || is_invisible(c) { ' ' } else { c }).collect();
        let mut cleaned = one_line.split_whitespace().collect::<Vec<_>>().join(" ");
        for form in &self.forms {
            cleaned = remove(&cleaned, form);
        }
        cap(&remove_key_like(&cleaned), LONGEST_MESSAGE)
    }

    /// A short token such as a code or a request id: only harmless characters, at most `longest`; `None` if nothing is left.
    pub fn token(&self, text: &str, longest: usize) -> Option<String> {
        let plain: String = self
            .clean(text)
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '[' | ']'))
            .take(longest)
            .collect();
        (!plain.is_empty()).then_some(plain)
    }
}

/// Text from upstream that is shown to people, such as the error of a run: one line, capped, without key-like words.
pub(super) fn shown(text: &str) -> String {
    Redactor::default().clean(text)
}

/// Marks that reorder or hide text on a screen, with which an upstream text could forge what a reader sees.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn encodings(secret: &str) -> impl Iterator<Item = String> {
    let mut hex = String::with_capacity(secret.len() * 2);
    for byte in secret.bytes() {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    let json = serde_json::Value::from(secret).to_string();
    let mut forms = vec![
        secret.to_owned(),
        encode::component(secret),
        json.trim_matches('"').to_owned(),
        hex.to_ascii_uppercase(),
        hex,
    ];
    // Inside a larger encoded text a secret may start at any of three positions.
    for shift in 0..3_usize {
        let mut bytes = vec![0_u8; shift];
        bytes.extend_from_slice(secret.as_bytes());
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let encoded = engine.encode(&bytes);
            let stable = encoded.len() - usize::from(bytes.len() % 3 != 0);
            let start = [0, 2, 3][shift].min(stable);
            forms.push(encoded[start..stable].to_owned());
        }
    }
    forms.into_iter().filter(|form| form.len() > 3)
}

/// Removes `form`, and any run of it from its start that is long enough to be a leak.
fn remove(text: &str, form: &str) -> String {
    let head = form.char_indices().nth(SHORTEST_LEAK).map_or(form, |(end, _)| &form[..end]);
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(found) = rest.find(head) {
        kept.push_str(&rest[..found]);
        kept.push_str(REDACTED);
        let tail = &rest[found..];
        let same =
            tail.chars().zip(form.chars()).take_while(|(a, b)| a == b).map(|(c, _)| c.len_utf8()).sum();
        rest = &tail[same..];
    }
    kept.push_str(rest);
    kept
}

/// Removes words shaped like Stripe keys (`sk_live_…`, `rk_test_…`, `whsec_…`) and signed tokens (`eyJ…`).
fn remove_key_like(text: &str) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(word) {
        let end = rest[start..].find(|c| !word(c)).map_or(rest.len(), |length| start + length);
        let (before, token) = (&rest[..start], &rest[start..end]);
        kept.push_str(before);
        kept.push_str(if is_key_like(token) { REDACTED } else { token });
        rest = &rest[end..];
    }
    kept.push_str(rest);
    kept
}

fn is_key_like(word: &str) -> bool {
    let key =
        ["sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_"].iter().any(|prefix| word.contains(prefix));
    key || (word.len() >= 24 && word.starts_with("eyJ"))
}

fn cap(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    const CANARY: &str = "s3cr\"et/canary+value=0123456789";

    fn redactor() -> Redactor {
        Redactor::new([&SecretString::from(CANARY)])
    }

    #[test]
    fn a_canary_is_removed_in_every_form() {
        let mut hex = String::new();
        CANARY.bytes().for_each(|byte| write!(hex, "{byte:02x}").expect("writing to a string"));
        let forms = [
            CANARY.to_owned(),
            STANDARD.encode(CANARY),
            STANDARD.encode(format!("x{CANARY}tail")),
            STANDARD.encode(format!("xy{CANARY}")),
            URL_SAFE_NO_PAD.encode(CANARY),
            encode::component(CANARY),
            hex.clone(),
            hex.to_ascii_uppercase(),
            serde_json::Value::from(CANARY).to_string(),
            CANARY[..16].to_owned(),
        ];
        for form in forms {
            let cleaned = redactor().clean(&format!("the header {form} is wrong"));
            assert!(cleaned.contains(REDACTED), "{form} should be removed from {cleaned}");
            assert!(!cleaned.contains("canary"), "{cleaned}");
            assert!(!cleaned.contains(&form[4..14.min(form.len())]), "{cleaned}");
        }
    }

    #[test]
    fn unknown_keys_and_tokens_are_removed_by_their_shape() {
        // Written in two parts, so that no text of the project looks like a key that opens an account.
        let key = format!("sk_{}_51abcDEF", "live");
        let cleaned =
            shown(&format!("Stripe said: key {key} is bad, token eyJhbGciOiJIUzI1NiJ9.e30.abc expired"));
        assert_eq!(cleaned, "Stripe said: key [redacted] is bad, token [redacted] expired");
    }

    #[test]
    fn a_message_is_one_capped_line_without_control_characters() {
        let text = format!("first\r\n2026 ERROR forged \u{1b}[31m\u{202e}line {}", "é".repeat(2000));
        let cleaned = shown(&text);
        assert!(cleaned.starts_with("first 2026 ERROR forged [31m line é"), "{cleaned}");
        assert_eq!(cleaned.chars().count(), LONGEST_MESSAGE + 1);
        assert!(!cleaned.chars().any(char::is_control));
    }

    #[test]
    fn plain_words_stay_readable() {
        assert_eq!(shown("eyJ is short, risk_test is fine"), "eyJ is short, risk_test is fine");
        assert_eq!(Redactor::default().token("  a\nb<script>", 64).as_deref(), Some("abscript"));
        assert_eq!(Redactor::default().token("\n", 64), None);
    }
}
