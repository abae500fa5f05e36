//! Finds the paths (`a::b::c`) in a Rust source file, in `use` trees and in code, without comments, literals and test modules.

/// A path in a source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The line it starts on, from 1.
    pub line: usize,
    /// Its segments.
    pub segments: Vec<String>,
}

impl Found {
    /// The path as text.
    pub fn text(&self) -> String {
        self.segments.join("::")
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Colons,
    Other(char),
}

/// Every path of at least two segments, every path of a `use`, and every word that is followed by `.` or `(` as a path of
/// one segment with that sign (`.await` is found as `.await`).
pub fn find(source: &str) -> Vec<Found> {
    let tokens = without_tests(&tokens(source));
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        at = match &tokens[at].1 {
            Token::Word(word) if word == "use" => use_tree(&tokens, at + 1, &[], &mut found),
            Token::Word(_) | Token::Colons => path(&tokens, at, &mut found),
            Token::Other(_) => at + 1,
        };
    }
    found
}

type Tokens = Vec<(usize, Token)>;

fn path(tokens: &Tokens, start: usize, found: &mut Vec<Found>) -> usize {
    let mut segments = Vec::new();
    let mut at = start;
    while let Some((_, token)) = tokens.get(at) {
        match token {
            Token::Colons => {}
            Token::Word(word) if at == start || tokens[at - 1].1 == Token::Colons => {
                segments.push(word.clone());
            }
            _ => break,
        }
        at += 1;
    }
    if segments.len() > 1 {
        found.push(Found { line: tokens[start].0, segments });
    } else if start > 0 && tokens[start - 1].1 == Token::Other('.') && !segments.is_empty() {
        found.push(Found { line: tokens[start].0, segments: vec![format!(".{}", segments[0])] });
    }
    at
}

/// Reads one tree of a `use` from `at`, and returns the index after it.
fn use_tree(tokens: &Tokens, mut at: usize, prefix: &[String], found: &mut Vec<Found>) -> usize {
    let mut segments = prefix.to_vec();
    let line = tokens.get(at).map_or(0, |(line, _)| *line);
    while let Some((_, token)) = tokens.get(at) {
        match token {
            Token::Word(word) if word == "as" => at += 2,
            Token::Word(word) => {
                segments.push(word.clone());
                at += 1;
            }
            Token::Other('*') => {
                segments.push("*".into());
                at += 1;
            }
            Token::Colons => at += 1,
            Token::Other('{') => return group(tokens, at + 1, &segments, found),
            Token::Other(_) => break,
        }
    }
    if segments.len() > prefix.len() {
        found.push(Found { line, segments });
    }
    at
}

fn group(tokens: &Tokens, mut at: usize, prefix: &[String], found: &mut Vec<Found>) -> usize {
    while let Some((_, token)) = tokens.get(at) {
        match token {
            Token::Other(',') => at += 1,
            Token::Other(_) => return at + 1,
            Token::Word(_) | Token::Colons => at = use_tree(tokens, at, prefix, found),
        }
    }
    at
}

