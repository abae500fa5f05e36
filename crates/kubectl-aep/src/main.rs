//! `kubectl aep`: shows chains and what is wrong with them, and sets the annotations by which people steer the operator. What it shows of
//! Adobe it learns by the operator's own code, over a way that lets no write through.

mod args;
mod ask;
mod export;
mod item;
mod manifest;
mod orphans;
mod plan;
mod preview;
mod reach;
mod view;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{CommandFactory, Parser};
use kube::Client;

use crate::args::{Cli, Command, Output, View};
use crate::ask::Deed;
use crate::plan::Outcome;

/// Something is not Ready, is refused, or waits for a person.
const ATTENTION: u8 = 3;
/// An apply would change something.
const CHANGES: u8 = 10;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse().command).await {
        Ok(code) => code,
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<ExitCode> {
    let (target, deed) = match command {
        Command::Tree(view) => return tree(&view).await,
        Command::Status(view) => return status(&view).await,
        Command::Plan(args) => return plan(&args).await,
        Command::Preview(args) => return preview(&args).await,
        Command::Orphans(args) => return orphans(&args).await,
        Command::Export(args) => {
            let manifests = export::manifests(&client().await?, &args).await?;
            anstream::print!("{}", export::yaml(&manifests)?);
            return Ok(ExitCode::SUCCESS);
        }
        Command::Adopt(args) => {
            export::adopt(&client().await?, &args).await?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "kubectl-aep", &mut std::io::stdout());
            return Ok(ExitCode::SUCCESS);
        }
        Command::Approve(target) => (target, Deed::Approve),
        Command::Sync(target) => (target, Deed::Sync),
        Command::Pause(target) => (target, Deed::Pause),
        Command::Resume(target) => (target, Deed::Resume),
    };
    anstream::println!("{}", ask::act(&client().await?, &target, deed).await?);
    Ok(ExitCode::SUCCESS)
}

async fn client() -> Result<Client> {
    // The only error says that another part of the process was first, which does as well.
    let _already = rustls::crypto::ring::default_provider().install_default();
    Client::try_default().await.context("no cluster: set KUBECONFIG, or pass a kubeconfig at its usual place")
}

async fn tree(view: &View) -> Result<ExitCode> {
    let items = ask::items(&client().await?, view).await?;
    if view.output != Output::Table {
        anstream::println!("{}", view::document(&items, view.output)?);
        return Ok(ExitCode::SUCCESS);
    }
    for tree in view::trees(&items) {
        anstream::println!("{tree}");
    }
    Ok(ExitCode::SUCCESS)
}

async fn status(view: &View) -> Result<ExitCode> {
    let items = ask::items(&client().await?, view).await?;
    let wrong = items.iter().filter(|item| item.needs_attention).count();
    if view.output == Output::Table {
        if let Some(table) = view::problems(&items) {
            anstream::println!("{table}");
        }
        anstream::println!("{} of {} objects are well", items.len() - wrong, items.len());
    } else {
        let wrong: Vec<_> = items.iter().filter(|item| item.needs_attention).collect();
        anstream::println!("{}", view::document(&wrong, view.output)?);
    }
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::from(ATTENTION) })
}

async fn plan(args: &args::Plan) -> Result<ExitCode> {
    let plans = plan::plan(client().await?, args).await?;
    anstream::println!("{}", view::shown(&plans, args.output, |plans| view::plans(plans))?);
    Ok(match plans.iter().map(|plan| plan.outcome).max() {
        None | Some(Outcome::NoChange) => ExitCode::SUCCESS,
        Some(Outcome::Refused) => ExitCode::from(ATTENTION),
        Some(_) => ExitCode::from(CHANGES),
    })
}

async fn preview(args: &args::Preview) -> Result<ExitCode> {
    let shown = preview::show(client().await?, args).await?;
    anstream::println!("{}", view::shown(&shown, args.output, view::preview)?);
    Ok(if shown.errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(ATTENTION) })
}

async fn orphans(args: &args::Orphans) -> Result<ExitCode> {
    let orphans = orphans::find(client().await?, args).await?;
    anstream::println!("{}", view::shown(&orphans, args.view.output, |orphans| view::orphans(orphans))?);
    Ok(ExitCode::SUCCESS)
}
