//! Names that providers give out by number: dynamic lines and rented machines that nobody named.

use crate::wire::dns::Name;
use std::net::IpAddr;

/// Words that stand in such names, as whole words between digits, dots and hyphens.
const WORDS: [&str; 30] = [
    "adsl",
    "broadband",
    "cable",
    "catv",
    "client",
    "cpe",
    "cust",
    "customer",
    "customers",
    "dhcp",
    "dial",
    "dialin",
    "dialup",
    "dsl",
    "dyn",
    "dynamic",
    "dynip",
    "ftth",
    "gprs",
    "hsd",
    "lte",
    "mobile",
    "pool",
    "ppp",
    "pppoe",
    "res",
    "subscriber",
    "user",
    "vdsl",
    "wimax",
];

/// Whether a client's name was made from its address, or says that it is one of a pool. The last two labels are the
/// owner's and not looked at.
pub(super) fn is_generic(name: &Name, client: IpAddr) -> bool {
    let labels = name.labels().count();
    let own = || name.labels().take(labels.saturating_sub(2));
    let words = || own().flat_map(|label| label.split(|c: char| !c.is_ascii_alphanumeric()));
    let made = match client {
        IpAddr::V4(v4) => {
            let octets = v4.octets();
            let [a, b, c, d] = octets;
            let hex = format!("{a:02x}{b:02x}{c:02x}{d:02x}");
            let padded = format!("{a:03}{b:03}{c:03}{d:03}");
            numbers_of(words(), &octets) >= 3
                || words().any(|word| word.contains(&hex) || word.contains(&padded))
        }
        IpAddr::V6(v6) => {
            let hex: String = v6
                .octets()
                .iter()
                .map(|octet| format!("{octet:02x}"))
                .collect();
            let joined: String = words().collect();
            // The last 32 bits: enough not to be there by chance.
            joined.contains(hex.get(24..).unwrap_or_default())
        }
    };
    let pooled = || {
        words()
            .map(|word| word.trim_matches(|c: char| c.is_ascii_digit()))
            .any(|word| WORDS.iter().any(|known| word.eq_ignore_ascii_case(known)))
    };
    made || (pooled() && own().any(|label| label.bytes().any(|b| b.is_ascii_digit())))
}

/// How many of the octets stand among the numbers in the words, each number counted for one octet.
fn numbers_of<'n>(words: impl Iterator<Item = &'n str>, octets: &[u8; 4]) -> usize {
    let mut left: Vec<u8> = octets.to_vec();
    let numbers = words.flat_map(|word| word.split(|c: char| !c.is_ascii_digit()));
    for number in numbers.filter_map(|digits| digits.parse::<u8>().ok()) {
        if let Some(at) = left.iter().position(|octet| *octet == number) {
            left.swap_remove(at);
        }
    }
    octets.len() - left.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_made_from_numbers() {
        let generic = |name: &str, client: &str| {
            is_generic(&Name::parse(name).unwrap(), client.parse().unwrap())
        };
        for name in [
            "192-0-2-33.isp.test",
            "33.2.0.192.pool.isp.test",
            "static.33.2.0.192.clients.host.test",
            "host-192-0-2-33.isp.test",
            "p5b192000002033.isp.test",
            "c0000221.isp.test",
            "dyn-17.isp.test",
            "ppp4.city.isp.test",
            "adsl17.isp.test",
        ] {
            assert!(generic(name, "192.0.2.33"), "{name}");
        }
        for name in [
            "mail.example.org",
            "mx1.example.org",
            "mail-2.example.org",
            "mx33.0.example.org",
            "o1.ptr192.sender.example.org",
            "dynamic.example.org",
            "c0000221.test",
        ] {
            assert!(!generic(name, "192.0.2.33"), "{name}");
        }
        assert!(generic(
            "2001-db8--dead-beef.isp.test",
            "2001:db8::dead:beef"
        ));
        assert!(!generic("mail.isp.test", "2001:db8::dead:beef"));
    }
}
