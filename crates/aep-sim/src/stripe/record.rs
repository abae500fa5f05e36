//! Objects in the shape of Adobe's samples, with other ids, dates and amounts.

use serde_json::{Value, json};

/// The sample of a resource.
pub(super) fn sample(resource: &str) -> Option<Value> {
    let text = match resource {
        "charges" => include_str!("../../samples/stripe/charges.json"),
        "subscriptions" => include_str!("../../samples/stripe/subscriptions.json"),
        "refunds" => include_str!("../../samples/stripe/refunds.json"),
        "balance_transactions" => include_str!("../../samples/stripe/balance_transactions.json"),
        "customers" => include_str!("../../samples/stripe/customers.json"),
        "prices" => include_str!("../../samples/stripe/prices.json"),
        _ => return None,
    };
    serde_json::from_str(text).ok()
}

/// A number that stands for a text (FNV-1a): not a secret, and the same everywhere.
pub(super) fn fingerprint(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Spreads a number over all bits (the finaliser of `SplitMix64`).
fn spread(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// One object of an account.
pub(super) fn make(resource: &str, account: u64, number: u64, created_ms: i64) -> Option<Value> {
    let mut record = sample(resource)?;
    let maker =
        Maker { account, resource: fingerprint(resource), number, created: created_ms.div_euclid(1000) };
    let shift = maker.created - record.get("created").and_then(Value::as_i64).unwrap_or(maker.created);
    maker.vary(&mut record, "", shift);
    Some(record)
}

struct Maker {
    account: u64,
    resource: u64,
    number: u64,
    created: i64,
}

/// That many customers and products are named by other objects.
const SHARED: u64 = 7;

/// The id of the sample customer itself, which is no reference.
const OWN_CUSTOMER: &str = "cus_NffrFeUfNV2Hib";

/// Letters and digits that follow from a number.
fn token(seed: u64, length: usize) -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut bits = seed;
    let mut token = String::with_capacity(length);
    for _ in 0..length {
        bits = spread(bits);
        token.push(char::from(LETTERS[(bits % 62) as usize]));
    }
    token
}

impl Maker {
    fn noise(&self, salt: u64) -> u64 {
        spread(self.account ^ spread(self.resource ^ spread(self.number ^ spread(salt))))
    }

    /// Replaces what differs between two objects of a kind.
    fn vary(&self, node: &mut Value, name: &str, shift: i64) {
        match node {
            Value::Object(members) => {
                members.iter_mut().for_each(|(name, member)| self.vary(member, name, shift));
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.vary(item, name, shift)),
            Value::String(text) => {
                if let Some(varied) = self.text(name, text) {
                    *text = varied;
                }
            }
            Value::Number(number) => {
                if let Some(varied) = number.as_i64().and_then(|number| self.number_of(name, number, shift)) {
                    *node = json!(varied);
                }
            }
            _ => {}
        }
    }

    fn text(&self, name: &str, sample: &str) -> Option<String> {
        match name {
            "email" => Some(format!("customer{}@example.com", self.noise(1) % 100_000)),
            "last4" => Some(format!("{:04}", self.noise(2) % 10_000)),
            "fingerprint" => Some(token(self.noise(3), 16)),
            "receipt_url" => {
                Some(format!("https://pay.stripe.com/receipts/payment/{}", token(self.noise(4), 24)))
            }
            "url" => None,
            "unit_amount_decimal" | "amount_decimal" => Some(self.amount().to_string()),
            _ => self.id(sample),
        }
    }

    /// `ch_3Mml…` keeps its prefix and gets another tail.
    fn id(&self, sample: &str) -> Option<String> {
        let (prefix, tail) = sample.rsplit_once('_')?;
        let mixed =
            tail.chars().all(|c| c.is_ascii_alphanumeric()) && tail.bytes().any(|byte| byte.is_ascii_digit());
        if tail.len() < 14 || !mixed {
            return None;
        }
        let shared = matches!(prefix, "cus" | "prod") && sample != OWN_CUSTOMER;
        let seed = if shared {
            // Many objects name the same customer or product.
            spread(self.account ^ fingerprint(prefix) ^ (self.number % SHARED))
        } else {
            self.noise(fingerprint(sample))
        };
        Some(format!("{prefix}_{}", token(seed, tail.len())))
    }

    /// Cents, never zero.
    fn amount(&self) -> i64 {
        i64::try_from(self.noise(5) % 50_000).unwrap_or_default() + 50
    }

    fn number_of(&self, name: &str, sample: i64, shift: i64) -> Option<i64> {
        match name {
            "amount" | "amount_captured" | "unit_amount" => Some(self.amount()),
            // A transfer leaves the account: the sample is negative too.
            "net" => Some(-self.amount()),
            "risk_score" => i64::try_from(self.noise(6) % 75).ok(),
            "exp_month" => i64::try_from(self.noise(7) % 12 + 1).ok(),
            "exp_year" => i64::try_from(2027 + self.noise(8) % 6).ok(),
            // Everything that is a time in the sample moves with the creation.
            _ if sample > 1_000_000_000 => Some(sample + shift),
            _ => None,
        }
    }
}
