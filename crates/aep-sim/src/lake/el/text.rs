//! Functions on texts.

use regex::Regex;
use serde_json::{Value, json};

use super::value::Val;

/// Longer results of padding are a mistake.
const MAX_PADDED: usize = 100_000;

/// The result of a text function; `None` when the name is not one of them.
pub(super) fn call(name: &str, values: &[Val]) -> Option<Result<Val, String>> {
    let of = |index: usize| values.get(index).map(Val::text).unwrap_or_default();
    Some(match name {
        "concat" => Ok(Val::from(values.iter().map(Val::text).collect::<String>())),
        "equals" => Ok(Val::from(of(0) == of(1))),
        "equalsIgnoreCase" => Ok(Val::from(of(0).to_lowercase() == of(1).to_lowercase())),
        "join" => Ok(join(values)),
        "instr" => instr(values),
        "matches_regex" => regex(&of(1)).map(|pattern| Val::from(pattern.is_match(&of(0)))),
        // Nothing stays nothing in every function that transforms one text.
        "lower" | "lcase" | "upper" | "ucase" | "trim" | "ltrim" | "rtrim" | "left" | "right" | "substr"
        | "replacestr" | "split" | "explode" | "extract_regex"
            if values.first().is_some_and(Val::is_null) =>
        {
            Ok(Val::NULL)
        }
        "lower" | "lcase" => Ok(Val::from(of(0).to_lowercase())),
        "upper" | "ucase" => Ok(Val::from(of(0).to_uppercase())),
        "trim" => Ok(Val::from(of(0).trim())),
        "ltrim" => Ok(Val::from(of(0).trim_start())),
        "rtrim" => Ok(Val::from(of(0).trim_end())),
        "replacestr" => Ok(Val::from(of(0).replace(&of(1), &of(2)))),
        "left" => count(values, 1).map(|n| Val::from(of(0).chars().take(n).collect::<String>())),
        "right" => count(values, 1).map(|n| Val::from(right(&of(0), n))),
        "substr" => substr(values),
        "lpad" | "rpad" => pad(name == "lpad", values),
        "split" => Ok(split(&of(0), &of(1))),
        "explode" => explode(&of(0), values.get(1)),
        "extract_regex" => extract(&of(0), &of(1)),
        _ => return None,
    })
}

fn regex(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|_| format!("{pattern:?} is not a regular expression"))
}

fn count(values: &[Val], index: usize) -> Result<usize, String> {
    let number = values.get(index).map_or(Ok(0), Val::integer)?;
    usize::try_from(number).map_err(|_| format!("{number} is not a count"))
}

fn right(text: &str, count: usize) -> String {
    let length = text.chars().count();
    text.chars().skip(length.saturating_sub(count)).collect()
}

fn substr(values: &[Val]) -> Result<Val, String> {
    let start = count(values, 1)?;
    let length = if values.len() > 2 { count(values, 2)? } else { usize::MAX };
    let text = values.first().map(Val::text).unwrap_or_default();
    Ok(Val::from(text.chars().skip(start).take(length).collect::<String>()))
}

fn pad(left: bool, values: &[Val]) -> Result<Val, String> {
    let of = |index: usize| values.get(index).map(Val::text).unwrap_or_default();
    let (text, size) = (of(0), count(values, 1)?);
    if size > MAX_PADDED {
        return Err(format!("{size} is too long"));
    }
    let padding = if of(2).is_empty() { " ".to_owned() } else { of(2) };
    let missing = size.saturating_sub(text.chars().count());
    let padding: String = padding.chars().cycle().take(missing).collect();
    Ok(Val::from(if left { padding + &text } else { text + &padding }))
}

fn join(values: &[Val]) -> Val {
    let separator = values.first().map(Val::text).unwrap_or_default();
    let items = values.get(1).and_then(Val::items).unwrap_or_default();
    let texts: Vec<String> = items.iter().filter(|item| !item.is_null()).map(Val::text).collect();
    Val::from(texts.join(&separator))
}

fn instr(values: &[Val]) -> Result<Val, String> {
    let of = |index: usize| values.get(index).map(Val::text).unwrap_or_default();
    let (text, wanted, start) = (of(0), of(1), count(values, 2)?);
    let occurrence = if values.len() > 3 { count(values, 3)?.max(1) } else { 1 };
    let offset: usize = text.chars().take(start).map(char::len_utf8).sum();
    let found = text[offset..].match_indices(&wanted).nth(occurrence - 1).map(|(at, _)| offset + at);
    Ok(found.map_or_else(|| Val::from(-1), |at| Val::from(text[..at].chars().count())))
}

/// Every character of the separator separates.
fn split(text: &str, separators: &str) -> Val {
    Val::Json(text.split(|c| separators.contains(c)).map(|part| json!(part)).collect())
}

fn explode(text: &str, separator: Option<&Val>) -> Result<Val, String> {
    let pattern = regex(&separator.map_or_else(|| ",".to_owned(), Val::text))?;
    Ok(Val::Json(pattern.split(text).map(|part| json!(part)).collect()))
}

fn extract(text: &str, pattern: &str) -> Result<Val, String> {
    let groups = regex(pattern)?.captures(text);
    let groups = groups
        .iter()
        .flat_map(|groups| groups.iter())
        .map(|group| group.map_or(Value::Null, |g| json!(g.as_str())));
    Ok(Val::Json(groups.collect()))
}
