//! Each code that Adobe documents, as an answer to a read and to a write: what it comes to for a custom resource.

use std::collections::BTreeSet;
use std::path::Path;

use aep_operator::aep::{Filter, Patch};
use aep_operator::api::condition::Reason;
use aep_operator::domain::catalogue::{CODES, Code};
use aep_operator::domain::outcome::{Class, Obstacle};

use super::*;

/// The collected facts about Adobe's APIs, which are not part of this project: they are looked for beside it.
fn facts() -> Option<String> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/aep/API.md");
    std::fs::read_to_string(beside).ok()
}

/// The rows of the tables below a heading.
fn rows<'f>(facts: &'f str, heading: &str) -> Vec<&'f str> {
    let below = facts.split_once(heading).map_or("", |(_, below)| below);
    let section = below.split_once("\n### ").map_or(below, |(section, _)| section);
    section.lines().filter(|line| line.starts_with('|')).collect()
}

/// The numbers of so many digits in a text; a dash or an ellipsis between two stands for all from the one to the other.
fn numbers(text: &str, digits: usize) -> BTreeSet<u32> {
    let is_dots = |character: char| character == '…' || character == '–';
    let words = text.split(|character: char| !character.is_ascii_digit() && !is_dots(character));
    let mut found = BTreeSet::new();
    let (mut last, mut to_here) = (None, false);
    for word in words.flat_map(|word| word.split_inclusive(is_dots)) {
        let number = word.trim_end_matches(is_dots);
        if let (true, Ok(number)) = (number.len() == digits, number.parse::<u32>()) {
            let from = last.filter(|_| to_here).unwrap_or(number);
            found.extend(from..=number);
            (last, to_here) = (Some(number), false);
        }
        to_here |= word.contains(is_dots);
    }
    found
}

#[test]
fn the_table_holds_every_code_that_the_facts_name() {
    let Some(facts) = facts() else {
        println!("not compared: the facts about Adobe's APIs are not beside this project");
        return;
    };
    let first_column = |row: &str| row.split('|').nth(1).unwrap_or_default().to_owned();
    let of_services: BTreeSet<u32> =
        rows(&facts, "### 3.11 ").into_iter().flat_map(|row| numbers(&first_column(row), 4)).collect();
    let of_gateway: BTreeSet<u32> =
        rows(&facts, "### 2.1 ").into_iter().flat_map(|row| numbers(row, 6)).collect();
    let held = |is_gateway: bool| -> BTreeSet<u32> {
        CODES.iter().filter(|code| code.is_gateway() == is_gateway).map(|code| code.number).collect()
    };
    assert_eq!(held(false), of_services);
    assert_eq!(held(true), of_gateway);
    assert!(
        of_services.len() >= 90 && of_gateway.len() >= 7,
        "{} and {}",
        of_services.len(),
        of_gateway.len()
    );
}

#[test]
fn a_range_of_codes_stands_for_all_of_them() {
    let numbers = |text: &str| numbers(text, 4).into_iter().collect::<Vec<_>>();
    assert_eq!(numbers("1402, 1406 -400"), [1402, 1406]);
    assert_eq!(numbers("1440–1443, 1450 -400"), [1440, 1441, 1442, 1443, 1450]);
    assert_eq!(numbers("2000-401 … 2002-401"), [2000, 2001, 2002]);
    assert_eq!(numbers("2110-400 … 2113"), [2110, 2111, 2112, 2113]);
}

fn body(code: &Code) -> Value {
    if code.is_gateway() {
        return json!({"error_code": code.number.to_string(), "message": code.when});
    }
    let name = format!("FLOW-{}-{}", code.number, code.status);
    json!({
        "type": format!("https://ns.adobe.com/aep/errors/{name}"), "title": code.when, "status": code.status,
        "report": {"detailed-message": code.when, "request-id": "request-of-the-body"},
    })
}

/// What comes next, by the table and by the one rule that goes before it: a failed write may have been executed.
fn expected(code: &Code, is_write: bool) -> Class {
    if code.status >= 500 && is_write { Class::Ambiguous } else { code.class }
}

#[tokio::test(start_paused = true)]
async fn every_documented_code_has_its_class_and_a_message_that_says_what_to_do() {
    let world = World::new();
    let base = world.base().await;
    let etag = base.etag.clone().unwrap();
    for code in CODES {
        let action = json!({"status": {"status": code.status, "body": body(code)}});
        world.fault("GET", "/flows", &json!("forever"), &action);
        world.fault("PATCH", "/connections/{id}", &json!(1), &action);
        let read = world.session.list::<Flow>(&Filter::all()).await.unwrap_err();
        let write =
            world.session.patch::<Connection>(&base.id, &etag, &Patch::new().replace("/name", "n")).await;
        for (is_write, error) in [(false, read), (true, write.unwrap_err())] {
            let said = error.message().to_owned();
            let obstacle = Obstacle::from(error);
            assert_eq!(obstacle.class, expected(code, is_write), "{code:?} write {is_write}: {obstacle}");
            let is_unknown = code.status >= 500 && is_write;
            let reason = if is_unknown { Reason::OutcomeUnknown } else { code.reason };
            assert_eq!(obstacle.reason, reason, "{code:?} write {is_write}: {obstacle}");
            assert!(obstacle.message.contains(&said), "{code:?}: {obstacle}");
            assert!(obstacle.message.contains(obstacle.reason.remedy()), "{code:?}: {obstacle}");
            assert!(obstacle.message.contains("[request "), "Adobe's support asks for it: {obstacle}");
        }
        world.control("DELETE", "/faults", &Value::Null);
        // A refused token is not tried again at once.
        tokio::time::advance(Duration::from_mins(5)).await;
    }
    assert_eq!(world.count("connections"), 1, "nothing was made or lost");
}
