//! `cargo xtask control-plane`: a control plane for developers, for as long as they want it.

use std::path::PathBuf;

use anyhow::Result;
use testbed::{ControlPlane, Options};

use crate::tools;

/// Flags of the command.
#[derive(clap::Args)]
pub struct Args {
    /// Keep data, logs and credentials in this folder. By default a temporary one, removed at the end.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Install the CRDs as well.
    #[arg(long)]
    crds: bool,
}

/// Starts it and waits for Ctrl-C or SIGTERM.
pub fn run(args: Args) -> Result<()> {
    tools::block_on(async {
        let options = Options { folder: args.folder, ..Options::default() };
        let control_plane = ControlPlane::start(options).await?;
        if args.crds {
            let crds = tools::root().join("crds");
            print!(
                "{}",
                control_plane.run_kubectl(["apply", "--server-side", "-f", &crds.to_string_lossy()]).await?
            );
        }
        println!("export KUBECONFIG={}", control_plane.kubeconfig().display());
        println!("export PATH={}:$PATH", control_plane.folder().join("bin").display());
        eprintln!("Ready. Ctrl-C ends it.");
        tools::interrupted().await
    })
}
