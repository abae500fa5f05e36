//! What is left upstream without a custom resource.

use std::collections::BTreeSet;

use anyhow::Result;

use super::{aep, writes};
use crate::support::commands::quiet_chain;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_deleted_chain_left_is_listed_with_its_former_owner_and_a_living_one_left_nothing()
-> Result<()> {
    let world = quiet_chain("plorphan").await?;
    let none = aep(&world, &["orphans", "--output", "json"]).await?.json(0)?;
    assert_eq!(none.as_array().map(Vec::len), Some(0), "{none}");
    world.delete_everything().await?;

    let nobody = aep(&world, &["orphans"]).await?;
    assert!(nobody.code == 1 && nobody.err.contains("--credentials-secret"), "{nobody:?}");
    let before = world.last_call().await?;
    let secret = ["orphans", "--credentials-secret", "aep-credentials", "--sandbox", "dev"];
    let orphans = aep(&world, &[secret.as_slice(), &["--output", "json"]].concat()).await?.json(0)?;
    let list = orphans.as_array().cloned().unwrap_or_default();
    let roles: BTreeSet<&str> = list.iter().filter_map(|orphan| orphan["role"].as_str()).collect();
    // Data and its shape are kept unless spec says otherwise; for mapping sets there is no DELETE.
    assert_eq!(roles, BTreeSet::from(["dataset", "field-group", "mapping-set", "schema"]), "{orphans}");
    let upstream: BTreeSet<String> = world.upstream().await?.into_iter().map(|object| object.id).collect();
    for orphan in &list {
        assert!(upstream.contains(orphan["id"].as_str().unwrap_or_default()), "{orphan}");
        let owner = orphan["formerOwner"].as_str().unwrap_or_default();
        assert!(owner.ends_with(&format!(" {}/c", world.namespace)), "{orphan}");
        assert!(
            orphan["whatToDo"].is_string() && !orphan["name"].to_string().contains("[aep-operator"),
            "{orphan}"
        );
    }
    let table = aep(&world, &secret).await?;
    assert!(table.out.contains("former owner") && table.out.contains("DELETE"), "{table:?}");
    assert_eq!(writes(&world, before).await?, Vec::<String>::new(), "it only reads");
    let other =
        aep(&world, &[secret.as_slice(), &["--cluster-id", "another", "--output", "json"]].concat()).await?;
    assert_eq!(other.json(0)?.as_array().map(Vec::len), Some(0), "they are not another cluster's");
    world.check_invariants().await
}
