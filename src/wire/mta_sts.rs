//! MTA-STS (RFC 8461): what a domain says of its mail servers over HTTPS, and the record that tells when to look.

use crate::limits::{STS_MX_MAX, STS_POLICY_BYTES_MAX, STS_SECS_MAX};

/// What a domain wants of those who send to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// TLS with a good certificate of a listed server, or no delivery.
    Enforce,
    /// The same, but failures are only reported.
    Testing,
    /// No policy any more.
    None,
}

/// A policy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// See [`Mode`].
    pub mode: Mode,
    /// Names in lower case, `*.` in front for any one label.
    pub mx: Vec<Box<str>>,
    /// How long it holds, seconds.
    pub max_age_secs: u64,
}

/// What is wrong with a policy: for logs, and RFC 8460's `sts-policy-invalid`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invalid(pub String);

/// The id in the record at `_mta-sts.`; None where it is no such record (RFC 8461 section 3.1). With several records
/// that begin with `v=STSv1` there is no policy: that is the caller's to see.
pub fn record_id(text: &str) -> Option<&str> {
    let mut fields = text.split(';').map(str::trim);
    if fields.next() != Some("v=STSv1") {
        return None;
    }
    let mut ids = fields.filter_map(|field| field.strip_prefix("id=").map(str::trim));
    let id = ids.next()?;
    let sound = (1..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
    (sound && ids.next().is_none()).then_some(id)
}

/// Reads a policy (RFC 8461 section 3.2). Lines end with LF or CRLF; unknown keys are passed over; of a key that
/// stands twice the first counts.
pub fn parse(text: &[u8]) -> Result<Policy, Invalid> {
    if text.len() > STS_POLICY_BYTES_MAX {
        return Err(invalid("it is larger than 64 KiB"));
    }
    let text = std::str::from_utf8(text).map_err(|_| invalid("it is no UTF-8"))?;
    let (mut version, mut mode, mut max_age, mut mx) = (None, None, None, Vec::new());
    for (number, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.trim().is_empty() {
            continue;
        }
        let (key, value) = line
            .split_once(':')
            .ok_or_else(|| invalid(&format!("line {} has no colon", number + 1)))?;
        let value = value.trim();
        match key.trim() {
            "version" => {
                version.get_or_insert(value);
            }
            "mode" => {
                mode.get_or_insert(value);
            }
            "max_age" => {
                max_age.get_or_insert(value);
            }
            "mx" => match mx.len() < STS_MX_MAX {
                true => mx.push(pattern(value, number + 1)?),
                false => return Err(invalid("it names too many servers")),
            },
            _ => {}
        }
    }
    if version != Some("STSv1") {
        return Err(invalid("its version is not STSv1"));
    }
    let mode = match mode {
        Some("enforce") => Mode::Enforce,
        Some("testing") => Mode::Testing,
        Some("none") => Mode::None,
        _ => return Err(invalid("its mode is none of enforce, testing, none")),
    };
    let digits = max_age.filter(|digits| (1..=10).contains(&digits.len()));
    let max_age_secs: u64 = digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| invalid("its max_age is no number of seconds"))?;
    if mx.is_empty() && mode != Mode::None {
        return Err(invalid("it names no server"));
    }
    Ok(Policy {
        mode,
        mx,
        max_age_secs: max_age_secs.min(STS_SECS_MAX),
    })
}

impl Policy {
    /// Whether a server's name is listed (RFC 8461 section 4.1): `*.` stands for exactly one label.
    pub fn lists(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        self.mx
            .iter()
            .any(|pattern| match pattern.strip_prefix("*.") {
                Some(parent) => host
                    .split_once('.')
                    .is_some_and(|(label, rest)| !label.is_empty() && rest == parent),
                None => **pattern == *host,
            })
    }
}

fn pattern(value: &str, line: usize) -> Result<Box<str>, Invalid> {
    let lower = value.to_ascii_lowercase();
    let name = lower.strip_prefix("*.").unwrap_or(&lower);
    match super::dns::Name::parse(name) {
        Some(parsed) if parsed.as_str() == name && !name.contains('*') => Ok(lower.into()),
        _ => Err(invalid(&format!("line {line} names no server"))),
    }
}

fn invalid(why: &str) -> Invalid {
    Invalid(why.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8461 section 3.2.
    const EXAMPLE: &str = "version: STSv1\nmode: enforce\nmx: mail.example.com\nmx: *.example.net\nmx: backupmx.example.com\nmax_age: 604800\n";

    #[test]
    fn the_example_of_the_rfc() {
        let policy = parse(EXAMPLE.as_bytes()).unwrap();
        assert_eq!((policy.mode, policy.max_age_secs), (Mode::Enforce, 604_800));
        for (host, listed) in [
            ("mail.example.com", true),
            ("MAIL.example.com", true),
            ("a.example.net", true),
            ("a.b.example.net", false),
            ("example.net", false),
            (".example.net", false),
            ("mail.example.com.evil.test", false),
        ] {
            assert_eq!(policy.lists(host), listed, "{host}");
        }
        let crlf = EXAMPLE.replace('\n', "\r\n");
        assert_eq!(parse(crlf.as_bytes()), Ok(policy));
    }

    #[test]
    fn mistakes_are_told() {
        let with = |from: &str, to: &str| parse(EXAMPLE.replace(from, to).as_bytes());
        for (from, to) in [
            ("STSv1", "STSv2"),
            ("enforce", "force"),
            ("604800", "a week"),
            ("604800", ""),
            ("604800", "99999999999"),
            ("mail.example.com", "*"),
            ("mail.example.com", "*.*.com"),
            ("mail.example.com", "mail example.com"),
            ("mode:", "mode"),
        ] {
            assert!(with(from, to).is_err(), "{from} -> {to}");
        }
        assert!(parse(b"version: STSv1\nmode: enforce\nmax_age: 1\n").is_err());
        assert!(parse(b"version: STSv1\nmode: none\nmax_age: 1\n").is_ok());
        assert!(parse(b"\xff").is_err());
        let longest = with("604800", "9999999999").unwrap();
        assert_eq!(longest.max_age_secs, STS_SECS_MAX);
    }

    #[test]
    fn policies_have_bounds() {
        let servers = |n: usize| {
            let lines: String = (0..n).map(|n| format!("mx: a{n}.example\n")).collect();
            parse(format!("version: STSv1\nmode: enforce\nmax_age: 1\n{lines}").as_bytes())
        };
        assert_eq!(servers(STS_MX_MAX).unwrap().mx.len(), STS_MX_MAX);
        assert!(servers(STS_MX_MAX + 1).is_err());
        let padded = |bytes: usize| {
            let mut text = EXAMPLE.as_bytes().to_vec();
            text.resize(bytes, b'\n');
            parse(&text)
        };
        assert!(padded(STS_POLICY_BYTES_MAX).is_ok());
        assert!(padded(STS_POLICY_BYTES_MAX + 1).is_err());
    }

    #[test]
    fn records_have_one_id() {
        assert_eq!(
            record_id("v=STSv1; id=20160831085700Z;"),
            Some("20160831085700Z")
        );
        for bad in [
            "v=STSv1;",
            "v=STSv2; id=1",
            "id=1; v=STSv1",
            "v=STSv1; id=a b",
            "v=STSv1; id=1; id=2",
        ] {
            assert_eq!(record_id(bad), None, "{bad}");
        }
    }
}
