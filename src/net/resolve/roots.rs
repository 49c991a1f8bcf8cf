//! Where recursion begins and what trust begins with: the root's servers and keys, built in or from files.

use hickory_resolver::proto::dnssec::TrustAnchors;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The root's servers a to m (IANA's named.root, 2026). Any of them leads to the list in force.
const V4: [[u8; 4]; 13] = [
    [198, 41, 0, 4],
    [170, 247, 170, 2],
    [192, 33, 4, 12],
    [199, 7, 91, 13],
    [192, 203, 230, 10],
    [192, 5, 5, 241],
    [192, 112, 36, 4],
    [198, 97, 190, 53],
    [192, 36, 148, 17],
    [192, 58, 128, 30],
    [193, 0, 14, 129],
    [199, 7, 83, 42],
    [202, 12, 27, 33],
];
const V6: [[u16; 8]; 13] = [
    [0x2001, 0x503, 0xba3e, 0, 0, 0, 2, 0x30],
    [0x2801, 0x1b8, 0x10, 0, 0, 0, 0, 0xb],
    [0x2001, 0x500, 2, 0, 0, 0, 0, 0xc],
    [0x2001, 0x500, 0x2d, 0, 0, 0, 0, 0xd],
    [0x2001, 0x500, 0xa8, 0, 0, 0, 0, 0xe],
    [0x2001, 0x500, 0x2f, 0, 0, 0, 0, 0xf],
    [0x2001, 0x500, 0x12, 0, 0, 0, 0, 0xd0d],
    [0x2001, 0x500, 1, 0, 0, 0, 0, 0x53],
    [0x2001, 0x7fe, 0, 0, 0, 0, 0, 0x53],
    [0x2001, 0x503, 0xc27, 0, 0, 0, 2, 0x30],
    [0x2001, 0x7fd, 0, 0, 0, 0, 0, 1],
    [0x2001, 0x500, 0x9f, 0, 0, 0, 0, 0x42],
    [0x2001, 0xdc3, 0, 0, 0, 0, 0, 0x35],
];

/// The built-in servers.
pub fn built_in() -> Vec<SocketAddr> {
    let v4 = V4.map(|octets| IpAddr::from(Ipv4Addr::from(octets)));
    let v6 = V6.map(|groups| IpAddr::from(Ipv6Addr::from(groups)));
    v4.into_iter()
        .chain(v6)
        .map(|ip| SocketAddr::new(ip, 53))
        .collect()
}

/// Reads root hints: a zone file's A and AAAA records (`a.root-servers.net. 3600000 IN A 198.41.0.4`), or bare
/// addresses, with a port if it is not 53; `;` begins a comment. An error names the line. Empty text means none: the
/// built-in ones.
pub fn hints(text: &str) -> Result<Vec<SocketAddr>, String> {
    let mut found = Vec::new();
    if text.trim().is_empty() {
        return Ok(found);
    }
    for (n, line) in text.lines().enumerate() {
        let line = line.split(';').next().unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().collect();
        let is =
            |word: &&str, kinds: &[&str]| kinds.iter().any(|kind| word.eq_ignore_ascii_case(kind));
        let address = match words.as_slice() {
            [] => continue,
            [address] => address,
            [_, rest @ ..]
                if rest
                    .iter()
                    .any(|word| is(word, &["NS", "SOA", "NSEC", "RRSIG"])) =>
            {
                continue;
            }
            [.., kind, address] if is(kind, &["A", "AAAA"]) => address,
            _ => return Err(format!("root hints: line {}: no address record", n + 1)),
        };
        let socket = address.parse::<SocketAddr>();
        let socket = socket.or_else(|_| address.parse().map(|ip: IpAddr| SocketAddr::new(ip, 53)));
        found.push(
            socket.map_err(|_| format!("root hints: line {}: {address} is no address", n + 1))?,
        );
    }
    match found.is_empty() {
        true => Err("root hints: no address of a root server stands in them".to_string()),
        false => Ok(found),
    }
}

/// Reads trust anchors: DNSKEY records, one a line; empty text means the built-in ones (20326 and 38696).
pub fn anchors(text: &str) -> Result<TrustAnchors, String> {
    if text.trim().is_empty() {
        return Ok(TrustAnchors::default());
    }
    let with_class: String = text.lines().map(|line| one_key(line) + "\n").collect();
    let anchors: TrustAnchors = with_class.parse().map_err(|error| {
        format!(
            "no trust anchors ({error}); write DNSKEY records, like `. IN DNSKEY 257 3 8 AwEAA...`"
        )
    })?;
    match anchors.is_empty() {
        true => Err("no key of the root stands in it".to_string()),
        false => Ok(anchors),
    }
}

/// Without its comment and with its class, which many tools leave out.
fn one_key(line: &str) -> String {
    let line = line.split(';').next().unwrap_or_default();
    let words: Vec<&str> = line.split_whitespace().collect();
    let Some(at) = words.iter().position(|word| *word == "DNSKEY") else {
        return line.trim().to_string();
    };
    let (name, rest) = (
        words.first().unwrap_or(&"."),
        words.get(at..).unwrap_or_default(),
    );
    format!("{name} IN {}", rest.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_addresses_of_a_zone_file_or_a_list() {
        let text = "; comment\n.  3600000  NS  A.ROOT-SERVERS.NET.\nA.ROOT-SERVERS.NET. 3600000 A 198.41.0.4\n\
                    A.ROOT-SERVERS.NET.  3600000  AAAA  2001:503:ba3e::2:30 ; v6\n127.0.0.1:5301\n";
        let found = hints(text).unwrap();
        let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "198.41.0.4:53",
                "[2001:503:ba3e::2:30]:53",
                "127.0.0.1:5301"
            ]
        );
        assert!(hints("; nothing\n").unwrap_err().contains("no address"));
        assert!(hints("\na.b. A 1.2.3").unwrap_err().contains("line 2"));
        assert_eq!(built_in().len(), 26);
    }

    #[test]
    fn anchors_are_keys() {
        assert_eq!(anchors("").unwrap().len(), 2);
        let key = "AwEAAaz/tAm8yTn4Mfeh5eyI96WSVexTBAvkMgJzkKTOiW1vkIbzxeF3+/4RgWOq7HrxRixHlFlExOLAJr5emLvN7SWXgnLh4+B5xQlNVz8Og8kvArMtNROxVQuCaSnIDdD5LKyWbRd2n9WGe2R8PzgCmr3EgVLrjyBxWezF0jLHwVN8efS3rCj/EWgvIWgb9tarpVUDK/b58Da+sqqls3eNbuv7pr+eoZG+SrDK6nWeL3c6H5Apxz7LjVc1uTIdsIXxuOLYA4/ilBmSVIzuDWfdRUfhHdY6+cn8HFRm+2hM8AnXGXws9555KrUB5qihylGa8subX2Nn6UwNR1AkUTV74bU=";
        for text in [
            format!(". IN DNSKEY 257 3 8 {key}\n"),
            format!("; root\n.\t172800\tDNSKEY 257 3 8 {key} ; 20326\n"),
        ] {
            assert_eq!(anchors(&text).unwrap().len(), 1, "{text}");
        }
        assert!(
            anchors(". IN DS 20326 8 2 E06D44B8")
                .err()
                .unwrap()
                .contains("DNSKEY")
        );
        assert!(anchors("x").is_err());
    }
}
