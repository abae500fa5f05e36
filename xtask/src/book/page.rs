//! One Markdown file: where it links to, what can be linked to in it, and the code words in it.

use std::collections::BTreeSet;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// What the check needs of a page.
#[derive(Debug, Default)]
pub struct Page {
    /// Targets of links and pictures, as written.
    pub links: Vec<String>,
    /// Names of headings, as they stand behind `#`.
    pub anchors: BTreeSet<String>,
    /// Text in backticks, outside of blocks.
    pub code: Vec<String>,
}

/// Reads a page.
pub fn read(text: &str) -> Page {
    let mut page = Page::default();
    let mut heading: Option<String> = None;
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                page.links.push(dest_url.into_string());
            }
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                if let Some(title) = heading.take() {
                    page.anchors.insert(anchor(&title, &page.anchors));
                }
            }
            Event::Text(text) | Event::Code(text) if heading.is_some() => {
                if let Some(title) = &mut heading {
                    title.push_str(&text);
                }
            }
            Event::Code(text) => page.code.push(text.into_string()),
            _ => {}
        }
    }
    page
}

/// The name of a heading: lower case, dashes for spaces, nothing but letters and digits else; a number when it is there already.
fn anchor(title: &str, taken: &BTreeSet<String>) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let name: String = title.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-");
    let numbered = (1..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.clone()).chain(numbered).find(|name| !taken.contains(name)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_headings_and_code_are_found_and_blocks_are_passed_over() {
        let page =
            read("# A `b`, c\n\n[x](y.md#z) ![p](q.svg) `word`\n\n```sh\n[no](link) `no`\n```\n\n## A b c\n");
        assert_eq!(page.links, ["y.md#z", "q.svg"]);
        assert_eq!(page.code, ["word"]);
        assert_eq!(page.anchors, BTreeSet::from(["a-b-c".to_owned(), "a-b-c-1".to_owned()]));
    }

    #[test]
    fn cells_of_tables_count() {
        assert_eq!(read("| a |\n|---|\n| [x](y.md) |\n").links, ["y.md"]);
    }
}
