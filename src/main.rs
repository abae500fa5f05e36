//! The operator binary: parses the command line, runs, and prints the chain of causes of a failure.

use std::process::ExitCode;

use aep_operator::args::{Cli, Command};
use aep_operator::{api, run};
use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => run::run(*args).await,
        Command::Crds => {
            print_crds();
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_chain(&error);
            ExitCode::FAILURE
        }
    }
}

fn print_crds() {
    let list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": api::all_crds() });
    println!("{list:#}");
}

fn print_chain(error: &dyn std::error::Error) {
    eprintln!("aep-operator: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  caused by: {error}");
        cause = error.source();
    }
}
