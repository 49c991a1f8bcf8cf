//! Random numbers of the system, for names that must not be guessed or repeated.

use ring::rand::{SecureRandom, SystemRandom};
use std::fmt::Write;

/// Fills `bytes`; the door that `store::Options` asks for.
pub fn fill(bytes: &mut [u8]) {
    SystemRandom::new()
        .fill(bytes)
        .expect("the kernel's random numbers never end once it is up");
}

/// 64 bits as 16 hexadecimal digits.
pub fn hex_id() -> String {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    let mut text = String::with_capacity(16);
    // Writing to a String cannot fail.
    let _ = write!(text, "{:016x}", u64::from_be_bytes(bytes));
    text
}
