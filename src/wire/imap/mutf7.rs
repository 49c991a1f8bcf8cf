//! Modified UTF-7 (RFC 3501 section 5.1.3), strict: one mailbox has one spelling, so whatever `encode` would not have
//! written is refused (base64 of printable ASCII, needless shifts, padding bits that are not zero, lone surrogates).

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/// The wire form of a UTF-8 name: printable ASCII as it is, `&` as `&-`, runs of the rest as `&BASE64-` of UTF-16.
pub fn encode(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut run: Vec<u16> = Vec::new();
    for c in name.chars() {
        if matches!(c, ' '..='~') {
            encode_run(&mut out, &mut run);
            out.push(c);
            if c == '&' {
                out.push('-');
            }
        } else {
            run.extend_from_slice(c.encode_utf16(&mut [0; 2]));
        }
    }
    encode_run(&mut out, &mut run);
    out
}

fn encode_run(out: &mut String, run: &mut Vec<u16>) {
    if run.is_empty() {
        return;
    }
    out.push('&');
    let (mut bits, mut count) = (0u32, 0);
    for unit in run.drain(..) {
        bits = bits << 16 | u32::from(unit);
        count += 16;
        while count >= 6 {
            count -= 6;
            out.push(digit(bits >> count));
        }
        bits &= (1 << count) - 1;
    }
    if count > 0 {
        out.push(digit(bits << (6 - count)));
    }
    out.push('-');
}

fn digit(bits: u32) -> char {
    char::from(ALPHABET.get((bits & 63) as usize).copied().unwrap_or(b'A'))
}

/// The UTF-8 name of a wire form; None when it is not what [`encode`] writes.
pub fn decode(wire: &[u8]) -> Option<String> {
    let mut out = String::with_capacity(wire.len());
    let mut rest = wire;
    while let Some((&c, tail)) = rest.split_first() {
        rest = tail;
        match c {
            b'&' => {
                let end = rest.iter().position(|c| *c == b'-')?;
                let run = rest.get(..end)?;
                rest = rest.get(end + 1..)?;
                if run.is_empty() {
                    out.push('&')
                } else {
                    decode_run(run, &mut out)?
                }
            }
            b' '..=b'~' => out.push(char::from(c)),
            _ => return None,
        }
    }
    // Two runs back to back, or an encoded `&`, are spellings that encode never makes.
    (encode(&out).as_bytes() == wire).then_some(out)
}

fn decode_run(run: &[u8], out: &mut String) -> Option<()> {
    let (mut bits, mut count) = (0u32, 0);
    let mut units: Vec<u16> = Vec::new();
    for c in run {
        let value = ALPHABET.iter().position(|a| a == c)? as u32;
        bits = bits << 6 | value;
        count += 6;
        if count >= 16 {
            count -= 16;
            units.push((bits >> count) as u16);
            bits &= (1 << count) - 1;
        }
    }
    for c in char::decode_utf16(units) {
        out.push(c.ok()?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_the_rfc() {
        assert_eq!(
            encode("~peter/mail/台北/日本語"),
            "~peter/mail/&U,BTFw-/&ZeVnLIqe-"
        );
        assert_eq!(
            decode(b"~peter/mail/&U,BTFw-/&ZeVnLIqe-").unwrap(),
            "~peter/mail/台北/日本語"
        );
        assert_eq!(encode("Entw\u{fc}rfe & mehr"), "Entw&APw-rfe &- mehr");
        assert_eq!(decode(b"&2D3eCg-").unwrap(), "\u{1f60a}");
    }

    #[test]
    fn other_spellings_are_refused() {
        for bad in [
            &b"&"[..],
            b"&AGE-",
            b"&Jjo",
            b"&U,BTFw-&ZeVnLIqe-",
            b"&2D0-",
            b"&JjoB-",
            b"a\x80b",
            b"&ACY-",
            b"&AA=-",
            b"\x01",
            b"&A-",
            b"&JjoA-",
        ] {
            assert_eq!(decode(bad), None, "{}", bad.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(name in "\\PC{0,40}") {
            prop_assert_eq!(decode(encode(&name).as_bytes()), Some(name));
        }
        #[test]
        fn any_octets_are_safe(wire in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Some(name) = decode(&wire) {
                prop_assert_eq!(encode(&name).into_bytes(), wire);
            }
        }
    }
}
