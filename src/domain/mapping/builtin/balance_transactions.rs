//! `balance_transactions/v1`: one row per value, and the fees as one list of records. `amount` and `net` may be negative.

use super::{Kind, LONG, NUMBER, ShippedField, TEXT, row, typed};

pub(super) const FIELDS: &[ShippedField] = &[
    row("id", TEXT),
    row("object", TEXT),
    row("amount", LONG),
    row("available_on", LONG),
    row("created", LONG),
    row("currency", TEXT),
    row("description", TEXT).pinned().personal(),
    row("exchange_rate", NUMBER).pinned(),
    row("fee", LONG),
    row("fee_details", Kind::Records).pinned(),
    row("net", LONG),
    row("reporting_category", TEXT),
    row("source", TEXT),
    row("status", TEXT),
    row("type", TEXT),
    // Copied with `fee_details`.
    typed("fee_details[*].amount", LONG).pinned(),
    typed("fee_details[*].application", TEXT).pinned(),
    typed("fee_details[*].currency", TEXT).pinned(),
    typed("fee_details[*].description", TEXT).pinned(),
    typed("fee_details[*].type", TEXT).pinned(),
    // For rows of the user's own.
    typed("balance_type", TEXT).pinned(),
];
