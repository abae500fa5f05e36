//! Paths into records: reading from a source, writing to a destination.
//!
//! `a.b` goes down, `a[0]` takes one element, `a[]` and `a[*]` take every element, `\.` is a dot inside a name and `${…}`
//! wraps a name with special characters.

use serde_json::{Map, Value};

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A member of an object.
    Name(String),
    /// One element of an array.
    Index(usize),
    /// Every element of an array.
    Each,
}

/// Beyond this an index is a typing error, not an array.
const MAX_INDEX: usize = 10_000;

/// Reads a path; the error says what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Vec<Step>, String> {
    let mut parser = Parser { rest: text, steps: Vec::new() };
    if text.trim().is_empty() {
        return Err("the path is empty".to_owned());
    }
    loop {
        parser.name(text)?;
        while parser.rest.starts_with('[') {
            parser.bracket(text)?;
        }
        match parser.rest.strip_prefix('.') {
            Some(rest) => parser.rest = rest,
            None if parser.rest.is_empty() => return Ok(parser.steps),
            None => return Err(format!("unexpected {:?} in path {text}", parser.rest)),
        }
    }
}

struct Parser<'t> {
    rest: &'t str,
    steps: Vec<Step>,
}

impl Parser<'_> {
    fn name(&mut self, whole: &str) -> Result<(), String> {
        if let Some(wrapped) = self.rest.strip_prefix("${") {
            let end = wrapped.find('}').ok_or_else(|| format!("${{ is not closed in path {whole}"))?;
            let (inside, rest) = (&wrapped[..end], &wrapped[end + 1..]);
            self.rest = rest;
            return self.wrapped(inside, whole);
        }
        let mut name = String::new();
        let mut chars = self.rest.char_indices();
        let mut end = self.rest.len();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some((_, escaped)) => name.push(escaped),
                    None => return Err(format!("path {whole} ends with a backslash")),
                },
                '.' | '[' => {
                    end = at;
                    break;
                }
                c if c.is_alphanumeric() || "_-$@:/".contains(c) => name.push(c),
                c => return Err(format!("character {c:?} in path {whole} must be escaped")),
            }
        }
        if name.is_empty() {
            return Err(format!("path {whole} has an empty name"));
        }
        self.rest = &self.rest[end..];
        self.steps.push(Step::Name(name));
        Ok(())
    }

    /// Inside of `${…}` everything but an unescaped dot belongs to the name.
    fn wrapped(&mut self, inside: &str, whole: &str) -> Result<(), String> {
        let mut name = String::new();
        let mut chars = inside.chars();
        let mut names = Vec::new();
        while let Some(c) = chars.next() {
            match c {
                '\\' => name.extend(chars.next()),
                '.' => names.push(std::mem::take(&mut name)),
                c => name.push(c),
            }
        }
        names.push(name);
        if names.iter().any(String::is_empty) {
            return Err(format!("path {whole} has an empty name"));
        }
        self.steps.extend(names.into_iter().map(Step::Name));
        Ok(())
    }

    fn bracket(&mut self, whole: &str) -> Result<(), String> {
        let end = self.rest.find(']').ok_or_else(|| format!("[ is not closed in path {whole}"))?;
        let inside = &self.rest[1..end];
        let step = match inside {
            "" | "*" => Step::Each,
            number => match number.parse::<usize>() {
                Ok(index) if index <= MAX_INDEX => Step::Index(index),
                _ => return Err(format!("{number:?} is not an index in path {whole}")),
            },
        };
        self.steps.push(step);
        self.rest = &self.rest[end + 1..];
        Ok(())
    }
}

/// Only the names of a path.
pub(crate) fn names(steps: &[Step]) -> Vec<&str> {
    let name = |step: &'_ Step| matches!(step, Step::Name(_));
    steps
        .iter()
        .filter(|step| name(step))
        .map(|step| if let Step::Name(name) = step { name.as_str() } else { "" })
        .collect()
}

