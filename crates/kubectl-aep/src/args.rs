//! The command line.

use std::path::PathBuf;

use aep_operator::args::{Endpoints, cluster_id};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// What the ingestion of Stripe data into Adobe Experience Platform is doing, and what it waits for.
///
/// Exit codes: 0 all is well; 1 the cluster or Adobe could not be asked, or a change was refused; 2 the command line is wrong;
/// 3 something is not Ready, is refused or waits for a person (status, preview, plan); 10 an apply would change something (plan).
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
    /// Show which calls an apply of manifests would make the operator send to Adobe.
    ///
    /// The API server checks each manifest in a dry run. Then the operator's own code reconciles the result here, with reads of the
    /// cluster and of Adobe let through and every write refused: the first write that it tries is what the operator would send first.
    /// What follows is told by the operator's plan from what is upstream now.
    ///
    /// What it can not know: ids of objects that are not created yet and what depends on them, such as the checks of an object whose
    /// reference does not exist; what other people change in between; what Adobe refuses; and settings of the operator other than
    /// their defaults. Objects of other kinds in the files, such as Secrets, are left out and have to exist.
    ///
    /// Exit codes: 0 nothing changes; 10 something changes or waits for approval; 3 an object would be refused.
    Plan(Plan),
    /// Put one sample record through the rows of a mapping, by Data Prep's preview.
    ///
    /// Nothing is written. Exit codes: 0 every row gave its value; 3 rows failed.
    Preview(Preview),
    /// List what carries the marker of this cluster upstream and has no custom resource any more.
    ///
    /// Nothing is written. What is retained on purpose (datasets, schemas) and mapping sets, for which Data Prep has no DELETE, are
    /// listed as well, each with what to do.
    Orphans(Orphans),
    /// Print the manifests that take a chain over that was made by hand.
    ///
    /// Nothing is written. What the manifests leave out, such as names and descriptions, stays as it is upstream.
    Export(Export),
    /// Take a chain over that was made by hand: export, show, ask, apply.
    Adopt(Adopt),
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

/// How Adobe is reached, and as which cluster: give what the operator was given.
#[derive(Debug, Args)]
pub struct Reach {
    /// Where Adobe is.
    #[command(flatten)]
    pub endpoints: Endpoints,
    /// Names this cluster in the markers of upstream objects. Default: the UID of the namespace kube-system.
    #[arg(long, env = "CLUSTER_ID", value_parser = cluster_id)]
    pub cluster_id: Option<String>,
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct Plan {
    /// Files or folders with manifests; a dash reads standard input. May be given several times.
    #[arg(short, long, required = true, value_name = "FILE")]
    pub filename: Vec<PathBuf>,
    /// The namespace of manifests that name none; by default that of the kubeconfig's context.
    #[arg(short, long)]
    pub namespace: Option<String>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
    /// How Adobe is reached.
    #[command(flatten)]
    pub reach: Reach,
}

/// Arguments of `preview`.
#[derive(Debug, Args)]
pub struct Preview {
    /// A file with the `IngestionMapping`; a dash reads standard input. Its source connection has to be in the cluster.
    #[arg(short, long, value_name = "FILE", required_unless_present = "name", conflicts_with = "name")]
    pub filename: Option<PathBuf>,
    /// The name of an `IngestionMapping` in the cluster.
    #[arg(long)]
    pub name: Option<String>,
    /// A file with one record as Stripe's API shows it. It is put below `data`, as Adobe's source does, unless it has `data` itself.
    #[arg(long, value_name = "FILE")]
    pub record: PathBuf,
    /// The namespace; by default that of the kubeconfig's context.
    #[arg(short, long)]
    pub namespace: Option<String>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
    /// Where Adobe is.
    #[command(flatten)]
    pub endpoints: Endpoints,
}

/// Arguments of `orphans`.
#[derive(Debug, Args)]
pub struct Orphans {
    /// What to look at. Credentials are those of the base connections there.
    #[command(flatten)]
    pub view: View,
    /// A Secret with platform credentials, for when no base connection is left that names one.
    #[arg(long, value_name = "NAME", requires = "sandbox")]
    pub credentials_secret: Option<String>,
    /// The sandbox to look into with that Secret.
    #[arg(long, value_name = "NAME", requires = "credentials_secret")]
    pub sandbox: Option<String>,
    /// How Adobe is reached.
    #[command(flatten)]
    pub reach: Reach,
}

/// Arguments of `export`.
#[derive(Debug, Args)]
pub struct Export {
    /// Id (UUID) of the dataflow.
    #[arg(value_name = "FLOW-ID")]
    pub flow_id: String,
    /// Name of the custom resources. Default: made from the dataflow's name.
    #[arg(long)]
    pub name: Option<String>,
    /// The namespace; by default that of the kubeconfig's context.
    #[arg(short, long)]
    pub namespace: Option<String>,
    /// The Secret with the platform credentials: the keys client-id, client-secret, org-id.
    #[arg(long, value_name = "NAME", default_value = "aep-credentials")]
    pub credentials_secret: String,
    /// The sandbox of the chain.
    #[arg(long, value_name = "NAME")]
    pub sandbox: String,
    /// The Secret with the Stripe key, for the manifest of the base connection. It is not read here.
    #[arg(long, value_name = "NAME", default_value = "stripe")]
    pub stripe_secret: String,
    /// The key within that Secret.
    #[arg(long, value_name = "KEY", default_value = "access-token")]
    pub stripe_secret_key: String,
    /// Take the dataset over as well, instead of only writing to it.
    #[arg(long)]
    pub manage_dataset: bool,
    /// Where Adobe is.
    #[command(flatten)]
    pub endpoints: Endpoints,
}

/// Arguments of `adopt`.
#[derive(Debug, Args)]
pub struct Adopt {
    /// What to take over.
    #[command(flatten)]
    pub export: Export,
    /// Do not ask.
    #[arg(short, long)]
    pub yes: bool,
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

    #[test]
    fn completion_knows_every_command() {
        let mut script = Vec::new();
        clap_complete::generate(Shell::Bash, &mut Cli::command(), "kubectl-aep", &mut script);
        let script = String::from_utf8(script).expect("text");
        for command in Cli::command().get_subcommands() {
            assert!(script.contains(command.get_name()), "{}", command.get_name());
        }
    }

    #[test]
    fn the_page_of_documentation_names_every_command_and_exit_code() {
        let page = include_str!("../../../docs/kubectl.md");
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            assert!(page.contains(&format!("`{name}")), "{name}");
        }
        for code in [0, 1, 2, 3, 10] {
            assert!(page.contains(&format!("\n| {code} |")), "{code}");
        }
    }

    #[test]
    fn a_preview_takes_a_mapping_from_exactly_one_place() {
        let tried = |more: &[&str]| {
            let line = ["kubectl-aep", "preview", "--record", "r.json"].iter().chain(more);
            Cli::try_parse_from(line).is_ok()
        };
        assert!(tried(&["--name", "charges"]) && tried(&["-f", "m.yaml"]));
        assert!(!tried(&[]) && !tried(&["--name", "charges", "-f", "m.yaml"]));
    }
}
