//! The project's own commands, as `cargo xtask <command>`.
//!
//! Each command is a module. What people and CI run is here and nowhere else; CI calls `test`.

mod book;
mod control_plane;
mod crds;
mod demo;
mod image;
mod import_check;
mod manifests;
mod picture;
mod report;
mod test_command;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the operator's main job against a simulated AEP, and prove its promises.
    Demo(demo::Args),
    /// Run everything that CI runs, and end with a table of what took how long.
    Test(test_command::Args),
    /// Write `crds`, the CRDs of the chart and the reference in `docs` from the types in `src/api`.
    Crds {
        /// Write nothing; fail and show the difference if a committed file is not as generated.
        #[arg(long)]
        check: bool,
    },
    /// Write `deploy/{rbac,base,namespaced}` from the chart.
    Manifests {
        /// Write nothing; fail and show the difference if a committed file is not as rendered.
        #[arg(long)]
        check: bool,
    },
    /// Build the container image of the operator, reproducibly and without a daemon, and its bill of materials.
    Image(image::Args),
    /// Check the documentation and build it as HTML.
    Book(book::Args),
    /// Draw text from standard input as a picture of a terminal.
    Picture(picture::Args),
    /// Check who imports whom, forbidden calls, and words that should not be in committed text.
    ImportCheck,
    /// Start a control plane, print its kubeconfig and wait for Ctrl-C.
    ControlPlane(control_plane::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Demo(args) => demo::run(&args),
        Command::Test(args) => test_command::run(&args),
        Command::Crds { check } => crds::run(check),
        Command::Manifests { check } => manifests::run(check),
        Command::Image(args) => image::run(&args),
        Command::Book(args) => book::run(&args),
        Command::Picture(args) => picture::run(&args),
        Command::ImportCheck => import_check::run(),
        Command::ControlPlane(args) => control_plane::run(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
