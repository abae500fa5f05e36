//! Splits an expression into tokens.

/// One token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A text literal, without its quotes.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Decimal(f64),
    /// A name or keyword.
    Word(String),
    /// A name wrapped in `${…}`, with the wrapping.
    Wrapped(String),
    /// An operator or bracket.
    Symbol(&'static str),
}

/// Longest first, so that `==` is not read as two tokens.
const SYMBOLS: [&str; 33] = [
    "==", "!=", "<=", ">=", "&&", "||", "=~", "!~", "?:", "??", "(", ")", "[", "]", "{", "}", ",", ".", "?",
    ":", "+", "-", "*", "/", "%", "<", ">", "!", "~", "&", "|", "^", ";",
];

/// All tokens of an expression.
pub(super) fn tokens(source: &str) -> Result<Vec<Token>, String> {
    let mut rest = source.trim_start();
    let mut found = Vec::new();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '"' | '\'' => text(rest, first)?,
            '0'..='9' => number(rest)?,
            '$' if rest.starts_with("${") => wrapped(rest)?,
            c if c.is_alphabetic() || c == '_' || c == '$' => word(rest)?,
            _ => symbol(rest)?,
        };
        found.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(found)
}

fn text(rest: &str, quote: char) -> Result<(Token, usize), String> {
    let mut content = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some((_, 'n')) => content.push('\n'),
                Some((_, 't')) => content.push('\t'),
                Some((_, c)) if c == quote || c == '\\' => content.push(c),
                Some((_, c)) => content.extend(['\\', c]),
                None => break,
            },
            c if c == quote => return Ok((Token::Text(content), at + c.len_utf8())),
            c => content.push(c),
        }
    }
    Err("a text is not closed".to_owned())
}

fn number(rest: &str) -> Result<(Token, usize), String> {
    let whole = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let fraction =
        rest[whole..].strip_prefix('.').map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
    let length = if fraction > 0 { whole + 1 + fraction } else { whole };
    let digits = &rest[..length];
    let unreadable = || format!("{digits} is not a number");
    let token = if fraction > 0 {
        Token::Decimal(digits.parse().map_err(|_| unreadable())?)
    } else {
        Token::Integer(digits.parse().map_err(|_| unreadable())?)
    };
    match rest[length..].chars().next() {
        Some(c) if c.is_alphabetic() || c == '_' => {
            Err(format!("{digits}{c} is neither a number nor a name"))
        }
        _ => Ok((token, length)),
    }
}

fn wrapped(rest: &str) -> Result<(Token, usize), String> {
    let end = rest.find('}').ok_or("${ is not closed")?;
    Ok((Token::Wrapped(rest[..=end].to_owned()), end + 1))
}

/// A name; `\.` is a dot inside of it.
fn word(rest: &str) -> Result<(Token, usize), String> {
    let mut chars = rest.char_indices();
    let mut end = rest.len();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                chars.next().ok_or("the expression ends with a backslash")?;
            }
            c if c.is_alphanumeric() || c == '_' || c == '$' || c == '@' => {}
            _ => {
                end = at;
                break;
            }
        }
    }
    Ok((Token::Word(rest[..end].to_owned()), end))
}

fn symbol(rest: &str) -> Result<(Token, usize), String> {
    let found = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol));
    let found =
        found.ok_or_else(|| format!("unexpected character {:?}", rest.chars().next().unwrap_or_default()))?;
    Ok((Token::Symbol(found), found.len()))
}
