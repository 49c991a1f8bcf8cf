//! What a row of an aggregate report means, in words for whoever owns the domain.

use crate::wire::report::aggregate::{Row, Sender, Signature};

/// Why the messages of a row failed, or how they passed: `no DKIM signature; SPF passed for bounce.test, not for you`.
pub fn why(row: &Row) -> String {
    let dkim = match row.dkim {
        true => "DKIM passed".into(),
        false => dkim(&row.signatures, &row.header_from),
    };
    let spf = match row.spf {
        true => "SPF passed".into(),
        false => spf(row.sender.as_ref()),
    };
    match (row.dkim, row.spf) {
        (true, false) => dkim,
        (false, true) => spf,
        _ => format!("{dkim}; {spf}"),
    }
}

/// Unaligned or failed signatures.
fn dkim(signatures: &[Signature], from: &str) -> String {
    let passed = signatures.iter().find(|one| one.result == "pass");
    match (passed, signatures.first()) {
        (Some(one), _) if one.domain == from => "signed, and not counted".into(),
        (Some(one), _) => format!("signed by {}, not by you", one.domain),
        (None, Some(one)) => format!(
            "the signature of {} is no good ({})",
            one.domain, one.result
        ),
        (None, None) => "no DKIM signature".into(),
    }
}

/// Unaligned or failed SPF.
fn spf(sender: Option<&Sender>) -> String {
    let Some(sender) = sender else {
        return "SPF did not pass".into();
    };
    let domain = match sender.domain.as_str() {
        "" => "the sender",
        domain => domain,
    };
    match sender.result.as_str() {
        "pass" => format!("SPF passed for {domain}, not for you"),
        "fail" | "softfail" | "hardfail" => format!("SPF of {domain} does not name it"),
        "none" => format!("{domain} has no SPF record"),
        other => format!("SPF of {domain} says {other}"),
    }
}
