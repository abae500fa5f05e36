//! Cases of `IngestionFlow`.

use serde_json::{Value, json};

use super::Expected::{Accepted, Refused, RefusedBySchema};
use super::{Case, Table, text};

const DATASET: &str = "5c8c3c555033b814b69f947f";
const FIXED: &str = "frequency never changes to or from once";
const KEPT: &str = "dataset is in use and changes only together with sourceConnectionRef";
const OTHER_DATASET: &str = "6c8c3c555033b814b69f947f";

pub fn cases() -> Vec<Case> {
    let mut table = Table::new(
        "IngestionFlow",
        json!({
            "sourceConnectionRef": {"name": "charges"},
            "mappingRef": {"name": "charges"},
            "dataset": {"managed": {"name": "Stripe charges"}},
            "schedule": {"frequency": "hour", "interval": 1},
        }),
    );
    table.common();
    table.create_each(
        "an object of another namespace",
        ["sourceConnectionRef", "mappingRef"].map(|field| json!({field: {"name": "other/charges"}})),
        Refused("object in the same namespace"),
    );
    schedule(&mut table);
    frequency_changes(&mut table);
    options(&mut table);
    replacement_and_freshness(&mut table);
    datasets(&mut table);
    dataset_changes(&mut table);
    table.create(
        "the UUID of a flow",
        json!({"adopt": {"flowId": "84c64142-1741-4b0b-95a9-65644eba0cf6"}}),
        Accepted,
    );
    table.create(
        "36 characters that are no UUID",
        json!({"adopt": {"flowId": "84c64142-1741-4b0b-95a9-65644eba0cfz"}}),
        Refused("the id must be the UUID"),
    );
    let id = "84c64142-1741-4b0b-95a9-65644eba0cf6";
    table.adopted("flow", id, &json!({"adopt": {"flowId": id}}), "adopt.flowId names another");
    table.cases
}

fn at(schedule: Value) -> Value {
    json!({"schedule": schedule})
}

fn once() -> Value {
    at(json!({"frequency": "once", "interval": null}))
}

fn schedule(table: &mut Table) {
    table.create_each(
        "a schedule",
        [("minute", 15), ("minute", 90), ("hour", 1), ("day", 1), ("week", 52)]
            .map(|(frequency, interval)| at(json!({"frequency": frequency, "interval": interval}))),
        Accepted,
    );
    table.create("a single run", once(), Accepted);
    table.create(
        "start and backfill",
        at(json!({"startTime": "2026-12-01T00:00:00Z", "backfill": true})),
        Accepted,
    );
    table.create_each(
        "too often",
        [1, 14].map(|interval| at(json!({"frequency": "minute", "interval": interval}))),
        Refused("with frequency minute Adobe accepts no interval below 15"),
    );
    table.create("never", at(json!({"interval": 0})), RefusedBySchema("interval"));
    table.create("a part of an hour", at(json!({"interval": 1.5})), RefusedBySchema("interval"));
    table.create(
        "no interval",
        at(json!({"interval": null})),
        Refused("interval is required with this frequency"),
    );
    table.create(
        "a single run with an interval",
        at(json!({"frequency": "once", "interval": 1})),
        Refused("once has no interval: remove interval"),
    );
    table.create(
        "a single run with backfill",
        at(json!({"frequency": "once", "interval": null, "backfill": false})),
        Refused("remove backfill"),
    );
    table.create(
        "another frequency",
        at(json!({"frequency": "month"})),
        RefusedBySchema("frequency: Unsupported value"),
    );
    table.create_each(
        "a start in other words",
        ["2026-12-01T01:00:00+01:00", "2026-12-01T00:00:00.123456Z"]
            .map(|start| at(json!({"startTime": start}))),
        Accepted,
    );
    table.create_each(
        "a start out of reach",
        ["1999-12-31T23:59:59Z", "2100-01-01T00:00:00Z"].map(|start| at(json!({"startTime": start}))),
        Refused("startTime must lie between the years 2000 and 2099"),
    );
    table.create_each(
        "a start that is no time",
        [
            "tomorrow",
            "2026-12-01",
            "1764547200",
            "2026-12-01t00:00:00z",
            "2026-12-01T00:00:00",
            "2026-02-30T00:00:00Z",
        ]
        .map(|start| at(json!({"startTime": start}))),
        RefusedBySchema("startTime"),
    );
}

