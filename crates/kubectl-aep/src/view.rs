//! How items are printed: as a tree of chains, as a table of what is wrong, or as one document.

use std::collections::BTreeMap;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use termtree::Tree;

use crate::args::Output;
use crate::item::Item;

fn style(item: &Item) -> Style {
    let colour = match (item.ready.as_str(), item.needs_attention) {
        ("True", false) => AnsiColor::Green,
        ("False", _) => AnsiColor::Red,
        _ => AnsiColor::Yellow,
    };
    colour.on_default()
}

/// One line of an object: name, state and what it is about.
fn line(item: &Item) -> String {
    let style = style(item);
    let mark = match (item.ready.as_str(), item.needs_attention) {
        ("True", false) => "✔",
        ("False", _) => "✘",
        _ => "●",
    };
    let reason = if item.needs_attention || item.ready != "True" {
        format!("  {style}{}{style:#}", item.reason)
    } else {
        String::new()
    };
    let run = item.last_run.as_ref().map(|run| format!("  last run: {run}")).unwrap_or_default();
    format!("{style}{mark}{style:#} {} {} ({}){reason}{run}", item.kind, item.name, item.about)
}

/// The lines of one namespace: every chain from its base, and what hangs nowhere.
pub fn trees(items: &[Item]) -> Vec<Tree<String>> {
    let mut by_namespace: BTreeMap<&str, Vec<&Item>> = BTreeMap::new();
    for item in items {
        by_namespace.entry(&item.namespace).or_default().push(item);
    }
    let tree = |(namespace, items): (&str, Vec<&Item>)| {
        let is_root = |item: &&&Item| {
            item.parent.as_ref().is_none_or(|(kind, name)| {
                !items.iter().any(|other| (&other.kind, &other.name) == (kind, name))
            })
        };
        let roots: Vec<Tree<String>> =
            items.iter().filter(is_root).map(|item| branch(item, &items)).collect();
        Tree::new(namespace.to_owned()).with_leaves(roots)
    };
    by_namespace.into_iter().map(tree).collect()
}

fn branch(item: &Item, items: &[&Item]) -> Tree<String> {
    let own = (item.kind.clone(), item.name.clone());
    let upstream = item.upstream.iter().map(|object| {
        let state = object.state.as_ref().map(|state| format!(" {state}")).unwrap_or_default();
        let dim = Style::new().dimmed();
        Tree::new(format!("{dim}{} {}{state}{dim:#}", object.role, object.id))
    });
    let children = items.iter().filter(|child| child.parent.as_ref() == Some(&own));
    let leaves: Vec<Tree<String>> = upstream.chain(children.map(|child| branch(child, items))).collect();
    Tree::new(line(item)).with_leaves(leaves)
}

/// A table of what needs attention; `None` when nothing does.
pub fn problems(items: &[Item]) -> Option<Table> {
    let wrong: Vec<&Item> = items.iter().filter(|item| item.needs_attention).collect();
    if wrong.is_empty() {
        return None;
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["object", "ready", "reason", "message", "what to do"]);
    for item in wrong {
        let object = format!("{}\n{}/{}", item.kind, item.namespace, item.name);
        let remedy = match &item.pending {
            Some(pending) => format!(
                "{}: {}\nkubectl aep approve {}/{} -n {}",
                pending.kind,
                pending.differences.join("\n"),
                item.kind,
                item.name,
                item.namespace
            ),
            None => item.remedy.clone(),
        };
        table.add_row([&object, &item.ready, &item.reason, &item.message, &remedy]);
    }
    Some(table)
}

/// One document, for programs.
pub fn document<T: Serialize>(value: &T, output: Output) -> Result<String> {
    Ok(match output {
        Output::Yaml => serde_saphyr::to_string(value)?,
        Output::Json | Output::Table => serde_json::to_string_pretty(value)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(kind: &str, name: &str, parent: Option<(&str, &str)>) -> Item {
        Item {
            kind: kind.to_owned(),
            namespace: "shop".to_owned(),
            name: name.to_owned(),
            parent: parent.map(|(kind, name)| (kind.to_owned(), name.to_owned())),
            about: "sandbox dev".to_owned(),
            ready: "True".to_owned(),
            reason: "Available".to_owned(),
            message: String::new(),
            remedy: String::new(),
            needs_attention: false,
            upstream: Vec::new(),
            last_run: None,
            pending: None,
        }
    }

    #[test]
    fn a_chain_hangs_below_its_base_and_an_orphan_stands_alone() {
        let items = [
            item("StripeBaseConnection", "eu", None),
            item("StripeSourceConnection", "charges", Some(("StripeBaseConnection", "eu"))),
            item("StripeSourceConnection", "lost", Some(("StripeBaseConnection", "missing"))),
        ];
        let trees = trees(&items);
        let text = anstream::adapter::strip_str(&trees[0].to_string()).to_string();
        let depth = |name: &str| {
            let line = text.lines().find(|line| line.contains(name)).unwrap_or_default();
            line.chars().take_while(|c| !c.is_alphabetic()).filter(|c| *c == ' ' || *c == '│').count()
        };
        assert!(depth(" charges ") > depth(" eu "), "{text}");
        assert_eq!(depth(" lost "), depth(" eu "), "{text}");
    }

    #[test]
    fn only_what_needs_attention_is_a_problem() {
        let well = item("StripeBaseConnection", "eu", None);
        assert!(problems(std::slice::from_ref(&well)).is_none());
        let wrong = Item {
            needs_attention: true,
            reason: "SecretMissing".into(),
            remedy: "Create the Secret.".into(),
            ..well
        };
        let text = problems(&[wrong]).expect("a table").to_string();
        assert!(text.contains("SecretMissing") && text.contains("Create the Secret."), "{text}");
    }
}
