//! Passwords: argon2id over one block of memory, as PHC strings.

use super::block_memory::BlockMemory;
use crate::limits::{PASSWORD_BYTES_MAX, PASSWORD_MEMORY_KIB, PASSWORD_PASSES};
use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Params, Version};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

/// Octets of salt and of the hash.
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// Hashes one password after the other in one block of memory, which goes when this is dropped.
pub struct Hasher {
    memory: BlockMemory,
}

impl Hasher {
    /// Maps the memory. The error is for a person.
    pub fn new() -> Result<Hasher, String> {
        let memory = BlockMemory::map(PASSWORD_MEMORY_KIB).map_err(|e| {
            format!("no memory to check passwords in ({e}): {PASSWORD_MEMORY_KIB} KiB must be free")
        })?;
        Ok(Hasher { memory })
    }

    /// A PHC string for a new password.
    pub fn create(&mut self, password: &[u8]) -> Result<Box<str>, String> {
        checked_length(password)?;
        let mut salt = [0; SALT_BYTES];
        random(&mut salt)?;
        let params = our_params()?;
        let output = self.hash(params.clone(), password, &salt, HASH_BYTES)?;
        let phc = PasswordHash {
            algorithm: ARGON2ID_IDENT,
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&params).map_err(broken)?,
            salt: Some(Salt::new(&salt).map_err(broken)?),
            hash: Some(Output::new(&output).map_err(broken)?),
        };
        Ok(phc.to_string().into_boxed_str())
    }

    /// Whether `password` belongs to `phc`. None stands for an unknown user: it costs the same and is never right.
    pub fn verify(&mut self, phc: Option<&str>, password: &[u8]) -> Result<bool, String> {
        if password.len() > PASSWORD_BYTES_MAX {
            return Ok(false);
        }
        let Some(phc) = phc else {
            self.hash(our_params()?, password, &[0; SALT_BYTES], HASH_BYTES)?;
            return Ok(false);
        };
        let unreadable = |e: &dyn std::fmt::Display| {
            format!(
                "the stored password cannot be read ({e}): give the account a new one with `pillarbox account password`"
            )
        };
        let parsed = PasswordHash::new(phc).map_err(|e| unreadable(&e))?;
        let params = Params::try_from(&parsed).map_err(|e| unreadable(&e))?;
        if parsed.algorithm != ARGON2ID_IDENT || params.m_cost() > PASSWORD_MEMORY_KIB {
            return Err(unreadable(&"not argon2id within our memory"));
        }
        let (Some(salt), Some(expected)) = (parsed.salt, parsed.hash) else {
            return Err(unreadable(&"no salt or hash in it"));
        };
        let output = self.hash(params, password, salt.as_ref(), expected.len())?;
        // `Output` compares in constant time.
        Ok(Output::new(&output).map_err(broken)? == expected)
    }

    fn hash(
        &mut self,
        params: Params,
        password: &[u8],
        salt: &[u8],
        bytes: usize,
    ) -> Result<Zeroizing<Vec<u8>>, String> {
        let mut output = Zeroizing::new(vec![0; bytes]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(password, salt, &mut output, &mut self.memory)
            .map_err(broken)?;
        Ok(output)
    }
}

/// A new password of 20 letters and digits in groups (about 99 bits), without those that look alike.
pub fn generate() -> Result<Zeroizing<String>, String> {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut octets = Zeroizing::new([0u8; 20]);
    random(octets.as_mut())?;
    let mut text = Zeroizing::new(String::with_capacity(24));
    for (n, octet) in octets.iter().enumerate() {
        if n > 0 && n % 5 == 0 {
            text.push('-');
        }
        // 32 letters: the low five bits choose without a bias.
        text.push(char::from(ALPHABET[usize::from(octet & 31)]));
    }
    Ok(text)
}

fn checked_length(password: &[u8]) -> Result<(), String> {
    match password.len() {
        0 => Err("the password is empty: type one, or let --generate make one".into()),
        n if n > PASSWORD_BYTES_MAX => Err(format!(
            "the password has {n} octets and {PASSWORD_BYTES_MAX} are the most: choose a shorter one"
        )),
        _ => Ok(()),
    }
}

fn our_params() -> Result<Params, String> {
    Params::new(PASSWORD_MEMORY_KIB, PASSWORD_PASSES, 1, None).map_err(broken)
}

fn random(octets: &mut [u8]) -> Result<(), String> {
    SystemRandom::new()
        .fill(octets)
        .map_err(|_| "the system gave no random numbers; try again later".into())
}

fn broken(error: impl std::fmt::Display) -> String {
    format!("argon2 failed: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_verified() {
        let mut hasher = Hasher::new().unwrap();
        let phc = hasher.create("pässword".as_bytes()).unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=7168,t=5,p=1$"), "{phc}");
        assert!(hasher.verify(Some(&phc), "pässword".as_bytes()).unwrap());
        assert!(!hasher.verify(Some(&phc), b"password").unwrap());
        assert!(!hasher.verify(None, b"").unwrap());
        assert_ne!(
            hasher.create(b"same").unwrap(),
            hasher.create(b"same").unwrap()
        );
    }

    #[test]
    fn what_another_program_made_is_read_within_our_memory() {
        let mut hasher = Hasher::new().unwrap();
        // A vector of the reference implementation's test.c.
        let phc =
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        assert!(hasher.verify(Some(phc), b"password").unwrap());
        let large = phc.replace("m=256", "m=65536");
        assert!(
            hasher
                .verify(Some(&large), b"password")
                .unwrap_err()
                .contains("account password")
        );
        assert!(hasher.verify(Some("{PLAIN}x"), b"x").is_err());
    }

    #[test]
    fn length_is_bounded() {
        let mut hasher = Hasher::new().unwrap();
        for (n, fits) in [
            (0, false),
            (1, true),
            (PASSWORD_BYTES_MAX, true),
            (PASSWORD_BYTES_MAX + 1, false),
        ] {
            assert_eq!(hasher.create(&vec![b'x'; n]).is_ok(), fits, "{n}");
        }
    }

    #[test]
    fn generated_passwords_differ() {
        let (a, b) = (generate().unwrap(), generate().unwrap());
        assert_ne!(*a, *b);
        assert_eq!(a.len(), 23);
    }
}
