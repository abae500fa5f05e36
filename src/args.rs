//! Flags and environment, as validated types.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::aep;

/// Brings Stripe payment data into Adobe Experience Platform, as declared in Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "aep-operator", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator.
    Run(Box<RunArgs>),
    /// Print the `CustomResourceDefinitions` as JSON, one List.
    Crds,
}

/// Settings of the operator. Each can be given as an environment variable.
#[derive(Debug, Clone, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
pub struct RunArgs {
    /// Where Adobe is.
    #[command(flatten)]
    pub endpoints: Endpoints,
    /// Requests per second to one organisation.
    #[arg(long, env = "REQUESTS_PER_SECOND", default_value_t = 10.0, value_parser = positive)]
    pub requests_per_second: f64,
    /// Deadline of one call to Adobe.
    #[arg(long, env = "CALL_DEADLINE", default_value = "60s", value_parser = duration)]
    pub call_deadline: Duration,
    /// Concurrent reconciles per kind, for one organisation; several share them.
    #[arg(long, env = "CONCURRENCY", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,
    /// Names this cluster in the markers of upstream objects. Default: the UID of the namespace kube-system.
    #[arg(long, env = "CLUSTER_ID", value_parser = cluster_id)]
    pub cluster_id: Option<String>,
    /// Period of the inventory pass over connections and flows.
    #[arg(long, env = "DRIFT_INTERVAL", default_value = "5m", value_parser = duration)]
    pub drift_interval: Duration,
    /// Period of the inventory pass over mapping sets, schemas and datasets, which change rarely.
    #[arg(long, env = "SLOW_DRIFT_INTERVAL", default_value = "1h", value_parser = duration)]
    pub slow_drift_interval: Duration,
    /// How long the answer to a lost POST may still surface upstream, counted from the loss. Should exceed the call deadline.
    #[arg(long, env = "LOOKUP_GRACE", default_value = "2m", value_parser = duration)]
    pub lookup_grace: Duration,
    /// How far ahead the start of a flow is set that must not run yet.
    #[arg(long, env = "HELD_START", default_value = "24h", value_parser = duration)]
    pub held_start: Duration,
    /// Namespaces to watch, separated by commas. Default: all.
    #[arg(long, env = "WATCH_NAMESPACES", value_delimiter = ',')]
    pub watch_namespaces: Vec<String>,
    /// Put a finalizer on Secrets in use, so that a deleted namespace does not lose the credentials first.
    #[arg(long, env = "PROTECT_SECRETS", default_value_t = true, action = clap::ArgAction::Set)]
    pub protect_secrets: bool,
    /// Try a changed Stripe key on a connection of its own before the real one gets it, so that a typo stops no flow.
    #[arg(long, env = "VERIFY_ROTATION", default_value_t = true, action = clap::ArgAction::Set)]
    pub verify_rotation: bool,
    /// Names of the only Secrets that the operator may read and watch, separated by commas, for rights that are limited to these names.
    /// Default: any Secret that an object refers to.
    #[arg(long, env = "SECRET_NAMES", value_delimiter = ',')]
    pub secret_names: Vec<String>,
    /// Take turns with other processes of the same lease: one works, the others stand by. Needed for more than one replica.
    #[arg(long, env = "LEADER_ELECT")]
    pub leader_elect: bool,
    /// Name of the lease. Installations that share a namespace need one each.
    #[arg(long, env = "LEASE_NAME", default_value = "aep-operator")]
    pub lease_name: String,
    /// Namespace of the lease. Default: the operator's own.
    #[arg(long, env = "LEASE_NAMESPACE")]
    pub lease_namespace: Option<String>,
    /// How long one pass over an object may take before /healthz says that the operator is stuck.
    #[arg(long, env = "STUCK_AFTER", default_value = "30m", value_parser = duration)]
    pub stuck_after: Duration,
    /// Give each flow metrics of its own, with its namespace and name as labels.
    #[arg(long, env = "METRICS_PER_FLOW")]
    pub metrics_per_flow: bool,
    /// Address of health checks and metrics.
    #[arg(long, env = "HTTP_ADDR", default_value = "0.0.0.0:8080")]
    pub http_addr: SocketAddr,
    /// Format of the log, which goes to standard error. Levels: the environment variable `RUST_LOG`.
    #[arg(long, env = "LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// OpenTelemetry collector that takes traces over OTLP/HTTP, for example <http://otel-collector:4318>. Default: none, nothing is traced.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
    /// Name of this process in events and in the audit log of the API server, for example the pod's name.
    #[arg(long, env = "POD_NAME")]
    pub instance: Option<String>,
}

/// Where Adobe is; the same for all organisations.
#[derive(Debug, Clone, Args)]
pub struct Endpoints {
    /// Gateway of Adobe Experience Platform.
    #[arg(long, env = "AEP_URL", default_value = "https://platform.adobe.io")]
    pub aep_url: String,
    /// Adobe's identity service, which issues tokens.
    #[arg(long, env = "IMS_URL", default_value = "https://ims-na1.adobelogin.com")]
    pub ims_url: String,
    /// Accept plain http URLs; for a simulator on the same machine only.
    #[arg(long, env = "ALLOW_HTTP")]
    pub allow_http: bool,
}

impl Endpoints {
    /// Settings of a client that calls them.
    pub fn settings(&self) -> aep::Settings {
        aep::Settings {
            aep_url: self.aep_url.clone(),
            ims_url: self.ims_url.clone(),
            allow_http: self.allow_http,
            ..aep::Settings::default()
        }
    }
}

/// Format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration =
        text.parse().map_err(|_| format!("{text} is no duration; write it as 90s, 5m or 24h"))?;
    Duration::try_from(span)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| format!("{text} should be more than zero"))
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err(format!("{text} should be a number above zero")),
    }
}

/// Reads a cluster id, which stands between slashes and spaces of a marker.
pub fn cluster_id(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if (1..=64).contains(&text.len()) && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("a cluster id has 1 to 64 letters, digits, dots, dashes or underscores".to_owned())
    }
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
    fn bad_values_are_refused_with_what_to_write() {
        assert!(duration("5 parsecs").unwrap_err().contains("90s"));
        assert!(duration("0s").is_err());
        assert_eq!(duration("5m").unwrap(), Duration::from_mins(5));
        assert!(positive("-1").is_err());
        assert!(cluster_id("a/b").is_err());
        assert_eq!(cluster_id("eu-1").unwrap(), "eu-1");
    }
}
