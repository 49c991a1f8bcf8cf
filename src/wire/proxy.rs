//! The binary header of the PROXY protocol, version 2 ("The PROXY protocol", HAProxy, section 2.2): who stands behind
//! a proxy that passes octets on as they are. It comes before everything else, TLS too. The text form is not taken.

use crate::limits::PROXY_BYTES_MAX;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Octets of the fixed part: signature, version and command, family, length of the rest.
pub const FIXED_BYTES: usize = 16;
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The type of the field that holds a checksum of the whole header (section 2.2.3).
const CRC32C: u8 = 0x03;

/// Both ends of the connection that the proxy took.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ends {
    /// The client.
    pub client: SocketAddr,
    /// Where the client connected to.
    pub server: SocketAddr,
}

/// Why octets are no header that is taken, for people.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoHeader(pub &'static str);

/// Octets that follow the fixed part: at most `PROXY_BYTES_MAX`.
pub fn rest_bytes(fixed: &[u8; FIXED_BYTES]) -> Result<usize, NoHeader> {
    if !fixed.starts_with(SIGNATURE) {
        return Err(NoHeader("the signature of PROXY version 2 is missing"));
    }
    let [.., high, low] = *fixed;
    let rest = usize::from(u16::from_be_bytes([high, low]));
    match rest <= PROXY_BYTES_MAX {
        true => Ok(rest),
        false => Err(NoHeader("it is too long")),
    }
}

/// Reads a whole header (the fixed part and what follows). None: the proxy speaks for itself (LOCAL, a check of its
/// own), or of a connection without addresses that we know.
pub fn parse(header: &[u8]) -> Result<Option<Ends>, NoHeader> {
    let fixed = header
        .first_chunk::<FIXED_BYTES>()
        .ok_or(NoHeader("it ends too early"))?;
    let rest = header.get(FIXED_BYTES..).unwrap_or_default();
    if rest.len() != rest_bytes(fixed)? {
        return Err(NoHeader("its length is wrong"));
    }
    let [.., version, family, _, _] = *fixed;
    let own = match version {
        0x20 => true,
        0x21 => false,
        _ => return Err(NoHeader("an unknown version or command")),
    };
    let (ends, fields) = match (family, rest) {
        // TCP over IPv4 and IPv6 (section 2.2.1 and 2.2.2).
        (0x11, rest) => v4(rest).ok_or(NoHeader("it lacks addresses"))?,
        (0x21, rest) => v6(rest).ok_or(NoHeader("it lacks addresses"))?,
        // No addresses, or of a kind that cannot be judged: what follows says nothing that we would read.
        _ => return Ok(None),
    };
    check_fields(header, fields)?;
    Ok((!own).then_some(ends))
}

fn v4(rest: &[u8]) -> Option<(Ends, &[u8])> {
    let (client, rest) = rest.split_first_chunk::<4>()?;
    let (server, rest) = rest.split_first_chunk::<4>()?;
    let ips = [client, server].map(|octets| IpAddr::V4(Ipv4Addr::from(*octets)));
    with_ports(ips, rest)
}

fn v6(rest: &[u8]) -> Option<(Ends, &[u8])> {
    let (client, rest) = rest.split_first_chunk::<16>()?;
    let (server, rest) = rest.split_first_chunk::<16>()?;
    let ips = [client, server].map(|octets| IpAddr::V6(Ipv6Addr::from(*octets)).to_canonical());
    with_ports(ips, rest)
}

fn with_ports([client, server]: [IpAddr; 2], rest: &[u8]) -> Option<(Ends, &[u8])> {
    let (from, rest) = rest.split_first_chunk::<2>()?;
    let (to, rest) = rest.split_first_chunk::<2>()?;
    let ends = Ends {
        client: SocketAddr::new(client, u16::from_be_bytes(*from)),
        server: SocketAddr::new(server, u16::from_be_bytes(*to)),
    };
    Some((ends, rest))
}

/// Passes over the fields behind the addresses; a checksum among them has to be right.
fn check_fields(header: &[u8], mut fields: &[u8]) -> Result<(), NoHeader> {
    while let [kind, high, low, rest @ ..] = fields {
        let bytes = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, after) = rest
            .split_at_checked(bytes)
            .ok_or(NoHeader("a field is cut off"))?;
        if *kind == CRC32C {
            let place = header.len() - rest.len();
            let right = value.first_chunk::<4>().filter(|_| bytes == 4);
            let right = right.map(|octets| u32::from_be_bytes(*octets));
            if right != Some(checksum(header, place)) {
                return Err(NoHeader("its checksum is wrong"));
            }
        }
        fields = after;
    }
    match fields.is_empty() {
        true => Ok(()),
        false => Err(NoHeader("a field is cut off")),
    }
}

/// CRC32C of the header with four zeros at `place`, where the checksum itself stands.
fn checksum(header: &[u8], place: usize) -> u32 {
    let before = header.get(..place).unwrap_or_default();
    let after = header.get(place + 4..).unwrap_or_default();
    let crc = crc32c::crc32c_append(crc32c::crc32c(before), &[0; 4]);
    crc32c::crc32c_append(crc, after)
}

