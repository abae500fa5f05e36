//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// What the ingestion of Stripe data into Adobe Experience Platform is doing, and what it waits for.
///
/// Exit codes: 0 all is well; 1 the cluster could not be asked, or a change was refused; 2 the command line is wrong; 3 something is not
/// Ready or waits for a person (`status`).
#[derive(Debug, Parser)]
#[command(name = "kubectl-aep", bin_name = "kubectl aep", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show every chain, from the account to the flow, with states and Adobe's ids.
    Tree(View),
    /// Show what is wrong, and what to do about it.
    Status(View),
    /// Approve the action that an object shows in status.pending.
    Approve(Target),
    /// Compare an object with upstream now.
    Sync(Target),
    /// Keep the operator's hands off an object.
    Pause(Target),
    /// Let the operator work on an object again.
    Resume(Target),
    /// Print the completion script of a shell.
    Completion {
        /// The shell.
        shell: Shell,
    },
}

/// What to look at, and how to print it.
#[derive(Debug, Args)]
pub struct View {
    /// The namespace; by default that of the kubeconfig's context.
    #[arg(short, long, conflicts_with = "all_namespaces")]
    pub namespace: Option<String>,
    /// Look at all namespaces.
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
}

/// One object.
#[derive(Debug, Args)]
pub struct Target {
    /// The object, as kind/name; the kind may be short: sbc, ssc, imap, iflow.
    #[arg(value_name = "KIND/NAME")]
    pub object: String,
    /// The namespace; by default that of the kubeconfig's context.
    #[arg(short, long)]
    pub namespace: Option<String>,
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
