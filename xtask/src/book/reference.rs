//! The reference of the four kinds, a page each, from the CRDs: what `kubectl explain` tells, on paper.

use std::fmt::Write as _;

use aep_operator::api::all_crds;
use anyhow::{Context as _, Result};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};

/// File names and contents.
pub fn pages() -> Result<Vec<(String, String)>> {
    all_crds().iter().map(page).collect()
}

fn page(crd: &CustomResourceDefinition) -> Result<(String, String)> {
    let names = &crd.spec.names;
    let version = crd.spec.versions.first().context("a CRD has a version")?;
    let schema = version.schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref());
    let schema = schema.context("a CRD has a schema")?;
    let mut text = format!("# {}\n\n<!-- Written from src/api by `cargo xtask crds`. -->\n\n", names.kind);
    let short =
        names.short_names.iter().flatten().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    writeln!(text, "{}\n", schema.description.as_deref().unwrap_or_default())?;
    writeln!(text, "`{}/{}`, plural `{}`, short {short}.", crd.spec.group, version.name, names.plural)?;
    for part in ["spec", "status"] {
        let fields = schema.properties.as_ref().and_then(|fields| fields.get(part));
        let fields = fields.with_context(|| format!("a schema has a {part}"))?;
        let mut rows = Rows::default();
        rows.add_rules(part, fields);
        rows.add_members("", fields);
        writeln!(text, "\n## {part}\n\n{}\n", fields.description.as_deref().unwrap_or_default())?;
        writeln!(text, "| field | type | what |\n|---|---|---|\n{}", rows.fields.concat().trim_end())?;
        if !rows.rules.is_empty() {
            writeln!(
                text,
                "\n### Rules of {part}\n\n| at | rule |\n|---|---|\n{}",
                rows.rules.concat().trim_end()
            )?;
        }
    }
    Ok((format!("{}.md", names.singular.as_deref().unwrap_or(&names.plural)), text))
}

#[derive(Default)]
struct Rows {
    fields: Vec<String>,
    rules: Vec<String>,
}

impl Rows {
    fn add_members(&mut self, path: &str, schema: &JSONSchemaProps) {
        let required = schema.required.as_deref().unwrap_or_default();
        for (name, field) in schema.properties.iter().flatten() {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            self.add(&path, field, required.contains(name));
        }
    }

    fn add(&mut self, path: &str, schema: &JSONSchemaProps, required: bool) {
        let mut what = cell(schema.description.as_deref().unwrap_or_default());
        if let Some(default) = &schema.default {
            let _ = write!(what, " Default: `{}`.", default.0);
        }
        let needed = if required { ", required" } else { "" };
        self.fields.push(format!("| `{path}` | {}{needed} | {} |\n", cell(&kind(schema)), what.trim()));
        self.add_rules(path, schema);
        // Kubernetes' own type, which our page of conditions explains.
        if path == "conditions" {
            return;
        }
        self.add_members(path, schema);
        if let Some(JSONSchemaPropsOrArray::Schema(item)) = &schema.items {
            self.add_rules(&format!("{path}[]"), item);
            self.add_members(&format!("{path}[]"), item);
        }
    }

    fn add_rules(&mut self, path: &str, schema: &JSONSchemaProps) {
        for rule in schema.x_kubernetes_validations.iter().flatten() {
            let message = rule.message.as_deref().unwrap_or(&rule.rule);
            self.rules.push(format!("| `{path}` | {} |\n", cell(message)));
        }
    }
}

/// The type with its bounds, in words.
fn kind(schema: &JSONSchemaProps) -> String {
    if let Some(values) = &schema.enum_ {
        let values: Vec<String> =
            values.iter().map(|value| format!("`{}`", value.0.to_string().trim_matches('"'))).collect();
        return values.join(" \\| ");
    }
    let mut text = match (schema.type_.as_deref(), &schema.items) {
        (Some("array"), Some(JSONSchemaPropsOrArray::Schema(item))) => {
            format!("list of {}", item.type_.as_deref().unwrap_or("any"))
        }
        (Some(name), _) => name.to_owned(),
        (None, _) => "any".to_owned(),
    };
    let bounds = [
        (schema.min_length.map(|n| n.to_string()), "at least ", " characters"),
        (schema.max_length.map(|n| n.to_string()), "at most ", " characters"),
        (schema.minimum.map(|n| n.to_string()), "at least ", ""),
        (schema.maximum.map(|n| n.to_string()), "at most ", ""),
        (schema.max_items.map(|n| n.to_string()), "at most ", " entries"),
    ];
    for (bound, before, after) in bounds {
        if let Some(bound) = bound.filter(|bound| bound != "1" || before != "at least ") {
            let _ = write!(text, ", {before}{bound}{after}");
        }
    }
    text
}

/// One line, with nothing that would end a cell or begin a tag.
fn cell(text: &str) -> String {
    let escaped = text.replace("\\|", "|").replace('|', "\\|");
    outside_of_code(&escaped.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// `<namespace>` is a word, not a tag, and is one already in code.
fn outside_of_code(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let parts = parts.map(|(at, part)| if at % 2 == 0 { part.replace('<', "&lt;") } else { part.to_owned() });
    parts.collect::<Vec<_>>().join("`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_page_with_its_fields_rules_and_defaults() {
        let pages = pages().unwrap();
        assert_eq!(pages.len(), 4);
        let (_, flow) = pages.iter().find(|(name, _)| name == "ingestionflow.md").unwrap();
        for part in
            ["# IngestionFlow\n", "| `schedule.frequency` | ", "Default: `true`.", "### Rules of spec"]
        {
            assert!(flow.contains(part), "{part}\n{flow}");
        }
        for (_, page) in &pages {
            let rows = page.lines().filter(|line| line.starts_with("| "));
            for row in rows {
                let cells = row.replace("\\|", "").matches('|').count();
                assert!(cells == 3 || cells == 4, "{row}");
            }
        }
    }
}
