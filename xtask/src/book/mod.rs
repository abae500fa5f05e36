//! `cargo xtask book`: the documentation as a book, and the proof that it hangs together.
//!
//! [`page`] reads one Markdown file, [`check`] compares all of them, [`reference`] writes the pages of the four kinds, [`stage`] lays out
//! what the HTML is made from. The check reads text only and takes no time; the HTML needs mdbook, which is installed once.

mod check;
mod page;
pub mod reference;
mod stage;

use std::process::Command;

use anyhow::{Result, bail};
use testbed::binaries;

use crate::tools;

const MDBOOK: (&str, &str) = ("mdbook", "0.5.4");

/// Flags of the command.
#[derive(clap::Args)]
pub struct Args {
    /// Build nothing; fail and name every page that no summary lists, every link that leads nowhere, and every test that does not exist.
    #[arg(long)]
    check: bool,
}

/// Checks, and builds the HTML into `target/book` unless only the check is asked for.
pub fn run(args: &Args) -> Result<()> {
    check()?;
    if args.check {
        return Ok(());
    }
    let (source, folder) = (binaries::target_dir().join("book-source"), binaries::target_dir().join("book"));
    stage::stage(&tools::root(), &source)?;
    let mut mdbook = Command::new(tools::installed(MDBOOK.0, MDBOOK.1)?);
    mdbook.arg("build").arg(&source).arg("--dest-dir").arg(&folder);
    tools::run(&mut mdbook)?;
    stage::name_readmes(&source, &folder)?;
    println!("{}", folder.join("index.html").display());
    Ok(())
}

/// Fails and prints what is wrong, if something is.
pub fn check() -> Result<()> {
    let (pages, problems) = check::check(&tools::root())?;
    for problem in &problems {
        println!("{problem}");
    }
    if !problems.is_empty() {
        bail!("{} problems in the documentation", problems.len());
    }
    println!("book: {pages} pages, every link leads somewhere");
    Ok(())
}
