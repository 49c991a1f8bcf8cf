//! Networks of addresses: `192.0.2.0/24`, `2001:db8::/32`, or one address.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The addresses of one family that agree in their leading bits. An IPv4-mapped IPv6 address is an IPv4 client, so an
/// IPv6 network never holds it (RFC 7208 section 5).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Network {
    /// One of its addresses.
    pub address: IpAddr,
    /// Leading bits that count: 0 to 32 or 128.
    pub prefix: u8,
}

/// Why a text is no network; what to write instead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NetworkError(pub String);

impl Network {
    /// Whether an address belongs to it.
    pub fn holds(&self, address: IpAddr) -> bool {
        let differ = match (address.to_canonical(), self.address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => u128::from(a.to_bits() ^ b.to_bits()) << 96,
            (IpAddr::V6(a), IpAddr::V6(b)) => a.to_bits() ^ b.to_bits(),
            _ => return false,
        };
        differ.leading_zeros() >= u32::from(self.prefix)
    }

    /// Its first address.
    fn first(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix));
                IpAddr::V4((v4.to_bits() & mask.unwrap_or(0)).into())
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix));
                IpAddr::V6((v6.to_bits() & mask.unwrap_or(0)).into())
            }
        }
    }
}

/// As a person writes it. Bits behind the prefix are a mistake: which of the two was meant is unknown.
impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Network, NetworkError> {
        let wrong = || {
            NetworkError(format!(
                "{text:?} is no network like \"192.0.2.0/24\", \"2001:db8::/32\" or \"192.0.2.7\""
            ))
        };
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        if address.to_canonical() != address {
            let v4 = address.to_canonical();
            return Err(NetworkError(format!(
                "{text:?} is IPv4 in IPv6's clothes; write {v4} and the bits of IPv4"
            )));
        }
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match bits {
            Some(bits) => bits
                .parse()
                .ok()
                .filter(|prefix| *prefix <= bits_max && bits.bytes().all(|b| b.is_ascii_digit()))
                .ok_or_else(wrong)?,
            None => bits_max,
        };
        let network = Network { address, prefix };
        if network.first() != address {
            let first = network.first();
            return Err(NetworkError(format!(
                "{text:?} has bits behind its prefix; write \"{first}/{prefix}\", or \"{address}\" for the one address"
            )));
        }
        Ok(network)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn holds(network: &str, address: &str) -> bool {
        let network: Network = network.parse().unwrap();
        network.holds(address.parse().unwrap())
    }

    #[test]
    fn edges_of_networks() {
        assert!(holds("192.0.2.0/24", "192.0.2.255"));
        assert!(!holds("192.0.2.0/24", "192.0.3.0"));
        assert!(holds("192.0.2.0/24", "::ffff:192.0.2.9"));
        assert!(holds("0.0.0.0/0", "255.255.255.255"));
        assert!(!holds("::/0", "192.0.2.1"));
        assert!(!holds("::/0", "::ffff:192.0.2.1"));
        assert!(holds("::/0", "ffff::"));
        assert!(holds("2001:db8::/32", "2001:db8:ffff::"));
        assert!(!holds("2001:db8::/32", "2001:db9::"));
        assert!(holds("192.0.2.7", "192.0.2.7") && !holds("192.0.2.7", "192.0.2.6"));
    }

    #[test]
    fn what_is_no_network() {
        for bad in [
            "",
            "a",
            "192.0.2",
            "192.0.2.0/",
            "192.0.2.0/33",
            "192.0.2.0/+8",
            "192.0.2.1/24",
            "::/129",
            "::1/64",
            "::ffff:192.0.2.0/120",
            "192.0.2.0/24/24",
            "192.0.2.0 /24",
        ] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
        let told = "192.0.2.1/24".parse::<Network>().unwrap_err().0;
        assert!(told.contains("\"192.0.2.0/24\""), "{told}");
    }

    proptest! {
        #[test]
        fn written_and_read_it_is_the_same(bits: u128, v6: bool, prefix in 0u8..=128) {
            let address: IpAddr = match v6 {
                true => IpAddr::V6(bits.into()),
                false => IpAddr::V4((bits as u32).into()),
            };
            let prefix = if v6 { prefix } else { prefix.min(32) };
            let network = Network { address: Network { address, prefix }.first(), prefix };
            prop_assume!(network.address.to_canonical() == network.address);
            prop_assert_eq!(network.to_string().parse::<Network>(), Ok(network));
            prop_assert!(!address.is_ipv4() || network.holds(address));
        }
    }
}
