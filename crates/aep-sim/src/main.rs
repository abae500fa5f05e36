//! The simulator as a process: reads the command line, listens, says where, and ends on a signal.

use std::net::SocketAddr;
use std::path::PathBuf;

use aep_sim::config::{ClockSource, Organisation, Sandbox, StripeAccess};
use aep_sim::{Config, Sim};
use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// A simulator of the part of Adobe Experience Platform that ingests Stripe data.
///
/// One port serves IMS (/ims/token/v3), the platform APIs (/data/foundation/...) and the control API (/_sim/).
#[derive(Parser)]
#[command(name = "aep-sim", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve over HTTP until SIGINT or SIGTERM.
    ///
    /// When it is ready, one line of JSON on standard output says where: {"address": …, "url": …, "controlUrl": …}.
    Serve(Serve),
    /// Print the configuration that the other flags amount to, as JSON to start a file for --config from.
    Config(Who),
}

#[derive(Args)]
struct Serve {
    /// The address to listen on; port 0 takes a free one. There is no protection: keep it on a loopback address.
    #[arg(long, env = "AEP_SIM_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// A file that keeps the state between starts. It holds no secrets, only digests of them.
    #[arg(long, env = "AEP_SIM_STATE_FILE")]
    state_file: Option<PathBuf>,
    #[command(flatten)]
    who: Who,
}

#[derive(Args)]
struct Who {
    /// A JSON file with organisations, credentials, sandboxes, Stripe keys and switches.
    #[arg(long, env = "AEP_SIM_CONFIG")]
    config: Option<PathBuf>,
    /// The organisation id.
    #[arg(long, env = "AEP_SIM_ORG_ID")]
    org_id: Option<String>,
    /// The tenant id, without underscore.
    #[arg(long, env = "AEP_SIM_TENANT")]
    tenant: Option<String>,
    /// The client id, which is also the API key.
    #[arg(long, env = "AEP_SIM_CLIENT_ID")]
    client_id: Option<String>,
    /// A client secret that works; may be given twice.
    #[arg(long, env = "AEP_SIM_CLIENT_SECRET", value_delimiter = ',', hide_env_values = true)]
    client_secret: Vec<String>,
    /// A sandbox name; may be given several times. By default prod and dev.
    #[arg(long, env = "AEP_SIM_SANDBOX", value_delimiter = ',')]
    sandbox: Vec<String>,
    /// A Stripe key that works, besides all that start with `sk_test_`; may be given several times.
    #[arg(long, env = "AEP_SIM_STRIPE_KEY", value_delimiter = ',', hide_env_values = true)]
    stripe_key: Vec<String>,
    /// How many dated objects each Stripe resource has.
    #[arg(long, env = "AEP_SIM_STRIPE_OBJECTS")]
    stripe_objects: Option<usize>,
}

impl Who {
    /// The file's configuration, or the default one, with the flags applied to its first organisation.
    fn config(&self) -> anyhow::Result<Config> {
        let mut config = match &self.config {
            Some(path) => {
                let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
                serde_json::from_slice(&text)
                    .with_context(|| format!("{} is not a configuration", path.display()))?
            }
            None => Config::default(),
        };
        config.clock = ClockSource::Machine;
        if let Some(objects) = self.stripe_objects {
            config.objects_per_resource = objects;
        }
        if config.organisations.is_empty() {
            config.organisations.push(Organisation::default());
        }
        self.apply(&mut config.organisations[0]);
        Ok(config)
    }

    fn apply(&self, organisation: &mut Organisation) {
        let set = |field: &mut String, flag: &Option<String>| {
            if let Some(value) = flag {
                field.clone_from(value);
            }
        };
        set(&mut organisation.org_id, &self.org_id);
        set(&mut organisation.tenant, &self.tenant);
        if let Some(client) = organisation.clients.first_mut() {
            set(&mut client.client_id, &self.client_id);
            if !self.client_secret.is_empty() {
                client.client_secrets.clone_from(&self.client_secret);
            }
        }
        if !self.sandbox.is_empty() {
            let named = self.sandbox.iter().map(|name| Sandbox { name: name.clone(), id: None });
            organisation.sandboxes = named.collect();
        }
        if !self.stripe_key.is_empty() {
            let keys = self.stripe_key.clone();
            organisation.stripe.push(StripeAccess { account: "default".to_owned(), keys });
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let levels = std::env::var("AEP_SIM_LOG").ok().and_then(|levels| levels.parse::<Targets>().ok());
    let filter = levels.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    match Cli::parse().command {
        Command::Serve(serve) => run(serve).await,
        Command::Config(who) => {
            println!("{}", serde_json::to_string_pretty(&who.config()?)?);
            Ok(())
        }
    }
}

async fn run(serve: Serve) -> anyhow::Result<()> {
    let config = serve.who.config()?;
    let sim = match &serve.state_file {
        Some(path) => Sim::load(config, path)?,
        None => Sim::new(config),
    };
    let (mut terminated, mut interrupted) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let listener = TcpListener::bind(serve.listen)
        .await
        .with_context(|| format!("cannot listen on {}", serve.listen))?;
    let address = listener.local_addr()?;
    let saver = serve.state_file.clone().map(|path| {
        let sim = sim.clone();
        tokio::spawn(async move { sim.keep_saving(path).await })
    });
    let ready = serde_json::json!({
        "address": address.to_string(),
        "url": format!("http://{address}"),
        "controlUrl": format!("http://{address}/_sim"),
    });
    println!("{ready}");
    let stop = async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
    };
    let served = sim.serve(listener, stop).await;
    if let Some(saver) = saver {
        saver.abort();
    }
    if let Some(path) = &serve.state_file {
        sim.save(path)?;
    }
    served.context("the server failed")
}
