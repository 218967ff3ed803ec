//! SHA-256 in hex, as names and marks are made of it.

use sha2::{Digest, Sha256};

/// The SHA-256 of some bytes as 64 lower-case hex digits.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
