//! How items are printed: as a tree of chains, as a table of what is wrong, or as one document.

use std::collections::BTreeMap;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use termtree::Tree;

use crate::args::Output;
use crate::item::Item;
use crate::orphans::Orphan;
use crate::plan::ObjectPlan;
use crate::preview::{Shown, leaves};

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

/// A table in the form that all of them have.
fn table<const COLUMNS: usize>(header: [&str; COLUMNS]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header);
    table
}

/// What a command found: for people as `draw` says, else as one document.
pub fn shown<T: Serialize>(found: &T, output: Output, draw: impl Fn(&T) -> String) -> Result<String> {
    if output == Output::Table { Ok(draw(found)) } else { document(found, output) }
}

/// A table of upstream objects whose owner is gone.
pub fn orphans(orphans: &[Orphan]) -> String {
    if orphans.is_empty() {
        return "nothing upstream carries the marker of this cluster without a custom resource".to_owned();
    }
    let mut table = table(["role", "id", "name", "former owner", "sandbox", "what to do"]);
    for orphan in orphans {
        table.add_row([
            orphan.role.as_str(),
            &orphan.id,
            &orphan.name,
            &orphan.former_owner,
            &orphan.sandbox,
            &orphan.what_to_do,
        ]);
    }
    table.to_string()
}

/// The record as it would be ingested, and the rows that failed.
pub fn preview(shown: &Shown) -> String {
    let mut values = table(["field", "value"]);
    for (path, value) in leaves(&shown.data) {
        values.add_row([path, value]);
    }
    if shown.errors.is_empty() {
        return values.to_string();
    }
    let mut errors = table(["source", "destination", "error"]);
    for error in &shown.errors {
        errors.add_row([&error.source, &error.destination, &error.message]);
    }
    format!("{values}\nrows that failed:\n{errors}")
}

/// What would become of each object: one line per call.
pub fn plans(plans: &[ObjectPlan]) -> String {
    let mut table = table(["object", "outcome", "action", "upstream", "details"]);
    for plan in plans {
        let object = format!("{}\n{}/{}", plan.kind, plan.namespace, plan.name);
        let outcome = plan.outcome.as_str();
        let note = plan.note.clone().unwrap_or_default();
        if let Some(pending) = &plan.pending {
            let differences = pending.differences.join("\n");
            table.add_row([&object, outcome, &pending.kind, "", &differences]);
        } else if plan.calls.is_empty() {
            table.add_row([&object, outcome, "", "", &note]);
        }
        for (at, call) in plan.calls.iter().enumerate() {
            let upstream = format!("{} {}", call.role, call.id.as_deref().unwrap_or_default());
            let mut said = call.differences.clone();
            said.extend((at == 0 && !note.is_empty()).then(|| note.clone()));
            let (object, outcome) = if at == 0 { (object.as_str(), outcome) } else { ("", "then") };
            table.add_row([object, outcome, call.action, upstream.trim_end(), &said.join("\n")]);
        }
    }
    table.to_string()
}

/// A table of what needs attention; `None` when nothing does.
pub fn problems(items: &[Item]) -> Option<Table> {
    let wrong: Vec<&Item> = items.iter().filter(|item| item.needs_attention).collect();
    if wrong.is_empty() {
        return None;
    }
    let mut table = table(["object", "ready", "reason", "message", "what to do"]);
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
        Output::Yaml => serde_saphyr::to_string(value)?.trim_end().to_owned(),
        Output::Json | Output::Table => serde_json::to_string_pretty(value)?,
    })
}

#[cfg(test)]
mod tests {
    use aep_operator::api::role::Role;

    use super::*;
    use crate::plan::{Call, Outcome};
    use crate::preview::RowError;

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

    fn call(action: &'static str, role: Role, differences: &[&str]) -> Call {
        let differences = differences.iter().map(|line| (*line).to_owned()).collect();
        Call { action, role, id: Some("f-1".to_owned()), request: None, differences }
    }

    #[test]
    fn a_plan_has_a_line_for_each_call_and_for_each_object_without_one() {
        let plan = |name: &str, outcome: Outcome, calls: Vec<Call>, note: Option<&str>| ObjectPlan {
            kind: "IngestionFlow".to_owned(),
            namespace: "shop".to_owned(),
            name: name.to_owned(),
            outcome,
            calls,
            pending: None,
            note: note.map(str::to_owned),
        };
        let calls = vec![
            call("put", Role::MappingSet, &["rows: 2"]),
            call("patch", Role::Flow, &["schedule.interval: 6 (upstream: 1)"]),
        ];
        let text = plans(&[
            plan("charges", Outcome::Changes, calls, None),
            plan("refunds", Outcome::Refused, Vec::new(), Some("it says why")),
        ]);
        for wanted in ["shop/charges", "mapping-set f-1", "then", "interval: 6", "refused", "it says why"] {
            assert!(text.contains(wanted), "{wanted}: {text}");
        }
    }

    #[test]
    fn a_preview_shows_values_and_after_them_the_rows_that_failed() {
        let data = serde_json::json!({"_t": {"id": "ch_1"}});
        let error = RowError {
            source: "to_integer(x)".into(),
            destination: "_t.n".into(),
            message: "no number".into(),
        };
        let text = preview(&Shown { data, errors: vec![error] });
        assert!(text.find("_t.id") < text.find("rows that failed"), "{text}");
        assert!(text.contains("no number"), "{text}");
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
