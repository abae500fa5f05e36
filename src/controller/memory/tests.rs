//! What is remembered, for how long, and what ends it.

use super::*;

const GRACE: Duration = Duration::from_secs(90);

#[tokio::test(start_paused = true)]
async fn the_grace_runs_from_the_later_of_lost_answer_and_first_sight() {
    let memory = Memory::default();
    memory.first_seen("u");
    tokio::time::advance(Duration::from_mins(1)).await;
    assert_eq!(memory.remaining_grace("u", Role::Flow, GRACE), Duration::from_secs(30));
    memory.note_sent("u", Role::Flow, Sent::Unknown(Instant::now()));
    assert_eq!(memory.remaining_grace("u", Role::Flow, GRACE), GRACE);
    tokio::time::advance(GRACE).await;
    assert_eq!(memory.remaining_grace("u", Role::Flow, GRACE), Duration::ZERO);
}

#[test]
fn a_refused_post_needs_no_grace() {
    let memory = Memory::default();
    memory.note_sent("u", Role::Flow, Sent::Refused);
    assert_eq!(memory.remaining_grace("u", Role::Flow, GRACE), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_announced_change_may_surface_until_the_grace_is_over_unless_it_was_refused() {
    let memory = Memory::default();
    memory.first_seen("u");
    assert_eq!(memory.change_grace("u", Role::Schema, GRACE), GRACE, "another process may have sent it");
    tokio::time::advance(GRACE).await;
    assert_eq!(memory.change_grace("u", Role::Schema, GRACE), Duration::ZERO);
    memory.note_change("u", Role::Schema, true);
    assert_eq!(memory.change_grace("u", Role::Schema, GRACE), GRACE);
    memory.note_change("u", Role::Schema, false);
    assert_eq!(memory.change_grace("u", Role::Schema, GRACE), Duration::ZERO);
}

#[test]
fn an_object_is_untouched_only_when_this_process_knows_all_that_happened_to_it() {
    let memory = Memory::default();
    memory.note_listed("old");
    assert!(!memory.is_untouched("old", Role::Flow, None), "it came with a list");
    memory.first_seen("new");
    memory.note_listed("new");
    assert!(memory.is_untouched("new", Role::Flow, None));
    assert!(!memory.is_untouched("new", Role::Flow, Some("foreign")), "another process claimed it");
    memory.note_claim("new", "own");
    assert!(memory.is_untouched("new", Role::Flow, Some("own")));
    memory.note_sent("new", Role::Flow, Sent::Created(ExternalObject::example(Role::Flow, "f")));
    memory.settle("new", |_| Some("f".to_owned()));
    assert!(!memory.is_untouched("new", Role::Flow, Some("own")), "it existed once");
}

#[test]
fn success_and_a_new_generation_each_end_a_row_of_failures() {
    let memory = Memory::default();
    assert_eq!([memory.fail("u", 1), memory.fail("u", 1)], [1, 2]);
    assert_eq!(memory.fail("u", 2), 1, "the spec was changed");
    assert_eq!(memory.fail("other", 2), 1, "the failures of one object are not those of another");
    memory.succeed("u");
    assert_eq!((memory.failures("u"), memory.fail("u", 2)), (0, 1));
}

#[test]
fn an_id_that_status_does_not_hold_is_not_forgotten() {
    let memory = Memory::default();
    memory.note_sent("u", Role::Flow, Sent::Created(ExternalObject::example(Role::Flow, "mine")));
    memory.settle("u", |_| Some("another".to_owned()));
    assert_eq!(
        memory.sent("u", Role::Flow),
        Some(Sent::Created(ExternalObject::example(Role::Flow, "mine")))
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_listed_before_the_own_last_write_is_not_shown() {
    let memory = Memory::default();
    let began = Instant::now();
    assert!(memory.show("u", Role::Flow, Shown::Moved, began));
    tokio::time::advance(GRACE).await;
    memory.note_written("u", Role::Flow);
    assert!(memory.take_shown("u").is_empty());
    assert!(!memory.show("u", Role::Flow, Shown::Moved, began));
    tokio::time::advance(GRACE).await;
    assert!(memory.show("u", Role::Flow, Shown::Moved, Instant::now()));
    assert_eq!((memory.take_shown("u").len(), memory.take_shown("u").len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_object_is_missing_since_it_was_first_not_seen() {
    let memory = Memory::default();
    let first = memory.note_missing("u", Role::Flow, "a");
    tokio::time::advance(GRACE).await;
    assert_eq!(memory.note_missing("u", Role::Flow, "a"), first);
    assert!(memory.note_missing("u", Role::Flow, "b").since > first.since, "another object");
    memory.note_present("u", Role::Flow);
    tokio::time::advance(GRACE).await;
    assert!(memory.note_missing("u", Role::Flow, "b").since > first.since + GRACE);
}

#[tokio::test(start_paused = true)]
async fn the_run_of_another_process_is_in_doubt_from_the_first_sight_of_its_claim_on() {
    let memory = Memory::default();
    memory.note_run("u", "own", RunSent::Refused);
    assert_eq!(memory.run_sent("u", "own"), RunSent::Refused);
    let seen = Instant::now();
    assert_eq!(memory.run_sent("u", "foreign"), RunSent::Unknown(seen));
    tokio::time::advance(GRACE).await;
    assert_eq!(memory.run_sent("u", "foreign"), RunSent::Unknown(seen));
}
