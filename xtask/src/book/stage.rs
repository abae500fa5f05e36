//! The sources of the HTML: the pages at their places in the repository, with the files outside of `docs` that they link to.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::check::{SUMMARY, files, joined};
use super::page;

/// Lays out a folder from which mdbook builds.
pub fn stage(root: &Path, folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    let mut waiting = files(root, Path::new("docs"))?;
    let mut copied = BTreeSet::new();
    while let Some(path) = waiting.pop() {
        if copied.contains(&path) {
            continue;
        }
        copy(root, folder, &path)?;
        if is_page(&path) {
            let text = fs::read_to_string(root.join(&path))?;
            let from = path.parent().unwrap_or_else(|| Path::new(""));
            let files = page::read(&text).links.into_iter().filter(|link| !link.contains("://"));
            let targets = files.map(|link| joined(from, link.split('#').next().unwrap_or_default()));
            waiting.extend(targets.filter(|target| root.join(target).is_file()));
        }
        copied.insert(path);
    }
    let mut summary = fs::read_to_string(root.join(SUMMARY))?.replace("](", "](docs/");
    summary.push('\n');
    for outside in copied.iter().filter(|path| is_page(path) && !path.starts_with("docs")) {
        let title = outside.display();
        let _ = writeln!(summary, "[{title}]({title})");
    }
    fs::write(folder.join("SUMMARY.md"), summary)?;
    fs::rename(folder.join("docs/book.toml"), folder.join("book.toml"))?;
    Ok(fs::remove_file(folder.join(SUMMARY))?)
}

/// mdbook calls a README the index of its folder, and leaves links to it as they were.
pub fn name_readmes(source: &Path, html: &Path) -> Result<()> {
    for page in files(source, Path::new(""))?.iter().filter(|path| path.ends_with("README.md")) {
        fs::copy(html.join(page.with_file_name("index.html")), html.join(page.with_extension("html")))?;
    }
    Ok(())
}

fn is_page(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

fn copy(root: &Path, folder: &Path, path: &PathBuf) -> Result<()> {
    let target = folder.join(path);
    fs::create_dir_all(target.parent().unwrap_or(folder))?;
    fs::copy(root.join(path), &target).with_context(|| format!("cannot copy {}", path.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pages_link_to_is_laid_out_with_them() {
        let (root, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (file, text) in [
            ("docs/SUMMARY.md", "# S\n\n- [a](a.md)\n"),
            ("docs/book.toml", ""),
            ("docs/a.md", "[b](../B.md#x) [c](../c/values.yaml) [d](https://example.com)"),
            ("B.md", "[a](docs/a.md)"),
            ("c/values.yaml", ""),
            ("lost.md", ""),
        ] {
            fs::create_dir_all(root.path().join(file).parent().unwrap()).unwrap();
            fs::write(root.path().join(file), text).unwrap();
        }
        let folder = folder.path().join("stage");
        stage(root.path(), &folder).unwrap();
        let summary = fs::read_to_string(folder.join("SUMMARY.md")).unwrap();
        assert_eq!(summary, "# S\n\n- [a](docs/a.md)\n\n[B.md](B.md)\n");
        for (file, exists) in
            [("docs/a.md", true), ("c/values.yaml", true), ("book.toml", true), ("lost.md", false)]
        {
            assert_eq!(folder.join(file).exists(), exists, "{file}");
        }
    }
}
