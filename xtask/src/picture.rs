//! `cargo xtask picture`: text of a terminal as a picture for a page, from standard input.
//!
//! The one in README.md: `cargo xtask demo | cargo xtask picture docs/demo.svg --from 'all 19 objects' --to 'first runs'`.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Result, ensure};

/// Longer lines are cut, so that the picture can be read on a page.
const COLUMNS: usize = 120;
/// Size of one sign, in pixels.
const SIGN: (usize, usize) = (8, 17);
const MARGIN: usize = 16;

/// Flags of the command.
#[derive(clap::Args)]
pub struct Args {
    /// The file to write.
    file: PathBuf,
    /// Begin with the first line that holds this text.
    #[arg(long, default_value = "")]
    from: String,
    /// End before the next line that holds this text.
    #[arg(long)]
    to: Option<String>,
}

/// Writes the picture.
pub fn run(args: &Args) -> Result<()> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let lines = part(&text, &args.from, args.to.as_deref());
    ensure!(!lines.is_empty(), "no line holds {:?}", args.from);
    std::fs::write(&args.file, svg(&lines))?;
    println!("wrote {}", args.file.display());
    Ok(())
}

fn part<'a>(text: &'a str, from: &str, to: Option<&str>) -> Vec<&'a str> {
    let after = text.lines().skip_while(|line| !line.contains(from));
    let ends = |line: &str| to.is_some_and(|to| line.contains(to));
    let mut lines: Vec<&str> =
        after.enumerate().take_while(|(at, line)| *at == 0 || !ends(line)).map(|(_, line)| line).collect();
    while lines.last().is_some_and(|line| line.trim().is_empty()) {
        lines.pop();
    }
    lines
}

fn svg(lines: &[&str]) -> String {
    let cut: Vec<String> = lines.iter().map(|line| line.chars().take(COLUMNS).collect()).collect();
    let columns = cut.iter().map(|line| line.chars().count()).max().unwrap_or_default();
    let (width, height) = (columns * SIGN.0 + 2 * MARGIN, cut.len() * SIGN.1 + 2 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#1b1f24\"/>\n\
         <g font-family=\"ui-monospace, Menlo, Consolas, monospace\" font-size=\"13\" fill=\"#d0d7de\" xml:space=\"preserve\">\n"
    );
    for (at, line) in cut.iter().enumerate() {
        let y = MARGIN + (at + 1) * SIGN.1 - 4;
        let length = line.trim_end().chars().count() * SIGN.0;
        if length > 0 {
            let text = escaped(line.trim_end());
            let _ = writeln!(svg, "<text x=\"{MARGIN}\" y=\"{y}\" textLength=\"{length}\">{text}</text>");
        }
    }
    svg + "</g>\n</svg>\n"
}

/// Spaces are kept by name: not every viewer heeds `xml:space`.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace(' ', "\u{a0}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_begins_with_its_line_and_ends_before_the_other() {
        assert_eq!(part("a\nb x\nc\n\nd x\n", "b", Some("d")), ["b x", "c"]);
        assert_eq!(part("a\nb x\n\nd x\n", "x", Some("x")), ["b x"]);
        assert!(part("a", "z", None).is_empty());
    }

    #[test]
    fn signs_of_markup_are_escaped() {
        let svg = svg(&["a <b> & c"]);
        assert!(svg.contains("a\u{a0}&lt;b&gt;\u{a0}&amp;\u{a0}c</text>"), "{svg}");
    }
}
