//! MAIL FROM and RCPT TO: paths and parameters.

use super::reply::Reply;
use crate::limits::{ENVID_BYTES_MAX, ORCPT_BYTES_MAX};
use crate::wire::address::{Address, quoted};

/// What stands between the angle brackets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Path {
    /// `<>`
    Null,
    /// `<local@domain>`; a source route in front of it is dropped (RFC 5321 section 4.1.1.3).
    Address(Address),
    /// `<local>`, without quotes: `<postmaster>`, or an address that the submission server completes.
    Local(Box<str>),
}

/// BODY (RFC 6152).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BodyType {
    /// 7BIT
    SevenBit,
    /// 8BITMIME
    EightBitMime,
}

/// RET (RFC 3461 section 4.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ret {
    /// FULL
    Full,
    /// HDRS
    Headers,
}

/// NOTIFY (RFC 3461 section 4.1) as bits; 0 when it was not given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Notify(pub u8);

impl Notify {
    /// NEVER, alone.
    pub const NEVER: u8 = 1;
    /// SUCCESS
    pub const SUCCESS: u8 = 2;
    /// FAILURE
    pub const FAILURE: u8 = 4;
    /// DELAY
    pub const DELAY: u8 = 8;
}

/// MAIL FROM.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MailFrom {
    /// Reverse-path.
    pub path: Path,
    /// The path was not written in ASCII.
    pub path_utf8: bool,
    /// SIZE (RFC 1870); what does not fit 64 bits is their largest number.
    pub size: Option<u64>,
    /// BODY.
    pub body: Option<BodyType>,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// RET.
    pub ret: Option<Ret>,
    /// ENVID, as given (xtext).
    pub envid: Option<Box<str>>,
    /// AUTH= was given (RFC 4954 section 5). Its value is not believed.
    pub auth: bool,
}

/// RCPT TO.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RcptTo {
    /// Forward-path; never null.
    pub path: Path,
    /// The path was not written in ASCII.
    pub path_utf8: bool,
    /// NOTIFY.
    pub notify: Notify,
    /// ORCPT, as given (type and xtext).
    pub orcpt: Option<Box<str>>,
}

const TWICE: Reply = Reply::new(501, "5.5.4", "A parameter is given twice");
const VALUE: Reply = Reply::new(501, "5.5.4", "A parameter has a value that cannot be");
const UNKNOWN: Reply = Reply::new(555, "5.5.4", "Unknown parameter");

/// What follows `MAIL `.
pub fn mail_from(rest: &str) -> Result<MailFrom, Reply> {
    let rest = keyword(rest, "FROM:").ok_or(Reply::new(501, "5.5.4", "Say MAIL FROM:<address>"))?;
    let (path, path_utf8, parameters) = path(rest)
        .map_err(|why| Reply::with_text(501, "5.1.7", format!("Bad sender address: {why}")))?;
    let mut mail = MailFrom {
        path,
        path_utf8,
        size: None,
        body: None,
        smtputf8: false,
        ret: None,
        envid: None,
        auth: false,
    };
    for parameter in parameters.split(' ').filter(|p| !p.is_empty()) {
        mail_parameter(&mut mail, parameter)?;
    }
    Ok(mail)
}