/// The value at a path; nothing where the record has nothing. An array is passed through as if `[*]` stood there.
pub(crate) fn get(value: &Value, steps: &[Step]) -> Value {
    let Some((step, rest)) = steps.split_first() else { return value.clone() };
    match (step, value) {
        (Step::Name(name), Value::Object(members)) => {
            members.get(name).map_or(Value::Null, |member| get(member, rest))
        }
        (Step::Index(index), Value::Array(items)) => {
            items.get(*index).map_or(Value::Null, |item| get(item, rest))
        }
        (Step::Each, Value::Array(items)) => Value::Array(items.iter().map(|item| get(item, rest)).collect()),
        (Step::Name(_), Value::Array(items)) => {
            Value::Array(items.iter().map(|item| get(item, steps)).collect())
        }
        _ => Value::Null,
    }
}

/// Puts a value at a path; objects that meet are merged.
pub(crate) fn set(target: &mut Value, steps: &[Step], value: Value) {
    let Some((step, rest)) = steps.split_first() else {
        merge(target, value);
        return;
    };
    match step {
        Step::Name(name) => set(member(target, name), rest, value),
        Step::Index(index) => set(element(target, *index), rest, value),
        Step::Each => {
            let items = match value {
                Value::Array(items) => items,
                single => vec![single],
            };
            for (index, item) in items.into_iter().enumerate() {
                set(element(target, index), rest, item);
            }
        }
    }
}

fn member<'t>(target: &'t mut Value, name: &str) -> &'t mut Value {
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    &mut target[name]
}

fn element(target: &mut Value, index: usize) -> &mut Value {
    if !target.is_array() {
        *target = Value::Array(Vec::new());
    }
    if let Value::Array(items) = target
        && items.len() <= index
    {
        items.resize(index + 1, Value::Null);
    }
    &mut target[index]
}

fn merge(target: &mut Value, value: Value) {
    match (target, value) {
        (Value::Object(members), Value::Object(more)) => {
            for (name, value) in more {
                merge(members.entry(name).or_insert(Value::Null), value);
            }
        }
        (target, value) => *target = value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(record: &Value, path: &str) -> Value {
        get(record, &parse(path).unwrap())
    }

    #[test]
    fn records_are_read_by_name_index_and_each() {
        let record = json!({"data": {"a.b": 1, "First Name": "J", "items": [{"n": 1}, {"n": 2}]}});
        assert_eq!(read(&record, r"data.a\.b"), json!(1));
        assert_eq!(read(&record, "data.${First Name}"), json!("J"));
        assert_eq!(read(&record, r"${data.a\.b}"), json!(1));
        assert_eq!(read(&record, "data.items[1].n"), json!(2));
        assert_eq!(read(&record, "data.items[*].n"), json!([1, 2]));
        assert_eq!(read(&record, "data.items[].n"), json!([1, 2]));
        assert_eq!(read(&record, "data.none.deeper"), Value::Null);
    }

    #[test]
    fn broken_paths_are_refused_with_a_reason() {
        for path in ["", "a..b", "a.", ".a", "a[", "a[x]", "First Name", "${a", r"a\", "a[99999]"] {
            assert!(parse(path).is_err(), "{path:?} must be refused");
        }
    }

    #[test]
    fn writing_builds_objects_and_arrays() {
        let mut target = json!({});
        set(&mut target, &parse("a.b[1].c").unwrap(), json!(1));
        set(&mut target, &parse("a.d[*].n").unwrap(), json!([1, 2]));
        assert_eq!(target, json!({"a": {"b": [null, {"c": 1}], "d": [{"n": 1}, {"n": 2}]}}));
    }

    #[test]
    fn a_child_written_after_its_parent_stays_beside_its_siblings() {
        let mut target = json!({});
        set(&mut target, &parse("o").unwrap(), json!({"x": 1, "y": 2}));
        set(&mut target, &parse("o.x").unwrap(), json!(9));
        assert_eq!(target, json!({"o": {"x": 9, "y": 2}}));
    }
}
