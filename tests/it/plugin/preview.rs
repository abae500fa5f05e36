//! One record through a mapping before anything is applied.

use anyhow::Result;
use serde_json::{Value, json};

use super::{aep, file, writes};
use crate::support::commands::quiet_chain;
use crate::support::objects::with;
use crate::support::world::KINDS;

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_shown_as_it_would_be_ingested_and_rows_that_fail_are_named() -> Result<()> {
    let world = quiet_chain("plpreview").await?;
    let folder = tempfile::tempdir()?;
    let record = folder.path().join("price.json");
    std::fs::write(&record, json!({ "id": "price_1", "currency": "eur", "unit_amount": 5 }).to_string())?;
    let record = record.to_string_lossy().into_owned();
    let before = world.last_call().await?;
    let shown =
        aep(&world, &["preview", "--name", "c", "--record", &record, "--output", "json"]).await?.json(0)?;
    let tenant = world.get(KINDS[2], "c").await?.unwrap_or_default()["status"]["tenant"].clone();
    let data = &shown["data"][format!("_{}", tenant.as_str().unwrap_or_default())]["prices_data"];
    assert_eq!((&data["id"], &data["unit_amount"]), (&json!("price_1"), &json!(5)), "{shown}");
    assert_eq!(shown["errors"], json!([]));
    let table = aep(&world, &["preview", "--name", "c", "--record", &record]).await?;
    assert!(table.code == 0 && table.out.contains("price_1"), "{table:?}");

    // The same mapping with a row that is only in a file yet.
    let mapping = world.get(KINDS[2], "c").await?.unwrap_or_default();
    let manifest = json!({ "apiVersion": mapping["apiVersion"], "kind": KINDS[2], "metadata": { "name": "c" }, "spec": mapping["spec"] });
    let row = json!([{ "source": "to_integer(data.currency)", "destination": "_{TENANT_ID}.prices_data.unit_amount", "type": "Expression" }]);
    let manifest: Value = with(manifest, "/mappings", row);
    let path = file(folder.path(), &[manifest])?.to_string_lossy().into_owned();
    let failed =
        aep(&world, &["preview", "-f", &path, "--record", &record, "--output", "json"]).await?.json(3)?;
    let destination = failed["errors"][0]["destination"].as_str().unwrap_or_default();
    assert!(destination.ends_with(".prices_data.unit_amount"), "{failed}");
    assert_eq!(writes(&world, before).await?, Vec::<String>::new(), "a preview writes nothing");
    world.check_invariants().await
}
