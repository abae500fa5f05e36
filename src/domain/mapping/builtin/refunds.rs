//! `refunds/v1`: one row per value of a refund. Fields that Stripe sends for failed refunds only are typed, without a row.

use super::{LONG, ShippedField, TEXT, row, typed};

pub(super) const FIELDS: &[ShippedField] = &[
    row("id", TEXT),
    row("object", TEXT),
    row("amount", LONG),
    row("balance_transaction", TEXT),
    row("charge", TEXT),
    row("created", LONG),
    row("currency", TEXT),
    row("destination_details.card.reference", TEXT),
    row("destination_details.card.reference_status", TEXT),
    row("destination_details.card.reference_type", TEXT),
    row("destination_details.card.type", TEXT),
    row("destination_details.type", TEXT),
    row("payment_intent", TEXT),
    row("reason", TEXT).pinned(),
    row("receipt_number", TEXT).pinned(),
    row("source_transfer_reversal", TEXT).pinned(),
    row("status", TEXT),
    row("transfer_reversal", TEXT).pinned(),
    // For rows of the user's own.
    typed("description", TEXT).pinned().personal(),
    typed("failure_balance_transaction", TEXT).pinned(),
    typed("failure_reason", TEXT).pinned(),
    typed("instructions_email", TEXT).pinned().personal(),
    typed("pending_reason", TEXT).pinned(),
];