fn mail_parameter(mail: &mut MailFrom, parameter: &str) -> Result<(), Reply> {
    let (key, value) = match parameter.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (parameter, None),
    };
    let is = |name: &str| key.eq_ignore_ascii_case(name);
    let word = |name: &str| value.is_some_and(|v| v.eq_ignore_ascii_case(name));
    if is("SIZE") {
        once(&mut mail.size, size(value.ok_or(VALUE)?)?)
    } else if is("BODY") {
        let body = match () {
            _ if word("7BIT") => BodyType::SevenBit,
            _ if word("8BITMIME") => BodyType::EightBitMime,
            _ => return Err(Reply::new(555, "5.5.4", "BODY is 7BIT or 8BITMIME")),
        };
        once(&mut mail.body, body)
    } else if is("SMTPUTF8") {
        if value.is_some() || mail.smtputf8 {
            return Err(VALUE);
        }
        mail.smtputf8 = true;
        Ok(())
    } else if is("RET") {
        let ret = match () {
            _ if word("FULL") => Ret::Full,
            _ if word("HDRS") => Ret::Headers,
            _ => return Err(VALUE),
        };
        once(&mut mail.ret, ret)
    } else if is("ENVID") {
        let envid = value
            .filter(|v| v.len() <= ENVID_BYTES_MAX && is_xtext(v))
            .ok_or(VALUE)?;
        once(&mut mail.envid, envid.into())
    } else if is("AUTH") {
        let known = value.is_some_and(|v| v == "<>" || (!v.is_empty() && is_xtext(v)));
        if !known || mail.auth {
            return Err(VALUE);
        }
        mail.auth = true;
        Ok(())
    } else {
        Err(UNKNOWN)
    }
}

/// What follows `RCPT `.
pub fn rcpt_to(rest: &str) -> Result<RcptTo, Reply> {
    let rest = keyword(rest, "TO:").ok_or(Reply::new(501, "5.5.4", "Say RCPT TO:<address>"))?;
    let bad = |why: String| Reply::with_text(501, "5.1.3", format!("Bad recipient address: {why}"));
    let (path, path_utf8, parameters) = path(rest).map_err(bad)?;
    if path == Path::Null {
        return Err(bad("it is empty".into()));
    }
    let mut rcpt = RcptTo {
        path,
        path_utf8,
        notify: Notify::default(),
        orcpt: None,
    };
    for parameter in parameters.split(' ').filter(|p| !p.is_empty()) {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if key.eq_ignore_ascii_case("NOTIFY") {
            if rcpt.notify.0 != 0 {
                return Err(TWICE);
            }
            rcpt.notify = notify(value)?;
        } else if key.eq_ignore_ascii_case("ORCPT") {
            once(&mut rcpt.orcpt, original_recipient(value)?)?;
        } else {
            return Err(UNKNOWN);
        }
    }
    Ok(rcpt)
}

/// The rest behind a keyword; blanks behind it are no part of the grammar, and forgiven.
fn keyword<'a>(rest: &'a str, word: &str) -> Option<&'a str> {
    let start = rest.get(..word.len())?;
    let behind = rest.get(word.len()..)?;
    start
        .eq_ignore_ascii_case(word)
        .then(|| behind.trim_start_matches(' '))
}

/// A path in angle brackets, whether it was written with more than ASCII, and what follows.
fn path(rest: &str) -> Result<(Path, bool, &str), String> {
    let inner = rest
        .strip_prefix('<')
        .ok_or("it stands in angle brackets")?;
    let end = closing_bracket(inner).ok_or("no closing bracket")?;
    let (inner, rest) = (
        inner.get(..end).unwrap_or_default(),
        inner.get(end + 1..).unwrap_or_default(),
    );
    if !rest.is_empty() && !rest.starts_with(' ') {
        return Err("a blank is missing behind it".into());
    }
    let utf8 = !inner.is_ascii();
    let mailbox = match inner.strip_prefix('@') {
        Some(route) => route.split_once(':').ok_or("a route without address")?.1,
        None => inner,
    };
    if mailbox.is_empty() {
        let null = inner.is_empty().then_some((Path::Null, false, rest));
        return null.ok_or("a route without address".into());
    }
    if let Some(local) = local_only(mailbox) {
        return Ok((Path::Local(local), utf8, rest));
    }
    let address = Address::parse(mailbox).map_err(|error| error.0)?;
    Ok((Path::Address(address), utf8, rest))
}

/// Offset of the `>` that ends the path; one inside quotes does not.
fn closing_bracket(inner: &str) -> Option<usize> {
    let mut in_quotes = false;
    let mut escaped = false;
    for (at, octet) in inner.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if in_quotes => escaped = true,
            b'"' => in_quotes = !in_quotes,
            b'>' if !in_quotes => return Some(at),
            _ => {}
        }
    }
    None
}

