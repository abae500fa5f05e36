//! Identifiers and clock texts of the data lake, in the shapes Adobe's services use.
//!
//! Must not know which store an identifier ends up in.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// 48 hexadecimal digits: the last segment of a Schema Registry `$id`.
pub(crate) fn hex48() -> String {
    let mut id = hex32();
    id.push_str(&hex32()[..16]);
    id
}

/// 40 hexadecimal digits: the `@id` of a descriptor.
pub(crate) fn hex40() -> String {
    let mut id = hex32();
    id.push_str(&hex32()[..8]);
    id
}

/// 32 hexadecimal digits: mapping sets and their rows.
pub(crate) fn hex32() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// 24 hexadecimal digits: Catalog objects.
pub(crate) fn hex24() -> String {
    hex32()[..24].to_owned()
}

/// A request id as the services print it.
pub(crate) fn uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// A batch id: 26 characters of Crockford's base 32 that sort by time.
pub(crate) fn batch_id(now_ms: i64) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let time = u128::from(now_ms.unsigned_abs()) & ((1 << 48) - 1);
    let noise = uuid::Uuid::new_v4().as_u128() & ((1 << 80) - 1);
    let value = (time << 80) | noise;
    (0..26).rev().map(|digit| char::from(DIGITS[((value >> (digit * 5)) & 31) as usize])).collect()
}

/// The clock text inside a Schema Registry error report, `MM-dd-yyyy HH:mm:ss`.
pub(crate) fn report_time(now_ms: i64) -> String {
    Timestamp::from_millisecond(now_ms)
        .map(|at| at.to_zoned(TimeZone::UTC).strftime("%m-%d-%Y %H:%M:%S").to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_have_the_documented_lengths() {
        assert_eq!([hex48().len(), hex40().len(), hex32().len(), hex24().len()], [48, 40, 32, 24]);
        assert_eq!(batch_id(1_700_000_000_000).len(), 26);
    }

    #[test]
    fn batch_ids_sort_by_time() {
        assert!(batch_id(1_700_000_000_000) < batch_id(1_700_000_001_000));
    }
}
