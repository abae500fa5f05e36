//! `prices/v1`: one row per value of a price. Amounts in `*_decimal` are strings, as Stripe sends them.

use super::{FLAG, LONG, ShippedField, TEXT, row, typed};

pub(super) const FIELDS: &[ShippedField] = &[
    row("id", TEXT),
    row("object", TEXT),
    row("active", FLAG),
    row("billing_scheme", TEXT),
    row("created", LONG),
    row("currency", TEXT),
    row("custom_unit_amount.maximum", LONG).pinned(),
    row("custom_unit_amount.minimum", LONG).pinned(),
    row("custom_unit_amount.preset", LONG).pinned(),
    row("livemode", FLAG),
    row("lookup_key", TEXT).pinned(),
    row("nickname", TEXT).pinned(),
    row("product", TEXT),
    row("recurring.aggregate_usage", TEXT).pinned(),
    row("recurring.interval", TEXT),
    row("recurring.interval_count", LONG),
    row("recurring.trial_period_days", LONG).pinned(),
    row("recurring.usage_type", TEXT),
    row("tax_behavior", TEXT),
    row("tiers_mode", TEXT).pinned(),
    row("transform_quantity.divide_by", LONG).pinned(),
    row("transform_quantity.round", TEXT).pinned(),
    row("type", TEXT),
    row("unit_amount", LONG),
    row("unit_amount_decimal", TEXT),
    // For rows of the user's own.
    typed("recurring.meter", TEXT).pinned(),
];