/// A local part without domain, which must be one that is good in front of any domain.
fn local_only(mailbox: &str) -> Option<Box<str>> {
    let alone = match mailbox.starts_with('"') {
        true => quoted(mailbox).is_ok_and(|(_, rest)| rest.is_empty()),
        false => !mailbox.contains('@'),
    };
    if !alone {
        return None;
    }
    let completed = Address::parse(&format!("{mailbox}@localhost")).ok()?;
    Some(completed.local().into())
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), Reply> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(TWICE),
    }
}

/// RFC 1870 section 3: 1 to 20 digits.
fn size(value: &str) -> Result<u64, Reply> {
    if value.is_empty() || value.len() > 20 || !value.bytes().all(|b| b.is_ascii_digit()) {
        return Err(VALUE);
    }
    Ok(value.parse().unwrap_or(u64::MAX))
}

fn notify(value: &str) -> Result<Notify, Reply> {
    let mut bits = 0;
    for word in value.split(',') {
        let bit = match () {
            _ if word.eq_ignore_ascii_case("NEVER") => Notify::NEVER,
            _ if word.eq_ignore_ascii_case("SUCCESS") => Notify::SUCCESS,
            _ if word.eq_ignore_ascii_case("FAILURE") => Notify::FAILURE,
            _ if word.eq_ignore_ascii_case("DELAY") => Notify::DELAY,
            _ => return Err(VALUE),
        };
        bits |= bit;
    }
    // RFC 3461 section 4.1: NEVER stands alone.
    match bits & Notify::NEVER != 0 && bits != Notify::NEVER {
        true => Err(VALUE),
        false => Ok(Notify(bits)),
    }
}

/// RFC 3461 section 4.2, RFC 6533 section 3: a type, `;` and an address in xtext (or UTF-8 with type utf-8).
fn original_recipient(value: &str) -> Result<Box<str>, Reply> {
    let (kind, address) = value.split_once(';').ok_or(VALUE)?;
    let kind_fits =
        !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let address_fits = match kind.eq_ignore_ascii_case("utf-8") {
        true => !address.contains('='),
        false => is_xtext(address),
    };
    if !kind_fits || !address_fits || address.is_empty() || value.len() > ORCPT_BYTES_MAX {
        return Err(VALUE);
    }
    Ok(value.into())
}

