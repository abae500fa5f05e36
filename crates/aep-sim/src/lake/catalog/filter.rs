//! Reading: filters, order, pages and the choice of properties.
//!
//! There is no link to a next page: a client reads on until a page comes back short.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Context, bad_request, problem};
use crate::lake::{compare, visible};
use crate::wire::{Call, Reply};

type Object = Map<String, Value>;

const DEFAULT_PAGE: usize = 20;
const MAX_PAGE: usize = 100;

/// Query parameters that are no filters on a property of their name.
const CONTROLS: [&str; 7] =
    ["limit", "start", "orderBy", "sort", "properties", "requestDataSource", "expansion"];

/// The answer to a list.
pub(super) fn list<'o>(
    context: &Context<'_>,
    objects: impl Iterator<Item = (&'o String, &'o Object)>,
) -> Result<Reply, Reply> {
    let call = context.call;
    let limit = number(call, "limit", DEFAULT_PAGE)?;
    if limit == 0 || limit > MAX_PAGE {
        return Err(bad_request(format!("The parameter limit must be between 1 and {MAX_PAGE}.")));
    }
    let start = number(call, "start", 0)?;
    let order = order(call)?;
    let mut found: Vec<(&String, &Object)> = objects
        .filter(|(_, object)| {
            is_visible(context, object, context.switches.list_lag_ms) && matches(call, object)
        })
        .collect();
    found.sort_by(|a, b| compare_by(&order, a.1, b.1));
    let page = found.into_iter().skip(start).take(limit);
    let shown: Object = page.map(|(id, object)| (id.clone(), Value::Object(project(call, object)))).collect();
    Ok(Reply::json(200, Value::Object(shown)))
}

/// The answer to a look-up, which may ask for several ids at once.
pub(super) fn look_up(context: &Context<'_>, ids: &str, objects: &BTreeMap<String, Object>) -> Reply {
    let lag = context.switches.get_lag_ms;
    let found = ids.split(',').filter_map(|id| Some((id, objects.get(id)?)));
    let found = found.filter(|(_, object)| is_visible(context, object, lag));
    let shown: Object =
        found.map(|(id, object)| (id.to_owned(), Value::Object(project(context.call, object)))).collect();
    if shown.is_empty() { not_found(ids) } else { Reply::json(200, Value::Object(shown)) }
}

fn is_visible(context: &Context<'_>, object: &Object, lag_ms: i64) -> bool {
    let created = object.get("created").and_then(Value::as_i64).unwrap_or(0);
    visible(created, context.now_ms, lag_ms)
}

/// No object with that id.
pub(super) fn not_found(id: &str) -> Reply {
    problem(404, "Not Found", format!("Object {id} is not found."))
}

fn number(call: &Call, name: &str, default: usize) -> Result<usize, Reply> {
    match call.query(name) {
        None => Ok(default),
        Some(text) => {
            text.parse().map_err(|_| bad_request(format!("The parameter {name} must be a number.")))
        }
    }
}

/// `orderBy=asc:name,desc:created`, also without a direction.
fn order(call: &Call) -> Result<Vec<(String, bool)>, Reply> {
    let text = call.query("orderBy").or_else(|| call.query("sort")).unwrap_or_default();
    let part = |part: &str| match part.split_once(':') {
        None => Ok((part.to_owned(), false)),
        Some(("asc", name)) => Ok((name.to_owned(), false)),
        Some(("desc", name)) => Ok((name.to_owned(), true)),
        Some((direction, _)) => Err(bad_request(format!("{direction} is not a direction of orderBy."))),
    };
    text.split(',').filter(|part| !part.is_empty()).map(part).collect()
}

