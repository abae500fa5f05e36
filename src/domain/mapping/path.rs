//! Dotted paths of sources and destinations: `items.data[*].id`, with `\.` for a dot inside a key and `${…}` around a key with
//! special characters.

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    /// The key.
    pub name: String,
    /// Whether an index such as `[*]` or `[0]` follows the key.
    pub list: bool,
}

/// The steps of a path.
pub(super) fn segments(path: &str) -> Vec<Segment> {
    let mut keys = Vec::new();
    let mut key = String::new();
    let mut letters = path.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => key.extend(letters.next()),
            '$' if letters.next_if_eq(&'{').is_some() => {
                key.extend(letters.by_ref().take_while(|l| *l != '}'));
            }
            '.' => keys.push(std::mem::take(&mut key)),
            _ => key.push(letter),
        }
    }
    keys.push(key);
    keys.into_iter().map(segment).collect()
}

fn segment(key: String) -> Segment {
    match index_start(&key) {
        Some(start) => Segment { name: key[..start].to_owned(), list: true },
        None => Segment { name: key, list: false },
    }
}

/// Where the index of a key begins, if it has one.
fn index_start(key: &str) -> Option<usize> {
    let start = key.rfind('[')?;
    let index = key[start + 1..].strip_suffix(']')?;
    let is_index = index == "*" || (!index.is_empty() && index.bytes().all(|digit| digit.is_ascii_digit()));
    (start > 0 && is_index).then_some(start)
}

/// The path with every index written `[*]`, so that `lines[0].id` and `lines[*].id` compare equal.
pub(super) fn any_index(path: &str) -> String {
    let keys: Vec<String> = segments(path).iter().map(written).collect();
    keys.join(".")
}

fn written(segment: &Segment) -> String {
    let name = escaped(&segment.name);
    if segment.list { format!("{name}[*]") } else { name }
}

/// A key as it is written inside a path.
pub(super) fn escaped(key: &str) -> String {
    key.replace('\\', "\\\\").replace('.', "\\.")
}

/// Whether `path` lies strictly below `parent`.
pub(super) fn is_below(path: &str, parent: &str) -> bool {
    path.strip_prefix(parent).is_some_and(|rest| rest.starts_with('.') || rest.starts_with('['))
}

/// The paths above `path`, nearest first; of `a[*].b` these are `a[*]`, then `a`.
pub(super) fn ancestors(path: &str) -> Vec<String> {
    let steps = segments(path);
    let mut found = Vec::new();
    for end in (1..=steps.len()).rev() {
        let keys: Vec<String> = steps[..end].iter().map(written).collect();
        let here = keys.join(".");
        if end < steps.len() {
            found.push(here.clone());
        }
        if let Some(list) = here.strip_suffix("[*]") {
            found.push(list.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escaped_dot_does_not_split() {
        let names: Vec<String> = segments(r"data.street\.name.x").into_iter().map(|step| step.name).collect();
        assert_eq!(names, ["data", "street.name", "x"]);
        assert_eq!(any_index(r"data.street\.name"), r"data.street\.name");
    }

    #[test]
    fn a_key_in_braces_is_taken_literally() {
        let names: Vec<String> =
            segments("data.${street name}.x").into_iter().map(|step| step.name).collect();
        assert_eq!(names, ["data", "street name", "x"]);
        assert_eq!(any_index("data.${a.b}[0]"), r"data.a\.b[*]");
    }

    #[test]
    fn an_index_marks_a_list() {
        assert_eq!(any_index("items.data[0].id"), "items.data[*].id");
        assert!(segments("a[*]")[0].list);
        assert!(!segments("a[b]")[0].list, "only a star or a number is an index");
    }

    #[test]
    fn below_needs_a_separator() {
        assert!(is_below("a.b", "a"));
        assert!(is_below("a[*].b", "a"));
        assert!(!is_below("ab", "a"));
        assert!(!is_below("a", "a"));
    }

    #[test]
    fn ancestors_name_lists_and_their_records() {
        assert_eq!(ancestors("data.items[0].id"), ["data.items[*]", "data.items", "data"]);
        assert_eq!(ancestors("data.tags[*]"), ["data.tags", "data"]);
    }
}
