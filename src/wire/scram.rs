//! SCRAM-SHA-256 as a client (RFC 5802, 7677), without channel binding: what is said, and whether the server knows
//! the password too.

use crate::limits::SCRAM_ITERATIONS_MAX;
use crate::wire::{base64, sasl};
use ring::{digest, hmac, pbkdf2};
use std::num::NonZeroU32;
use zeroize::Zeroizing;

/// A login under way. Texts are without the base64 around them.
pub struct Scram {
    nonce: Box<str>,
    first_bare: String,
}

/// The answer to the server's first message.
pub struct Proof {
    /// client-final-message.
    pub message: String,
    /// What the server must say at the end: `v=...`.
    pub verifier: String,
}

impl Scram {
    /// `user` as it is, `nonce` printable without commas.
    pub fn new(user: &str, nonce: &str) -> Scram {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        Scram {
            nonce: nonce.into(),
            first_bare: format!("n={user},r={nonce}"),
        }
    }

    /// client-first-message.
    pub fn first(&self) -> String {
        format!("n,,{}", self.first_bare)
    }

    /// client-final-message; an error says what is wrong with the server's first one.
    pub fn proof(&self, server_first: &str, password: &str) -> Result<Proof, &'static str> {
        let mut fields = server_first.split(',');
        let mut field = |name: &str| fields.next().and_then(|field| field.strip_prefix(name));
        let nonce = field("r=").ok_or("no nonce")?;
        let salt = field("s=").ok_or("no salt")?;
        let rounds = field("i=").and_then(|number| number.parse::<u32>().ok());
        if !nonce.starts_with(&*self.nonce) || nonce.len() == self.nonce.len() {
            return Err("a nonce that does not continue ours");
        }
        let salt = sasl::decode(salt.as_bytes()).ok_or("a salt that is no base64")?;
        let rounds = rounds
            .filter(|rounds| *rounds <= SCRAM_ITERATIONS_MAX)
            .and_then(NonZeroU32::new)
            .ok_or("a number of iterations that is not acceptable")?;
        let mut salted = Zeroizing::new([0; digest::SHA256_OUTPUT_LEN]);
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(algorithm, rounds, &salt, password.as_bytes(), &mut *salted);
        let without_proof = format!("c=biws,r={nonce}");
        let signed = format!("{},{server_first},{without_proof}", self.first_bare);
        let client_key = mac(&*salted, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
        let signature = mac(stored_key.as_ref(), signed.as_bytes());
        let both = client_key.as_ref().iter().zip(signature.as_ref());
        let proof: Vec<u8> = both.map(|(key, sign)| key ^ sign).collect();
        let server_key = mac(&*salted, b"Server Key");
        let verifier = mac(server_key.as_ref(), signed.as_bytes());
        Ok(Proof {
            message: format!("{without_proof},p={}", text(&proof)),
            verifier: format!("v={}", text(verifier.as_ref())),
        })
    }
}

fn mac(key: &[u8], message: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message)
}

fn text(octets: &[u8]) -> String {
    let mut out = Vec::new();
    base64::encode(octets, &mut out);
    out.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER_FIRST: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    /// RFC 7677 section 3.
    #[test]
    fn the_example_of_the_rfc() {
        let scram = Scram::new("user", "rOprNGfwEbeRWgbNEkqO");
        assert_eq!(scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let proof = scram.proof(SERVER_FIRST, "pencil").unwrap();
        assert_eq!(
            proof.message,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert_eq!(
            proof.verifier,
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
        );
    }

    #[test]
    fn servers_are_not_believed() {
        let scram = Scram::new("a,b=c", "rOprNGfwEbeRWgbNEkqO");
        assert_eq!(scram.first(), "n,,n=a=2Cb=3Dc,r=rOprNGfwEbeRWgbNEkqO");
        let many = SCRAM_ITERATIONS_MAX;
        for (first, good) in [
            (format!("r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i={many}"), true),
            (
                format!("r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i={}", many + 1),
                false,
            ),
            ("r=rOprNGfwEbeRWgbNEkqO,s=AAAA,i=1".into(), false),
            ("r=other,s=AAAA,i=1".into(), false),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=AAA,i=1".into(), false),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=0".into(), false),
            ("m=x,r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=1".into(), false),
            ("".into(), false),
        ] {
            assert_eq!(scram.proof(&first, "x").is_ok(), good, "{first}");
        }
    }
}
