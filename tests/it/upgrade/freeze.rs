//! Makes the folder of a release, once: `cargo test --test it -- --ignored upgrade::freeze`.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{CRDS, OBJECTS, UPSTREAM, folder, prepared, present, secrets, world};
use crate::support::install::present_crds;
use crate::support::objects::{chain, with};

/// The name of all four objects.
pub const NAME: &str = "c";

/// One of each kind, with as many fields as go together. The flow starts far ahead, so that no run moves anything.
fn objects() -> [Value; 4] {
    let [base, source, mapping, flow] = chain(NAME, "charges");
    let identity =
        json!([{ "destination": "_{TENANT_ID}.charges_data.email", "namespace": "Email", "primary": true }]);
    let mapping = with(mapping, "/targetSchema/managed/identities", identity);
    let rows = json!([
        { "source": "data.billing_details.email", "destination": "_{TENANT_ID}.charges_data.email", "xdmType": "String" },
        { "source": "data.metadata.order_id", "destination": "_{TENANT_ID}.charges_data.order_id", "xdmType": "String" },
        { "source": "lower(data.currency)", "destination": "_{TENANT_ID}.charges_data.currency", "type": "Expression" },
    ]);
    let schedule =
        json!({ "frequency": "hour", "interval": 2, "startTime": "2090-01-01T00:00:00Z", "backfill": false });
    let flow = with(with(flow, "/schedule", schedule), "/partialIngestion", json!({ "percent": 5 }));
    [
        with(base, "/description", json!("The company's account.")),
        with(source, "/displayName", json!("Charges")),
        with(mapping, "/mappings", rows),
        with(flow, "/freshness", json!({ "maxAge": "3h" })),
    ]
}

#[ignore = "writes the folder of a release; see docs/release.md"]
#[tokio::test(flavor = "multi_thread")]
async fn freeze() -> Result<()> {
    let folder = folder().join(format!("v{}", env!("CARGO_PKG_VERSION")));
    ensure!(!folder.exists(), "{} was frozen already: a release never changes", folder.display());
    let (plane, kubeconfig) = prepared(&present_crds()).await?;
    secrets(plane).await?;
    let scratch = tempfile::tempdir()?;
    let state = scratch.path().join(UPSTREAM);
    let mut world = world(plane, &kubeconfig, &state).await?;
    world.apply_all(&objects()).await?;
    world.wait_all_ready(4).await?;
    // Whatever the first passes still note is in.
    world.inventory_passes(2).await?;
    world.operator.process().terminate(Duration::from_secs(30)).await?;
    let mut stored = present(&world).await?;
    for object in &mut stored {
        let metadata = object["metadata"].as_object_mut();
        // It is etcd's, not the object's.
        metadata.map(|metadata| metadata.remove("resourceVersion"));
    }
    // The simulator saves its state at the end.
    world.sim.process().terminate(Duration::from_secs(30)).await?;

    std::fs::create_dir_all(folder.join(CRDS))?;
    for entry in std::fs::read_dir(present_crds())? {
        let path = entry?.path();
        if let Some(name) = path.file_name().filter(|_| path.extension().is_some_and(|yaml| yaml == "yaml")) {
            std::fs::copy(&path, folder.join(CRDS).join(name))?;
        }
    }
    std::fs::write(folder.join(OBJECTS), format!("{}\n", serde_json::to_string_pretty(&stored)?))?;
    let upstream: Value = serde_json::from_str(&std::fs::read_to_string(&state)?)?;
    std::fs::write(folder.join(UPSTREAM), format!("{}\n", serde_json::to_string_pretty(&upstream)?))?;
    Ok(())
}
