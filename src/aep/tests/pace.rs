//! The budget: pace, lanes, pauses and storms.

use super::*;
use crate::aep::budget::Budget;

fn flow() -> Reply {
    Reply::json(200, &json!({"items": [{"id": ID}]}))
}

#[tokio::test(start_paused = true)]
async fn calls_leave_evenly_and_never_faster_than_the_rate() {
    let fake = Fake::answering([flow()]);
    let settings = Settings { requests_per_second: 10.0, ..Settings::default() };
    let aep = Aep::new(settings, Arc::clone(&fake) as Arc<dyn Transport>).expect("usable settings");
    let session = aep.session(&credentials(), "dev");
    let started = Instant::now();
    futures::future::join_all((0..100).map(|_| get(&session))).await;
    assert!(started.elapsed() >= Duration::from_millis(9900), "{:?}", started.elapsed());
    assert!(started.elapsed() <= Duration::from_millis(10_500), "{:?}", started.elapsed());
    let times: Vec<_> = fake.calls().iter().map(|seen| seen.at).collect();
    for (at, start) in times.iter().enumerate() {
        let window = times[at..].iter().take_while(|time| **time < *start + Duration::from_secs(1)).count();
        assert!(window <= 11, "{window} calls within a second");
    }
}

#[tokio::test(start_paused = true)]
async fn organisations_do_not_share_a_budget() {
    let fake = Fake::answering([Reply::raw(429, "").with("retry-after", "300"), flow()]);
    let aep = client(&fake);
    get(&aep.session(&credentials(), "dev")).await.expect_err("limited");
    let other = Credentials { org_id: "OTHER@AdobeOrg".to_owned(), ..credentials() };
    let started = Instant::now();
    aep.session(&other, "dev").get::<model::Flow>(ID).await.expect("the other organisation goes on");
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_limit_slows_the_whole_organisation_and_permits_taken_ahead() {
    let fake = Fake::answering([Reply::raw(429, "").with("retry-after", "90"), Reply::written()]);
    let aep = client(&fake);
    let (dev, prod) = (aep.session(&credentials(), "dev"), aep.session(&credentials(), "prod"));
    let ahead = permit(&prod).await;
    get(&dev).await.expect_err("limited");
    let (_leader, gate) = gate();
    let error = prod.create::<model::Connection>(ahead, &gate, &new_connection()).await.expect_err("paused");
    assert_eq!(error.kind(), ErrorKind::Limited);
    assert!(error.retry_after().is_some_and(|wait| wait <= Duration::from_secs(90)));
    let error =
        prod.delete::<model::Flow>(&gate, ID).await.expect_err("the pause is longer than the queue deadline");
    assert_eq!(error.kind(), ErrorKind::Limited);
    assert_eq!(fake.calls().len(), 1);
    assert!(prod.pause().is_some());
    let error = prod.permits(1).await.expect_err("nobody sits out a pause of that length");
    assert_eq!(error.kind(), ErrorKind::Limited);
    let started = Instant::now();
    tokio::time::advance(error.retry_after().unwrap_or_default().saturating_sub(Duration::from_secs(5)))
        .await;
    permit(&prod).await;
    assert!(started.elapsed() >= Duration::from_secs(89), "the rest is waited for: {:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn limits_without_a_time_make_growing_pauses_up_to_a_minute() {
    let budget = Budget::new(100.0, None);
    let pauses: Vec<_> = (0..10).map(|_| budget.limited(None)).collect();
    assert!(pauses[0] <= Duration::from_secs(1));
    assert!(pauses[4] > pauses[0]);
    assert!(pauses.iter().all(|pause| *pause <= Duration::from_mins(1)));
    budget.answered();
    assert!(budget.limited(None) <= Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn no_lane_starves_and_shares_follow_the_weights() {
    let budget = Budget::new(10.0, None);
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for _ in 0..40 {
        for lane in Lane::ALL {
            let (budget, order) = (budget.clone(), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                budget.turn(lane).await;
                order.lock().expect("order").push(lane);
            }));
        }
    }
    for task in tasks {
        task.await.expect("a permit for everyone");
    }
    let order = order.lock().expect("order");
    // As long as nobody has run dry: twelve creations, four look-ups and four changes to each page and each read of runs.
    let counts = Lane::ALL.map(|lane| order[..66].iter().filter(|got| **got == lane).count());
    assert_eq!(counts, [12, 12, 36, 3, 3]);
}

#[tokio::test(start_paused = true)]
async fn an_idle_lane_does_not_save_up_its_share() {
    let budget = Budget::new(10.0, None);
    for _ in 0..50 {
        budget.turn(Lane::LookUp).await;
    }
    let order = Arc::new(Mutex::new(Vec::new()));
    let tasks: Vec<_> = [Lane::LookUp, Lane::Drift, Lane::Drift, Lane::LookUp, Lane::Drift, Lane::LookUp]
        .into_iter()
        .map(|lane| {
            let (budget, order) = (budget.clone(), Arc::clone(&order));
            tokio::spawn(async move {
                budget.turn(lane).await;
                order.lock().expect("order").push(lane);
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a permit");
    }
    let order = order.lock().expect("order");
    assert_eq!(order[2..].iter().filter(|lane| **lane == Lane::Drift).count(), 2, "{order:?}");
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_gives_up_costs_nothing() {
    let budget = Budget::new(1.0, None);
    budget.turn(Lane::LookUp).await;
    for _ in 0..10 {
        let waiter = tokio::time::timeout(Duration::from_millis(10), budget.turn(Lane::Runs)).await;
        assert!(waiter.is_err());
    }
    let started = Instant::now();
    budget.turn(Lane::LookUp).await;
    assert!(started.elapsed() <= Duration::from_millis(1100), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn claims_take_their_permits_all_at_once_and_only_as_many_as_can_leave_soon() {
    let budget = Budget::new(10.0, None);
    let first = budget.permits(3).await.expect("no pause");
    let started = Instant::now();
    let second = tokio::time::timeout(Duration::from_secs(9), budget.permits(3)).await;
    assert!(second.is_err(), "no claim may grow old while it waits behind others");
    drop(first);
    assert_eq!(
        budget.permits(3).await.map(|permits| permits.len()),
        Ok(3),
        "a permit that was not needed costs nothing"
    );
    budget.turn(Lane::LookUp).await;
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_failures_slows_to_a_probe_and_one_answer_ends_it() {
    let fake = Fake::answering([Reply::raw(500, "")]);
    let aep = client(&fake);
    let session = aep.session(&credentials(), "dev");
    let until = Instant::now() + Duration::from_mins(10);
    let workers = (0..20).map(|_| async {
        while Instant::now() < until {
            let _ = get(&session).await;
        }
    });
    futures::future::join_all(workers).await;
    let calls = fake.calls().len();
    assert!(calls < 600, "{calls} calls in ten minutes without an answer");
    assert!(calls > 100, "{calls}: recovery has to be noticed");
    fake.then(flow());
    tokio::time::advance(Duration::from_secs(5)).await;
    get(&session).await.expect("recovered");
    let started = Instant::now();
    for _ in 0..20 {
        get(&session).await.expect("full pace");
    }
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_the_provider_of_a_connection_answers_slows_nobody() {
    for (code, slows) in [("1102-500", false), ("1400-500", true)] {
        let fake = Fake::answering([Reply::json(500, &super::send::flow_error(code))]);
        let session = session(&fake);
        for _ in 0..10 {
            get(&session).await.expect_err("a failure");
        }
        assert_eq!(session.pause().is_some(), slows, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn inventory_reads_can_use_their_own_lane() {
    let fake = Fake::answering([Reply::json(200, &json!({"items": []}))]);
    let session = session(&fake).on(Lane::Drift);
    assert!(session.list::<model::Flow>(&Filter::all()).await.expect("a list").is_empty());
}