fn compare_by(order: &[(String, bool)], a: &Object, b: &Object) -> Ordering {
    let value = |object: &Object, name: &str| object.get(name).cloned().unwrap_or(Value::Null);
    let ordered = order.iter().map(|(name, descending)| {
        let order = compare::values(&value(a, name), &value(b, name));
        if *descending { order.reverse() } else { order }
    });
    ordered.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

fn project(call: &Call, object: &Object) -> Object {
    let Some(wanted) = call.query("properties") else { return object.clone() };
    let wanted: Vec<&str> = wanted.split(',').map(str::trim).collect();
    let kept = object.iter().filter(|(name, _)| wanted.contains(&name.as_str()));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn matches(call: &Call, object: &Object) -> bool {
    call.query.iter().all(|(name, value)| match name.as_str() {
        "property" => property(value, object),
        "tags" => value.split(',').all(|wanted| tag(wanted, object)),
        "createdAfter" => property(&format!("created>={value}"), object),
        "createdBefore" => property(&format!("created<={value}"), object),
        control if CONTROLS.contains(&control) => true,
        name => simple(name, value, object),
    })
}

/// `name==x`, `name~^x`, `name` for present, `!name` for absent.
fn property(filter: &str, object: &Object) -> bool {
    match compare::find_operator(filter) {
        Some((at, operator)) => {
            let (name, wanted) = (&filter[..at], &filter[at + operator.len()..]);
            match (name, operator) {
                ("name", "==") => equals(name, wanted, object),
                ("name", "!=") => !equals(name, wanted, object),
                _ => compare::test(object.get(name).unwrap_or(&Value::Null), operator, wanted),
            }
        }
        None => match filter.strip_prefix('!') {
            Some(name) => !object.contains_key(name),
            None => object.contains_key(filter),
        },
    }
}

/// `a,b` means one of them, `!a,b` none of them.
fn simple(name: &str, wanted: &str, object: &Object) -> bool {
    let (inverted, list) = match wanted.strip_prefix('!') {
        Some(list) => (true, list),
        None => (false, wanted),
    };
    list.split(',').any(|item| equals(name, item, object)) != inverted
}

/// Only names know wildcards.
fn equals(name: &str, wanted: &str, object: &Object) -> bool {
    match object.get(name) {
        None => false,
        Some(value) if name == "name" => wildcard(wanted, &compare::text(value)),
        Some(value) => compare::test(value, "==", wanted),
    }
}

/// `key:value`; a star at the end of the value stands for anything.
fn tag(wanted: &str, object: &Object) -> bool {
    let (key, value) = wanted.split_once(':').unwrap_or((wanted, "*"));
    let tags = object.get("tags").and_then(|tags| tags.get(key.trim())).and_then(Value::as_array);
    let fits = |text: &str| match value.strip_suffix('*') {
        Some(prefix) => text.starts_with(prefix),
        None => text == value,
    };
    tags.is_some_and(|values| values.iter().filter_map(Value::as_str).any(fits))
}

/// `*` stands for any characters, `**` for one star.
fn wildcard(pattern: &str, text: &str) -> bool {
    let mut pieces = vec![String::new()];
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' if chars.next_if_eq(&'*').is_none() => pieces.push(String::new()),
            c => {
                if let Some(piece) = pieces.last_mut() {
                    piece.push(c);
                }
            }
        }
    }
    let [first, middle @ .., last] = pieces.as_slice() else {
        return pieces.first().is_some_and(|piece| piece == text);
    };
    let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
    for piece in middle {
        let Some(at) = rest.find(piece.as_str()) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn wildcards_match_any_characters_and_double_stars_one_star() {
        assert!(wildcard("test*", "testing"));
        assert!(wildcard("*ing", "testing"));
        assert!(wildcard("t*t*g", "testing"));
        assert!(wildcard("a**b", "a*b"));
        assert!(!wildcard("a**b", "axb"));
        assert!(!wildcard("test", "testing"));
    }

    #[test]
    fn names_are_alternatives_or_exclusions() {
        let object = Object::from_iter([("name".to_owned(), json!("charges"))]);
        assert!(simple("name", "refunds,charges", &object));
        assert!(!simple("name", "refunds", &object));
        assert!(!simple("name", "!refunds,charges", &object), "the mark inverts the whole list");
        assert!(simple("name", "!refunds,prices", &object));
        assert!(!simple("other", "*", &object));
    }
}
