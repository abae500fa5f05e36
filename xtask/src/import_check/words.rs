//! Words that should not be in committed text: places on one machine, unfinished work, keys that open something.
//!
//! Each is written here in two parts, so that this file passes its own check.

use std::path::Path;

const WORDS: &[(&str, &str, &str)] = &[
    ("/ho", "me/", "a path of one machine"),
    ("/ro", "ot/", "a path of one machine"),
    ("/Us", "ers/", "a path of one machine"),
    ("/wo", "rk/", "a path of one machine"),
    ("TO", "DO", "unfinished work belongs in an issue"),
    ("FIX", "ME", "unfinished work belongs in an issue"),
    ("X", "XX:", "unfinished work belongs in an issue"),
    ("<<<<<", "<< ", "a merge that was not finished"),
    (">>>>>", ">> ", "a merge that was not finished"),
    ("sk_", "live_", "a Stripe key that opens an account"),
    ("rk_", "live_", "a Stripe key that opens an account"),
    ("-----BEGIN PRIVATE", " KEY-----", "a private key"),
    ("-----BEGIN RSA PRIVATE", " KEY-----", "a private key"),
    ("-----BEGIN EC PRIVATE", " KEY-----", "a private key"),
];

/// The unwanted words of one file, as lines to print.
pub fn check(file: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (start, end, why) in WORDS {
            let word = format!("{start}{end}");
            if line.match_indices(&word).any(|(at, _)| stands_alone(line, at, &word)) {
                found.push(format!("{}:{}: {word:?}: {why}", file.display(), number + 1));
            }
        }
    }
    found
}

/// A word of letters must not be part of a longer one; a path must start at its own slash.
fn stands_alone(line: &str, at: usize, word: &str) -> bool {
    let joined = |sign: Option<char>| sign.is_some_and(char::is_alphanumeric);
    let before = line[..at].chars().next_back();
    let after = line[at + word.len()..].chars().next();
    if word.ends_with("live_") {
        // The prefix alone is a name; with what follows it is a key.
        return line[at + word.len()..].chars().take_while(char::is_ascii_alphanumeric).count() >= 8;
    }
    if word.starts_with('/') {
        return !joined(before) && !matches!(before, Some('.' | '}' | '_' | '-')) && after.is_some();
    }
    let longer = word.ends_with(char::is_alphabetic) && joined(after);
    !joined(before) && !longer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_found() {
        for (start, end, _) in WORDS {
            let text = format!("fine\nsee {start}{end}x1y2z3a4\nsee {start}{end}");
            let found = check(Path::new("a.md"), &text);
            assert!(!found.is_empty(), "{start}{end}");
        }
    }

    #[test]
    fn parts_of_other_words_and_paths_are_no_matter() {
        let text = format!("a{}{} in src/wo{}x and {}{}", "TO", "DO", "rk/", "FIX", "MES");
        assert_eq!(check(Path::new("a.md"), &text), Vec::<String>::new());
    }
}