/// A header as a proxy writes it.
pub fn write(ends: &Ends) -> Vec<u8> {
    let mut rest = Vec::with_capacity(36);
    let family = match (ends.client.ip(), ends.server.ip()) {
        (IpAddr::V4(client), IpAddr::V4(server)) => {
            rest.extend_from_slice(&client.octets());
            rest.extend_from_slice(&server.octets());
            0x11
        }
        (client, server) => {
            for ip in [client, server] {
                let ip = match ip {
                    IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                    IpAddr::V6(v6) => v6,
                };
                rest.extend_from_slice(&ip.octets());
            }
            0x21
        }
    };
    rest.extend_from_slice(&ends.client.port().to_be_bytes());
    rest.extend_from_slice(&ends.server.port().to_be_bytes());
    let mut header = SIGNATURE.to_vec();
    // At most 36 octets.
    header.extend_from_slice(&[0x21, family, 0, rest.len() as u8]);
    header.extend_from_slice(&rest);
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ends(client: &str, server: &str) -> Ends {
        Ends {
            client: client.parse().unwrap(),
            server: server.parse().unwrap(),
        }
    }

    fn with_fields(mut header: Vec<u8>, fields: &[u8]) -> Vec<u8> {
        header.extend_from_slice(fields);
        let rest = u16::try_from(header.len() - FIXED_BYTES).unwrap();
        header[14..16].copy_from_slice(&rest.to_be_bytes());
        header
    }

    #[test]
    fn both_families() {
        let v4 = ends("192.0.2.1:4711", "198.51.100.2:25");
        assert_eq!(parse(&write(&v4)), Ok(Some(v4)));
        let v6 = ends("[2001:db8::1]:4711", "[2001:db8::2]:25");
        assert_eq!(parse(&write(&v6)), Ok(Some(v6)));
        // Written down octet by octet, not by `write`.
        let header =
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x02\x12\x67\0\x19";
        assert_eq!(parse(header), Ok(Some(v4)));
        let mapped = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24\
            \0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x01\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x33\x64\x02\x12\x67\0\x19";
        assert_eq!(parse(mapped), Ok(Some(v4)));
    }

    #[test]
    fn a_proxy_may_speak_for_itself_or_know_no_address() {
        for (version, family) in [(0x20, 0x00), (0x20, 0x11), (0x21, 0x00), (0x21, 0x31)] {
            let mut header = write(&ends("192.0.2.1:1", "192.0.2.2:2"));
            header[12] = version;
            header[13] = family;
            assert_eq!(parse(&header), Ok(None), "{version} {family}");
        }
        let mut header = write(&ends("192.0.2.1:1", "192.0.2.2:2"));
        for version in [0x11, 0x22, 0x2f] {
            header[12] = version;
            assert!(parse(&header).is_err());
        }
    }

    #[test]
    fn fields_are_passed_over_and_a_checksum_is_checked() {
        let plain = write(&ends("192.0.2.1:1", "192.0.2.2:2"));
        let ends = parse(&plain).unwrap();
        assert_eq!(
            parse(&with_fields(plain.clone(), b"\x01\0\x02h2\xee\0\0")),
            Ok(ends)
        );
        let mut summed = with_fields(plain.clone(), b"\x05\0\x01x\x03\0\x04\0\0\0\0");
        let crc = crc32c::crc32c(&summed);
        let place = summed.len() - 4;
        summed[place..].copy_from_slice(&crc.to_be_bytes());
        assert_eq!(parse(&summed), Ok(ends));
        summed[17] ^= 1;
        assert_eq!(parse(&summed), Err(NoHeader("its checksum is wrong")));
        for cut in [b"\x01".as_slice(), b"\x01\0\x03ab", b"\x03\0\x03abc"] {
            assert!(parse(&with_fields(plain.clone(), cut)).is_err(), "{cut:?}");
        }
    }

    #[test]
    fn the_length_is_bounded() {
        let plain = write(&ends("192.0.2.1:1", "192.0.2.2:2"));
        for (bytes, fits) in [
            (PROXY_BYTES_MAX - 1, true),
            (PROXY_BYTES_MAX, true),
            (PROXY_BYTES_MAX + 1, false),
        ] {
            let value = bytes - 12 - 3;
            let mut field = vec![0xee];
            field.extend_from_slice(&u16::try_from(value).unwrap().to_be_bytes());
            field.resize(3 + value, 0);
            let header = with_fields(plain.clone(), &field);
            assert_eq!(parse(&header).is_ok(), fits, "{bytes}");
        }
        assert!(parse(&plain[..plain.len() - 1]).is_err());
        assert!(parse(b"EHLO a.test\r\n\r\n\r\n").is_err());
    }

    proptest! {
        #[test]
        fn octets_never_panic(mut octets in proptest::collection::vec(any::<u8>(), 0..80), whole: bool) {
            if whole && octets.len() >= FIXED_BYTES {
                octets[..12].copy_from_slice(SIGNATURE);
                octets[12] = 0x21;
                octets[14] = 0;
                octets[15] = (octets.len() - FIXED_BYTES) as u8;
            }
            let _ = parse(&octets);
        }
    }
}