/// Drops what stands in `#[cfg(test)] mod … { … }`.
fn without_tests(tokens: &Tokens) -> Tokens {
    const TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let is = |at: usize, text: &str| match tokens.get(at) {
        Some((_, Token::Word(word))) => word == text,
        Some((_, Token::Other(sign))) => text.len() == 1 && text.starts_with(*sign),
        _ => false,
    };
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let test = TEST.iter().enumerate().all(|(offset, text)| is(at + offset, text));
        if test && is(at + TEST.len(), "mod") {
            at = end_of_block(tokens, at);
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// The index after the next `;` or balanced `{ … }`.
fn end_of_block(tokens: &Tokens, start: usize) -> usize {
    let mut depth = 0_usize;
    for (at, (_, token)) in tokens.iter().enumerate().skip(start) {
        match token {
            Token::Other('{') => depth += 1,
            Token::Other('}') if depth <= 1 => return at + 1,
            Token::Other('}') => depth -= 1,
            Token::Other(';') if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

fn tokens(source: &str) -> Tokens {
    let text: Vec<char> = source.chars().collect();
    let (mut at, mut line, mut tokens) = (0, 1, Vec::new());
    while at < text.len() {
        let end = skipped(&text, at);
        if end > at {
            line += text[at..end].iter().filter(|sign| **sign == '\n').count();
            at = end;
        } else if is_word(text[at]) {
            let end = (at..text.len()).find(|end| !is_word(text[*end])).unwrap_or(text.len());
            tokens.push((line, Token::Word(text[at..end].iter().collect())));
            at = end;
        } else if text[at] == ':' && text.get(at + 1) == Some(&':') {
            tokens.push((line, Token::Colons));
            at += 2;
        } else {
            tokens.push((line, Token::Other(text[at])));
            at += 1;
        }
    }
    tokens
}

fn is_word(sign: char) -> bool {
    sign.is_alphanumeric() || sign == '_'
}

/// The end of the white space, comment or literal that starts here; `at` if none does.
fn skipped(text: &[char], at: usize) -> usize {
    let next = text.get(at + 1).copied().unwrap_or(' ');
    match text[at] {
        sign if sign.is_whitespace() => at + 1,
        '/' if next == '/' => position(text, at, "\n"),
        '/' if next == '*' => position(text, at + 2, "*/"),
        '"' => end_of_string(text, at),
        'r' | 'b' | 'c' if at == 0 || !is_word(text[at - 1]) => raw_string(text, at).unwrap_or(at),
        // A lifetime has no closing quote after one character.
        '\'' if next == '\\' => position(text, at + 3, "'"),
        '\'' if text.get(at + 2) == Some(&'\'') => at + 3,
        _ => at,
    }
}

/// The index after the next `end`, which is one or two characters.
fn position(text: &[char], from: usize, end: &str) -> usize {
    let end: Vec<char> = end.chars().collect();
    let from = from.min(text.len());
    let found = text[from..].windows(end.len()).position(|window| window == end);
    found.map_or(text.len(), |offset| from + offset + end.len())
}

fn end_of_string(text: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while at < text.len() && text[at] != '"' {
        at += if text[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(text.len())
}

/// The end of a literal such as `r"…"`, `r#"…"#`, `b"…"` or `br"…"`.
fn raw_string(text: &[char], start: usize) -> Option<usize> {
    let prefix = text[start..].iter().take(2).take_while(|sign| "rbc".contains(**sign)).count();
    let raw = text[start..start + prefix].contains(&'r');
    let mut at = start + prefix;
    let hashes = text[at..].iter().take_while(|sign| **sign == '#').count();
    at += hashes;
    if text.get(at) != Some(&'"') || (hashes > 0 && !raw) {
        return None;
    }
    if !raw {
        return Some(end_of_string(text, at));
    }
    let closed = |end: &usize| {
        text[*end] == '"' && text[end + 1..].iter().take(hashes).filter(|s| **s == '#').count() == hashes
    };
    let end = (at + 1..text.len()).find(closed)?;
    Some(end + 1 + hashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<String> {
        find(source).iter().map(Found::text).collect()
    }

    #[test]
    fn a_use_tree_is_unfolded() {
        let source = "use crate::{api::Kind, domain::{plan, outcome::*}, aep as service};";
        let expected = ["crate::api::Kind", "crate::domain::plan", "crate::domain::outcome::*", "crate::aep"];
        assert_eq!(texts(source), expected);
    }

    #[test]
    fn a_path_in_code_is_found_with_its_line() {
        let found = find("fn f() {\n    crate::aep::call(x);\n}");
        assert_eq!(found, [Found { line: 2, segments: vec!["crate".into(), "aep".into(), "call".into()] }]);
    }

    #[test]
    fn comments_literals_and_test_modules_do_not_count() {
        let source = r##"
            // crate::aep::a
            /* crate::aep::b */
            const A: &str = "crate::aep::c \" crate::aep::d";
            const B: &str = r#"crate::aep::e"#;
            const C: char = '"';
            fn f<'a>(x: &'a str) { crate::api::g() }
            #[cfg(test)]
            mod tests { use crate::aep::h; fn f() { {} } }
            use crate::domain::i;
        "##;
        assert_eq!(texts(source), ["crate::api::g", "crate::domain::i"]);
    }

    #[test]
    fn an_await_is_found() {
        assert_eq!(texts("async fn f() { x.await; }"), [".await"]);
    }
}