fn frequency_changes(table: &mut Table) {
    table.update("another interval", json!({}), at(json!({"frequency": "day", "interval": 2})), Accepted);
    table.update("to a single run", json!({}), once(), Refused(FIXED));
    table.update(
        "from a single run",
        once(),
        at(json!({"frequency": "hour", "interval": 1})),
        Refused(FIXED),
    );
    table.update("a single run stays", once(), json!({"description": "new"}), Accepted);
    table.update("another start", json!({}), at(json!({"startTime": "2027-01-01T00:00:00Z"})), Accepted);
}

fn options(table: &mut Table) {
    table.create("a disabled flow", json!({"enabled": false}), Accepted);
    table.create_each(
        "partial ingestion",
        [
            json!({"partialIngestion": {"percent": 1}}),
            json!({"partialIngestion": {"percent": 100}, "errorDiagnostics": true}),
        ],
        Accepted,
    );
    table.create_each(
        "a share that is none",
        [0, 101].map(|percent| json!({"partialIngestion": {"percent": percent}})),
        RefusedBySchema("percent"),
    );
    table.create("diagnostics switched off", json!({"errorDiagnostics": false}), Accepted);
    table.create(
        "partial ingestion without diagnostics",
        json!({"partialIngestion": {"percent": 5}, "errorDiagnostics": false}),
        Refused("partialIngestion always writes error diagnostics"),
    );
    table.create("access labels", json!({"accessLabels": ["core/C12", "custom/finance-eu"]}), Accepted);
    table.create(
        "a label without its group",
        json!({"accessLabels": ["core/C1", "C12"]}),
        Refused("each access label must be <group>/<label>"),
    );
    table.create(
        "a label twice",
        json!({"accessLabels": ["core/C1", "core/C1"]}),
        RefusedBySchema("Duplicate value"),
    );
    table.create("re-creation", json!({"onUpstreamDeletion": "Recreate"}), Accepted);
    table.create(
        "another reaction",
        json!({"onUpstreamDeletion": "Ignore"}),
        RefusedBySchema("onUpstreamDeletion"),
    );
}

fn replacement_and_freshness(table: &mut Table) {
    table.create_each(
        "a replacement",
        [
            json!({"approval": "Manual"}),
            json!({"history": "Full"}),
            json!({"approval": "Automatic", "history": "None"}),
            json!({}),
        ]
        .map(|replacement| json!({"replacement": replacement})),
        Accepted,
    );
    table.create(
        "an automatic replacement that leaves the past open",
        json!({"replacement": {"approval": "Automatic"}}),
        Refused("approval Automatic needs history"),
    );
    table.create_each(
        "a freshness",
        ["90m", "3h", "2d", "99999m"].map(|age| json!({"freshness": {"maxAge": age}})),
        Accepted,
    );
    table.create_each(
        "a freshness in other words",
        ["0h", "3", "1h30m", "3 h", "3w", "03h", "P1D"].map(|age| json!({"freshness": {"maxAge": age}})),
        // The shortest of them is refused by its length as well, with the rule's message beside it.
        Refused("maxAge must be a whole number of minutes, hours or days"),
    );
    let mut single = once();
    single["freshness"] = json!({"maxAge": "3h"});
    table.create("the freshness of a single run", single, Refused("remove freshness"));
}

fn existing(dataset: &Value) -> Value {
    json!({"dataset": {"managed": null, "existing": dataset}})
}

