//! Hashes by which status tells whether something has changed.

use serde::Serialize;
use sha2::{Digest, Sha256};

/// A short, stable hash of anything that serialises.
pub fn of(value: &impl Serialize) -> String {
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    hex(&Sha256::digest(&bytes))
}

/// A hash that tells whether a secret changed and nothing else: salted with the object's UID.
pub fn of_secret(uid: &str, secret: impl AsRef<[u8]>) -> String {
    let mut digest = Sha256::new();
    digest.update(uid.as_bytes());
    digest.update([0]);
    digest.update(secret);
    hex(&digest.finalize())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().take(16).fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_secret_depends_on_the_object_and_the_secret() {
        assert_ne!(of_secret("u1", "s"), of_secret("u2", "s"));
        assert_ne!(of_secret("u1", "s"), of_secret("u1", "t"));
        assert_eq!(of_secret("u1", "s"), of_secret("u1", "s"));
    }
}
