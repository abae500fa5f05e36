//! Each code that Adobe documents, as an answer to a read and to a write: what it comes to for a custom resource.

use aep_operator::aep::{Filter, Patch};
use aep_operator::domain::catalogue::{CODES, Code};
use aep_operator::domain::outcome::{Class, Obstacle};

use super::*;

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
            if code.status < 500 {
                assert_eq!(obstacle.reason, code.reason, "{code:?}: {obstacle}");
            }
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