fn datasets(table: &mut Table) {
    table.create("a dataset by name", existing(&json!({"name": "Stripe charges"})), Accepted);
    table.create("a dataset by id", existing(&json!({"id": DATASET})), Accepted);
    for (name, dataset) in [
        ("a dataset by name and id", existing(&json!({"name": "a", "id": DATASET}))),
        ("a dataset by nothing", existing(&json!({}))),
    ] {
        table.create(name, dataset, Refused("exactly one of name and id must be given"));
    }
    for (name, dataset) in [
        ("an existing and a managed dataset", json!({"dataset": {"existing": {"name": "a"}}})),
        ("neither an existing nor a managed dataset", json!({"dataset": {"managed": null}})),
    ] {
        table.create(name, dataset, Refused("exactly one of existing and managed must be given"));
    }
    table.create_each(
        "24 characters that are no id of a dataset",
        ["5C8C3C555033B814B69F947F", "5c8c3c555033b814b69f947z"].map(|id| existing(&json!({"id": id}))),
        Refused("the id must be the 24 lower-case hex digits"),
    );
    let managed = |change: Value| json!({"dataset": {"managed": change}});
    table.create("a dataset to take over", managed(json!({"adopt": {"id": DATASET}})), Accepted);
    table.create("a dataset name too long", managed(json!({"name": text(201)})), RefusedBySchema("name"));
    table.create(
        "a dataset name that looks like the marker",
        managed(json!({"name": "[aep-operator/v1 x"})),
        Refused("ownership marker"),
    );
}

fn dataset_changes(table: &mut Table) {
    let external = |roles: &[(&str, &str)]| {
        let objects: Vec<_> = roles
            .iter()
            .map(|(role, id)| json!({"role": role, "id": id, "organization": "A@AdobeOrg", "sandbox": "dev"}))
            .collect();
        json!({"external": objects})
    };
    let in_use = external(&[("dataset", DATASET), ("target-connection", "t"), ("flow", "f")]);
    let managed = |name: &str| json!({"dataset": {"managed": {"name": name}}});
    let by_name = existing(&json!({"name": "a"}));
    let other_name = json!({"dataset": {"existing": {"name": "b"}}});
    let by_id = |id: &str| json!({"dataset": {"existing": {"name": null, "id": id}}});

    table.update(
        "a wrong name is put right before anything exists",
        by_name.clone(),
        other_name.clone(),
        Accepted,
    );
    let found = external(&[("dataset", DATASET)]);
    table.update_in_use(
        "even when it was found already",
        &found,
        by_name.clone(),
        other_name.clone(),
        Accepted,
    );
    table.update("a managed name, before anything exists", json!({}), managed("b"), Accepted);
    table.update_in_use("a managed name, once it is created", &found, json!({}), managed("b"), Refused(KEPT));
    table.update_in_use(
        "another existing dataset",
        &in_use,
        by_name.clone(),
        other_name.clone(),
        Refused(KEPT),
    );
    table.update_in_use("from managed to existing", &in_use, json!({}), by_name.clone(), Refused(KEPT));
    let mut to_managed = managed("a");
    to_managed["dataset"]["existing"] = Value::Null;
    table.update_in_use("from existing to managed", &in_use, by_name.clone(), to_managed, Refused(KEPT));
    table.update_in_use("the same dataset by its id", &in_use, by_name.clone(), by_id(DATASET), Accepted);
    table.update_in_use(
        "another dataset by its id",
        &in_use,
        by_name.clone(),
        by_id(OTHER_DATASET),
        Refused(KEPT),
    );
    let policy = json!({"dataset": {"managed": {"deletionPolicy": "Delete", "adopt": {"id": DATASET}}}});
    table.update_in_use("policy and adoption of a managed one", &in_use, json!({}), policy, Accepted);

    let mut together = other_name;
    together["sourceConnectionRef"] = json!({"name": "charges-2"});
    table.update_in_use("together with the source", &in_use, by_name.clone(), together, Accepted);
    table.update_in_use(
        "the source alone",
        &in_use,
        by_name,
        json!({"sourceConnectionRef": {"name": "charges-2"}}),
        Accepted,
    );
    table.update_in_use(
        "the mapping",
        &in_use,
        json!({}),
        json!({"mappingRef": {"name": "other"}}),
        Accepted,
    );
}
