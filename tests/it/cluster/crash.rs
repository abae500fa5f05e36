//! SIGKILL of the operator at random moments.

use std::time::Duration;

use anyhow::Result;

use super::many::{no_orphans, one_object_per_role};
use crate::support::World;
use crate::support::objects::chain;

#[tokio::test(flavor = "multi_thread")]
async fn five_kills_while_twenty_chains_are_created_make_no_duplicate_and_need_no_human() -> Result<()> {
    let mut world = World::start("crash").await?;
    let objects: Vec<_> = (0..20).flat_map(|n| chain(&format!("c{n}"), "refunds")).collect();
    world.apply_all(&objects).await?;
    for _ in 0..5 {
        // A random number of creating calls from now on, so that each kill falls into another step.
        let before = world.calls(0).await?.iter().filter(|call| call.is_creating_post()).count();
        let wanted = (before + usize::from(rand::random::<u8>() % 15)).min(95);
        world
            .until("some more creates", async || {
                let calls = world.calls(0).await?;
                Ok((calls.iter().filter(|call| call.is_creating_post()).count() >= wanted).then_some(()))
            })
            .await?;
        world.operator.process().kill()?;
        world.operator.process().restart()?;
        world.operator.ready(Duration::from_secs(30)).await?;
    }
    world.wait_all_ready(80).await?;
    one_object_per_role(&world, 20).await?;
    world.delete_everything().await?;
    no_orphans(&world).await?;
    world.check_invariants().await
}
