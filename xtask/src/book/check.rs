//! All pages together: every page is listed once, every link leads somewhere, every test that a page names exists.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use aep_operator::api::condition::ConditionType;
use anyhow::Result;

use super::page::{self, Page};

/// Lists the pages of the book.
pub const SUMMARY: &str = "docs/SUMMARY.md";
const CONDITIONS: &str = "docs/conditions.md";
/// Pages in which a path with colons in backticks is the name of a test.
const NAMES_TESTS: [&str; 1] = ["docs/security.md"];
/// Pages outside of the book whose links are checked as well.
const OUTSIDE: [&str; 5] = [
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "crates/aep-sim/README.md",
    "hack/control-plane/README.md",
];

/// The number of pages, and what is wrong with them, as lines to print.
pub fn check(root: &Path) -> Result<(usize, Vec<String>)> {
    let mut pages: BTreeMap<PathBuf, Page> = BTreeMap::new();
    for path in with_extension(root, "docs", "md")?.into_iter().chain(OUTSIDE.map(PathBuf::from)) {
        let page = page::read(&fs::read_to_string(root.join(&path))?);
        pages.insert(path, page);
    }
    let mut problems = unlisted(&pages);
    for (path, page) in &pages {
        problems.extend(dead_links(root, path, page, &pages));
    }
    problems.extend(unknown_tests(root, &pages)?);
    problems.extend(unnamed_conditions(&pages));
    Ok((pages.len(), problems))
}

/// All files below a folder, as paths from the root.
pub fn files(root: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            found.extend(files(root, &path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn with_extension(root: &Path, folder: &str, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = files(root, Path::new(folder))?;
    found.retain(|path| path.extension().is_some_and(|found| found == extension));
    Ok(found)
}

/// Pages of the book that its summary does not list, and pages that it lists twice.
fn unlisted(pages: &BTreeMap<PathBuf, Page>) -> Vec<String> {
    let Some(summary) = pages.get(Path::new(SUMMARY)) else { return vec![format!("{SUMMARY}: missing")] };
    let mut listed = BTreeSet::new();
    let mut problems = Vec::new();
    for link in &summary.links {
        if !listed.insert(joined(Path::new("docs"), link)) {
            problems.push(format!("{SUMMARY}: {link} is listed twice"));
        }
    }
    let in_book = pages.keys().filter(|path| path.starts_with("docs") && *path != Path::new(SUMMARY));
    problems.extend(
        in_book
            .filter(|path| !listed.contains(*path))
            .map(|path| format!("{}: not listed in {SUMMARY}", path.display())),
    );
    problems
}

fn dead_links(root: &Path, path: &Path, page: &Page, pages: &BTreeMap<PathBuf, Page>) -> Vec<String> {
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let mut problems = Vec::new();
    for link in page.links.iter().filter(|link| !link.contains("://")) {
        let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
        let target = if file.is_empty() { path.to_owned() } else { joined(folder, file) };
        if !root.join(&target).exists() {
            problems.push(format!("{}: {link} leads nowhere", path.display()));
        } else if !anchor.is_empty()
            && pages.get(&target).is_some_and(|target| !target.anchors.contains(anchor))
        {
            problems.push(format!("{}: {link}: no such heading", path.display()));
        }
    }
    problems
}

/// A path from a folder, with `..` resolved.
pub fn joined(folder: &Path, link: &str) -> PathBuf {
    let mut path = PathBuf::new();
    for component in folder.join(link).components() {
        match component {
            Component::ParentDir => {
                path.pop();
            }
            Component::CurDir => {}
            other => path.push(other),
        }
    }
    path
}

/// Names like `cluster::rotation::a_typo` for which no source file of that path holds such a function.
fn unknown_tests(root: &Path, pages: &BTreeMap<PathBuf, Page>) -> Result<Vec<String>> {
    let mut functions: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for folder in ["src", "tests", "crates", "xtask"] {
        for file in with_extension(root, folder, "rs")? {
            let text = fs::read_to_string(root.join(&file))?;
            for rest in text.split("fn ").skip(1) {
                functions.entry(word(rest).to_owned()).or_default().push(file.with_extension(""));
            }
        }
    }
    let exists = |code: &str| {
        let mut modules: Vec<&str> = code.split("::").collect();
        let function = modules.pop().unwrap_or_default();
        let files = functions.get(function).map(Vec::as_slice).unwrap_or_default();
        files.iter().any(|file| modules.iter().all(|module| file.iter().any(|part| part == *module)))
    };
    let mut problems = Vec::new();
    for name in NAMES_TESTS {
        let Some(page) = pages.get(Path::new(name)) else { continue };
        let unknown = page.code.iter().filter(|code| code.contains("::") && !exists(code));
        problems.extend(unknown.map(|code| format!("{name}: there is no test {code}")));
    }
    Ok(problems)
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// Types of conditions that their page does not explain.
fn unnamed_conditions(pages: &BTreeMap<PathBuf, Page>) -> Vec<String> {
    let Some(page) = pages.get(Path::new(CONDITIONS)) else { return vec![format!("{CONDITIONS}: missing")] };
    let missing = ConditionType::ALL.iter().filter(|kind| page.code.iter().all(|code| code != kind.as_str()));
    missing.map(|kind| format!("{CONDITIONS}: the condition {kind} is not explained")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(files: &[(&str, &str)]) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        let all: Vec<String> = ConditionType::ALL.iter().map(|kind| format!("`{kind}`")).collect();
        let conditions = format!("# Conditions\n\n{}\n", all.join(" "));
        let summary = "[s](start.md) [c](conditions.md) [t](security.md)";
        let mut texts: BTreeMap<&str, &str> =
            BTreeMap::from([("docs/SUMMARY.md", summary), ("docs/conditions.md", &conditions)]);
        texts.extend(OUTSIDE.map(|file| (file, "")));
        texts.extend([
            ("docs/start.md", "# Start"),
            ("docs/security.md", ""),
            ("tests/it/a.rs", "fn a_test() {}"),
        ]);
        for folder in ["src", "xtask"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        texts.extend(files.iter().copied());
        for (file, text) in texts {
            fs::create_dir_all(root.path().join(file).parent().unwrap()).unwrap();
            fs::write(root.path().join(file), text).unwrap();
        }
        check(root.path()).unwrap().1
    }

    #[test]
    fn a_book_without_fault_passes() {
        let linked = "[a](start.md#start) [b](../README.md) [c](https://example.com/x) `it::a::a_test`";
        assert_eq!(problems(&[("docs/security.md", linked)]), Vec::<String>::new());
    }

    #[test]
    fn each_fault_is_named() {
        let faults = [
            ("docs/lost.md", "", "docs/lost.md: not listed in docs/SUMMARY.md"),
            ("docs/SUMMARY.md", "[s](start.md)", "docs/conditions.md: not listed"),
            ("docs/start.md", "[x](gone.md)", "docs/start.md: gone.md leads nowhere"),
            ("docs/start.md", "# Start\n[x](#stop)", "#stop: no such heading"),
            ("README.md", "[x](docs/start.md#stop)", "README.md: docs/start.md#stop: no such heading"),
            ("docs/security.md", "`a::no_test`", "there is no test a::no_test"),
            ("docs/security.md", "`b::a_test`", "there is no test b::a_test"),
            ("docs/conditions.md", "`Ready`", "the condition Synced is not explained"),
        ];
        for (file, text, expected) in faults {
            let found = problems(&[(file, text)]);
            assert!(found.iter().any(|problem| problem.contains(expected)), "{expected}: {found:?}");
        }
    }
}
