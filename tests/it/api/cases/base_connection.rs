//! Cases of `StripeBaseConnection`.

use serde_json::json;

use super::Expected::{Accepted, Refused, RefusedBySchema};
use super::{Case, Table, text};

pub fn cases() -> Vec<Case> {
    let mut table = Table::new(
        "StripeBaseConnection",
        json!({
            "sandbox": "dev",
            "platformCredentialsSecretRef": {"name": "aep-credentials"},
            "stripeCredentialsSecretRef": {"name": "stripe", "key": "access-token"},
        }),
    );
    table.common();
    sandbox(&mut table);
    references(&mut table);
    adoption(&mut table);
    table.cases
}

fn sandbox(table: &mut Table) {
    table.create_each(
        "the name of a sandbox",
        ["prod", "d", "eu-dev-2", "1st"].map(|name| json!({"sandbox": name})),
        Accepted,
    );
    table.create_each(
        "the title of a sandbox",
        ["Prod", "my sandbox", "-dev", "dev-", "dev_eu", "dev\n", "*"].map(|name| json!({"sandbox": name})),
        Refused("sandbox must be the sandbox's name, not its title"),
    );
    table.create("a sandbox name too long", json!({"sandbox": text(257)}), RefusedBySchema("sandbox"));
    table.create("no sandbox", json!({"sandbox": null}), RefusedBySchema("sandbox: Required value"));
    table.immutable("sandbox", json!({"sandbox": "prod"}), "sandbox is immutable");
}

fn references(table: &mut Table) {
    table.create_each(
        "the name of a Secret",
        ["a", "stripe.eu-1", "0"].map(|name| json!({"platformCredentialsSecretRef": {"name": name}})),
        Accepted,
    );
    table.create_each(
        "what cannot be the name of an object of this namespace",
        ["other/stripe", "Stripe", "-a", "a-", "a..b", "a_b", ".a", "a "]
            .map(|name| json!({"stripeCredentialsSecretRef": {"name": name}})),
        Refused("object in the same namespace"),
    );
    table.create(
        "a Secret name too long",
        json!({"platformCredentialsSecretRef": {"name": text(254)}}),
        RefusedBySchema("may not be more than 253"),
    );
    table.create_each(
        "a key of a Secret",
        ["access-token", "STRIPE_KEY", "key.txt"]
            .map(|key| json!({"stripeCredentialsSecretRef": {"key": key}})),
        Accepted,
    );
    table.create_each(
        "what cannot be a key of a Secret",
        ["a b", "a/b", "ä"].map(|key| json!({"stripeCredentialsSecretRef": {"key": key}})),
        Refused("the key must be a key of the Secret's data"),
    );
    table.create(
        "no key",
        json!({"stripeCredentialsSecretRef": {"key": null}}),
        RefusedBySchema("key: Required value"),
    );
    table.update(
        "other Secrets",
        json!({}),
        json!({"platformCredentialsSecretRef": {"name": "new"}, "stripeCredentialsSecretRef": {"key": "new"}}),
        Accepted,
    );
}

fn adoption(table: &mut Table) {
    let adopt = |id: &str| json!({"adopt": {"connectionId": id}});
    table.create_each(
        "the UUID of a connection",
        ["4cb0c374-d3bb-4557-b139-5712880adc55", "4CB0C374-D3BB-4557-B139-5712880ADC55"].map(adopt),
        Accepted,
    );
    table.create_each(
        "36 characters that are no UUID",
        ["4cb0c374-d3bb-4557-b139-5712880adc5g", "4cb0c374d-3bb-4557-b139-5712880adc55"].map(adopt),
        Refused("the id must be the UUID"),
    );
    table.create("an id too short", adopt("4cb0c374"), RefusedBySchema("connectionId"));
    let id = adopt("4cb0c374-d3bb-4557-b139-5712880adc55");
    table.update("adopt comes, as the remedy for a predecessor", json!({}), id.clone(), Accepted);
    table.update("adopt goes when it is done", id.clone(), json!({"adopt": null}), Accepted);
    table.adopted(
        "connection",
        "4cb0c374-d3bb-4557-b139-5712880adc55",
        &id,
        "adopt.connectionId names another",
    );
}