/// RFC 3461 section 4: printable ASCII without `+` and `=`, and `+` with two upper-case hexadecimal digits.
pub fn is_xtext(text: &str) -> bool {
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        let fits = match octet {
            b'+' => [octets.next(), octets.next()]
                .iter()
                .all(|digit| matches!(digit, Some(b'0'..=b'9' | b'A'..=b'F'))),
            b'=' => false,
            _ => octet.is_ascii_graphic(),
        };
        if !fits {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sender(text: &str) -> String {
        match mail_from(text) {
            Ok(mail) => match mail.path {
                Path::Null => "<>".into(),
                Path::Address(address) => address.to_string(),
                Path::Local(local) => format!("local {local}"),
            },
            Err(reply) => format!("{} {}", reply.code, reply.status),
        }
    }

    #[test]
    fn paths() {
        for (text, expected) in [
            ("FROM:<a@b.de>", "a@b.de"),
            ("from: <a@b.de>", "a@b.de"),
            ("FROM:<>", "<>"),
            ("FROM:<@x.de,@y.de:a@b.de>", "a@b.de"),
            ("FROM:<\"a>b\"@c.de> SIZE=1", "\"a>b\"@c.de"),
            ("FROM:<\"a\\\"> b\"@c.de>", "\"a\\\"> b\"@c.de"),
            ("FROM:<Postmaster>", "local Postmaster"),
            ("FROM:<\"x y\">", "local x y"),
            ("FROM:<a@[127.0.0.1]>", "a@[127.0.0.1]"),
            ("FROM:<ü@ü.de>", "ü@xn--tda.de"),
            ("FROM:a@b.de", "501 5.1.7"),
            ("FROM:<a@b.de", "501 5.1.7"),
            ("FROM:<a@b.de>SIZE=1", "501 5.1.7"),
            ("FROM:<<a@b.de>>", "501 5.1.7"),
            ("FROM:<@x.de>", "501 5.1.7"),
            ("FROM:<@x.de:>", "501 5.1.7"),
            ("FROM:<a@b@c>", "501 5.1.7"),
            ("FROM:<a b@c.de>", "501 5.1.7"),
            ("FROM:<a@b.de> x <c@d.de>", "555 5.5.4"),
            ("FROM", "501 5.5.4"),
            ("FRÖM:<>", "501 5.5.4"),
            ("TO:<a@b.de>", "501 5.5.4"),
        ] {
            assert_eq!(sender(text), expected, "{text}");
        }
        assert_eq!(rcpt_to("TO:<>").unwrap_err().status, "5.1.3");
    }

    #[test]
    fn mail_parameters() {
        let mail = mail_from(
            "FROM:<a@b.de> size=99999999999999999999  BODY=8bitmime SMTPUTF8 RET=HDRS ENVID=a+2Bb AUTH=<>",
        )
        .unwrap();
        assert_eq!(mail.size, Some(u64::MAX));
        assert_eq!(mail.body, Some(BodyType::EightBitMime));
        assert_eq!(mail.ret, Some(Ret::Headers));
        assert_eq!(mail.envid.as_deref(), Some("a+2Bb"));
        assert!(mail.smtputf8 && mail.auth);
        for (parameter, code) in [
            ("SIZE", 501),
            ("SIZE=", 501),
            ("SIZE=-1", 501),
            ("SIZE=1 SIZE=2", 501),
            ("SIZE=123456789012345678901", 501),
            ("BODY=BINARYMIME", 555),
            ("BODY", 555),
            ("SMTPUTF8=1", 501),
            ("RET=ALL", 501),
            ("ENVID=a+2b", 501),
            ("AUTH", 501),
            ("X=1", 555),
            ("NOTIFY=NEVER", 555),
        ] {
            let reply = mail_from(&format!("FROM:<a@b.de> {parameter}")).unwrap_err();
            assert_eq!(reply.code, code, "{parameter}");
        }
        let envid = |bytes: usize| format!("FROM:<> ENVID={}", "x".repeat(bytes));
        assert!(mail_from(&envid(ENVID_BYTES_MAX)).is_ok());
        assert!(mail_from(&envid(ENVID_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn rcpt_parameters() {
        let rcpt = rcpt_to("TO:<a@b.de> NOTIFY=success,DELAY ORCPT=rfc822;a+40b.de").unwrap();
        assert_eq!(rcpt.notify.0, Notify::SUCCESS | Notify::DELAY);
        assert_eq!(rcpt.orcpt.as_deref(), Some("rfc822;a+40b.de"));
        assert!(rcpt_to("TO:<a@b.de> ORCPT=utf-8;ä@b.de").is_ok());
        for bad in [
            "NOTIFY=",
            "NOTIFY=NEVER,DELAY",
            "NOTIFY=NOW",
            "NOTIFY=NEVER NOTIFY=NEVER",
            "ORCPT=a@b.de",
            "ORCPT=;a",
            "ORCPT=rfc822;",
            "ORCPT=rfc822;a+zz",
            "SIZE=1",
        ] {
            assert!(rcpt_to(&format!("TO:<a@b.de> {bad}")).is_err(), "{bad}");
        }
        let orcpt = |bytes: usize| format!("TO:<a@b.de> ORCPT=rfc822;{}", "x".repeat(bytes - 7));
        assert!(rcpt_to(&orcpt(ORCPT_BYTES_MAX)).is_ok());
        assert!(rcpt_to(&orcpt(ORCPT_BYTES_MAX + 1)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in "(FROM:|TO:)?[ <>@\"\\\\a.ü=+;:]{0,30}") {
            let _ = rcpt_to(&text);
            if let Ok(MailFrom { path: Path::Address(address), .. }) = mail_from(&text) {
                prop_assert_eq!(sender(&format!("FROM:<{address}>")), address.to_string());
            }
        }
    }
}
