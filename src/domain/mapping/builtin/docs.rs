//! Writes `docs/builtin-mappings.md` from the tables and fails if the file differs.

use std::fmt::Write;
use std::path::Path;

use super::*;

const INTRODUCTION: &str = "\
# Built-in mappings

<!-- Written from the tables in src/domain/mapping/builtin. Write it anew with: UPDATE_DOCS=1 cargo test -p aep-operator --lib builtin::docs -->

An `IngestionMapping` takes these rows with `spec.builtin.name`. A set is frozen: a change gets a new version. Every row is an
`Attribute` row from `data.<path>` to `_{TENANT_ID}.<resource>_data.<path>`.

- **PII** marks personal or cardholder data, or free text that may hold some. Leave such rows out with `spec.builtin.exclude`, or put
  `spec.accessLabels` on the flow. Ids such as `customer` are pseudonyms and carry no mark.
- **Pinned** types stem from Stripe's reference, because Adobe's samples show only null, or nothing, in that place.
- Times are seconds since 1970 and stay a `long`; a `date-time` needs a row of type `Expression`.
- An **object** or a list of records is copied whole, and the fields below it are part of a managed schema. To keep one of them out,
  exclude the row of the object too and add rows for the fields you want; an `exclude` without effect is refused. The same goes for a
  row of your own that masks such a field: the copy still carries the plain value. Free-form objects (`metadata`) have no fixed fields
  and are left out: map the keys you use, with `xdmType`.
- Fields without a row have a type all the same: a row of your own may read them without `xdmType`.
";

#[test]
fn the_page_shows_the_tables() {
    let mut page = INTRODUCTION.to_owned();
    for builtin in ALL {
        page.push_str(&section(builtin));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/builtin-mappings.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/builtin-mappings.md is old: run this test with UPDATE_DOCS=1");
}

fn section(builtin: BuiltinName) -> String {
    let (mapped, others): (Vec<&ShippedField>, Vec<&ShippedField>) =
        fields(resource_of(builtin)).iter().partition(|field| field.mapped);
    let mut text = format!("\n## {}\n\n{} rows.\n\n", name_of(builtin), mapped.len());
    text.push_str(&table(&mapped));
    let (copied, free): (Vec<&ShippedField>, Vec<&ShippedField>) =
        others.into_iter().partition(|field| is_copied(field, &mapped));
    for (title, list) in [("Copied with an object or list above", copied), ("Typed, without a row", free)] {
        if !list.is_empty() {
            write!(text, "\n{title}:\n\n{}", table(&list)).unwrap();
        }
    }
    text
}

fn is_copied(field: &ShippedField, mapped: &[&ShippedField]) -> bool {
    mapped.iter().any(|row| super::super::path::is_below(field.path, row.path))
}

fn table(fields: &[&ShippedField]) -> String {
    let mut text = "| path | type | title | PII | pinned |\n|---|---|---|---|---|\n".to_owned();
    for field in fields {
        let mark = |is_set: bool| if is_set { "yes" } else { "" };
        let title = humanised(&last_name(field.path));
        let kind = kind_name(field.kind);
        let (personal, pinned) = (mark(field.personal), mark(field.pinned));
        writeln!(text, "| `{}` | {kind} | {title} | {personal} | {pinned} |", field.path).unwrap();
    }
    text
}

fn kind_name(kind: Kind) -> String {
    match kind {
        Kind::Leaf(leaf) => Shape::Leaf(leaf).to_string(),
        Kind::Values(leaf) => format!("list of {}", Shape::Leaf(leaf)),
        Kind::Object => "object".into(),
        Kind::Records => "list of objects".into(),
    }
}
