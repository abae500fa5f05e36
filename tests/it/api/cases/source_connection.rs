//! Cases of `StripeSourceConnection`.

use serde_json::json;

use super::Expected::{Accepted, Refused, RefusedBySchema};
use super::{Case, Table};

pub fn cases() -> Vec<Case> {
    let mut table = Table::new(
        "StripeSourceConnection",
        json!({"baseConnectionRef": {"name": "stripe-eu"}, "resourcePath": "charges"}),
    );
    table.common();
    table.create_each(
        "a resource that the Stripe source reads",
        ["charges", "subscriptions", "refunds", "balance_transactions", "customers", "prices"]
            .map(|path| json!({"resourcePath": path})),
        Accepted,
    );
    table.create_each(
        "another resource",
        ["invoices", "Charges", "balanceTransactions", ""].map(|path| json!({"resourcePath": path})),
        RefusedBySchema("resourcePath: Unsupported value"),
    );
    table.create(
        "a base connection of another namespace",
        json!({"baseConnectionRef": {"name": "other/stripe-eu"}}),
        Refused("object in the same namespace"),
    );
    table.create("no base connection", json!({"baseConnectionRef": null}), RefusedBySchema("Required value"));
    table.immutable(
        "baseConnectionRef",
        json!({"baseConnectionRef": {"name": "stripe-us"}}),
        "baseConnectionRef is immutable",
    );
    table.immutable("resourcePath", json!({"resourcePath": "refunds"}), "resourcePath is immutable");
    table.create(
        "the UUID of a source connection",
        json!({"adopt": {"sourceConnectionId": "26b53912-1005-49f0-b539-12100559f0e2"}}),
        Accepted,
    );
    table.create(
        "36 characters that are no UUID",
        json!({"adopt": {"sourceConnectionId": "26b53912_1005_49f0_b539_12100559f0e2"}}),
        Refused("the id must be the UUID"),
    );
    table.create(
        "adopt without an id",
        json!({"adopt": {}}),
        RefusedBySchema("sourceConnectionId: Required value"),
    );
    let id = "26b53912-1005-49f0-b539-12100559f0e2";
    let adopt = json!({"adopt": {"sourceConnectionId": id}});
    table.adopted("source-connection", id, &adopt, "adopt.sourceConnectionId names another");
    table.cases
}
