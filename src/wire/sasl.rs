//! SASL PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login), as AUTH (RFC 4954) and AUTHENTICATE (RFC 3501
//! section 6.2.2, RFC 4959) carry them: lines of base64. Strict and bounded; what holds a password is wiped.

use crate::limits::{PASSWORD_BYTES_MAX, SMTP_AUTH_LINE_BYTES_MAX};
use zeroize::Zeroizing;

/// A mechanism that we offer. Both show the password to us: only behind TLS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// Two questions; old clients know nothing else.
    Login,
}

/// What a client said about itself.
pub struct Login {
    /// Who it says it is.
    pub user: Box<str>,
    /// Wiped when it is dropped.
    pub password: Zeroizing<Vec<u8>>,
}

/// What comes next in an exchange.
pub enum Step {
    /// Ask with this base64 text (empty for PLAIN): `334 TEXT`, `+ TEXT`; then [`Exchange::respond`].
    Challenge(&'static str),
    /// The exchange is over: check this.
    Done(Login),
    /// The exchange is over.
    Failed(SaslError),
}

/// Why an exchange failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SaslError {
    /// The client sent `*` (501 5.7.0, BAD).
    Cancelled,
    /// Not base64, or longer than `SMTP_AUTH_LINE_BYTES_MAX` (501 5.5.2, BAD).
    Encoding,
    /// Base64 of something else than the mechanism asks for (501 5.5.2, BAD).
    Form,
    /// An authorization identity other than the user's own: nobody acts for others here (535 5.7.8,
    /// NO [AUTHORIZATIONFAILED]).
    Authorization,
}

/// One run of a mechanism.
pub struct Exchange {
    awaits: Awaits,
}

enum Awaits {
    Plain,
    User,
    Password(Box<str>),
    Nothing,
}

/// `Username:`
const ASK_USER: &str = "VXNlcm5hbWU6";
/// `Password:`
const ASK_PASSWORD: &str = "UGFzc3dvcmQ6";

impl Mechanism {
    /// By its name, without case.
    pub fn parse(name: &[u8]) -> Option<Mechanism> {
        [Mechanism::Plain, Mechanism::Login]
            .into_iter()
            .find(|m| name.eq_ignore_ascii_case(m.name().as_bytes()))
    }

    /// As it is announced.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::Login => "LOGIN",
        }
    }
}

impl Exchange {
    /// Begins. `initial` is the initial response as it stands in the command, `=` for an empty one.
    pub fn begin(mechanism: Mechanism, initial: Option<&[u8]>) -> (Exchange, Step) {
        let mut exchange = Exchange {
            awaits: match mechanism {
                Mechanism::Plain => Awaits::Plain,
                Mechanism::Login => Awaits::User,
            },
        };
        let step = match (initial, mechanism) {
            // In the command there is no cancelling: `*` is no base64.
            (Some(b"*"), _) => exchange.fail(SaslError::Encoding),
            (Some(b"="), _) => exchange.respond(b""),
            (Some(initial), _) => exchange.respond(initial),
            (None, Mechanism::Plain) => Step::Challenge(""),
            (None, Mechanism::Login) => Step::Challenge(ASK_USER),
        };
        (exchange, step)
    }

    /// The client's next line, without its CRLF.
    pub fn respond(&mut self, line: &[u8]) -> Step {
        if line == b"*" {
            return self.fail(SaslError::Cancelled);
        }
        let Some(octets) = decode(line) else {
            return self.fail(SaslError::Encoding);
        };
        match std::mem::replace(&mut self.awaits, Awaits::Nothing) {
            Awaits::Plain => finish(plain(&octets)),
            Awaits::User => match text(&octets) {
                Some(user) => {
                    self.awaits = Awaits::Password(user);
                    Step::Challenge(ASK_PASSWORD)
                }
                None => Step::Failed(SaslError::Form),
            },
            Awaits::Password(user) => finish(login(user, &octets)),
            Awaits::Nothing => Step::Failed(SaslError::Form),
        }
    }

    fn fail(&mut self, why: SaslError) -> Step {
        self.awaits = Awaits::Nothing;
        Step::Failed(why)
    }
}

fn finish(result: Result<Login, SaslError>) -> Step {
    match result {
        Ok(login) => Step::Done(login),
        Err(why) => Step::Failed(why),
    }
}

/// RFC 4616 section 2: `[authzid] NUL authcid NUL passwd`.
fn plain(octets: &[u8]) -> Result<Login, SaslError> {
    let mut parts = octets.split(|&octet| octet == 0);
    let (Some(authzid), Some(authcid), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(SaslError::Form);
    };
    let user = text(authcid).ok_or(SaslError::Form)?;
    let acts_for = std::str::from_utf8(authzid).map_err(|_| SaslError::Form)?;
    // Some clients name the user in both places.
    if !acts_for.is_empty() && acts_for.to_lowercase() != user.to_lowercase() {
        return Err(SaslError::Authorization);
    }
    login(user, password)
}

fn login(user: Box<str>, password: &[u8]) -> Result<Login, SaslError> {
    if password.is_empty() || password.contains(&0) {
        return Err(SaslError::Form);
    }
    // One octet more than fits is kept, so that whoever checks it finds it wrong.
    let kept = password.get(..PASSWORD_BYTES_MAX + 1).unwrap_or(password);
    Ok(Login {
        user,
        password: Zeroizing::new(kept.to_vec()),
    })
}

/// A user's name: UTF-8, neither empty nor with control characters.
fn text(octets: &[u8]) -> Option<Box<str>> {
    let text = std::str::from_utf8(octets).ok()?;
    let sound = !text.is_empty() && !text.chars().any(char::is_control);
    sound.then(|| text.into())
}

/// Base64 (RFC 4648 section 4): whole groups, padding at the end alone, unused bits zero. None for anything else and
/// for more than `SMTP_AUTH_LINE_BYTES_MAX`.
pub fn decode(line: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if line.len() > SMTP_AUTH_LINE_BYTES_MAX || !line.len().is_multiple_of(4) {
        return None;
    }
    let padding = line.iter().rev().take_while(|&&c| c == b'=').count();
    let letters = line.get(..line.len() - padding)?;
    if padding > 2 {
        return None;
    }
    // The whole capacity at once: growing would leave copies behind that nobody wipes.
    let mut octets = Zeroizing::new(Vec::with_capacity(line.len() / 4 * 3));
    for group in letters.chunks(4) {
        let mut bits = 0u32;
        for &letter in group {
            bits = bits << 6 | u32::from(value(letter)?);
        }
        bits <<= 6 * (4 - group.len());
        // The three low octets are the group's; n letters carry n - 1 of them, the rest must be zero.
        for (n, octet) in bits.to_be_bytes().into_iter().skip(1).enumerate() {
            if n + 1 < group.len() {
                octets.push(octet);
            } else if octet != 0 {
                return None;
            }
        }
    }
    Some(octets)
}

fn value(letter: u8) -> Option<u8> {
    Some(match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(octets: &[u8]) -> String {
        const LETTERS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for group in octets.chunks(3) {
            let mut padded = [0; 4];
            padded[1..=group.len()].copy_from_slice(group);
            let bits = u32::from_be_bytes(padded);
            for n in 0..4 {
                let letter = LETTERS[(bits >> (18 - 6 * n)) as usize & 63];
                text.push(if n <= group.len() {
                    char::from(letter)
                } else {
                    '='
                });
            }
        }
        text
    }

    fn plain_of(octets: &[u8]) -> Result<(String, Vec<u8>), SaslError> {
        match Exchange::begin(Mechanism::Plain, Some(encode(octets).as_bytes())).1 {
            Step::Done(login) => Ok((login.user.to_string(), login.password.to_vec())),
            Step::Failed(why) => Err(why),
            Step::Challenge(_) => panic!("PLAIN asks nothing more"),
        }
    }

    #[test]
    fn plain_and_its_authorization_identity() {
        let ana = Ok(("ana@a.test".to_owned(), b"pw".to_vec()));
        assert_eq!(plain_of(b"\0ana@a.test\0pw"), ana);
        assert_eq!(plain_of(b"ana@a.test\0ana@a.test\0pw"), ana);
        assert_eq!(plain_of(b"ANA@a.test\0ana@a.test\0pw"), ana);
        assert_eq!(
            plain_of(b"ben@a.test\0ana@a.test\0pw"),
            Err(SaslError::Authorization)
        );
        for wrong in [
            &b""[..],
            b"\0",
            b"\0\0",
            b"\0u\0",
            b"\0\0pw",
            b"u\0pw",
            b"\0u\0p\0w",
            b"\0\xff\0pw",
            b"\0u\r\n\0pw",
        ] {
            assert_eq!(plain_of(wrong), Err(SaslError::Form), "{wrong:?}");
        }
    }

    #[test]
    fn login_asks_twice_and_may_be_cancelled() {
        let (mut exchange, step) = Exchange::begin(Mechanism::Login, None);
        assert!(matches!(step, Step::Challenge(ASK_USER)));
        assert!(matches!(
            exchange.respond(b"YW5h"),
            Step::Challenge(ASK_PASSWORD)
        ));
        let Step::Done(login) = exchange.respond(b"cHc=") else {
            panic!()
        };
        assert_eq!((&*login.user, &**login.password), ("ana", &b"pw"[..]));
        assert!(
            matches!(exchange.respond(b"cHc="), Step::Failed(SaslError::Form)),
            "over"
        );

        let (mut exchange, step) = Exchange::begin(Mechanism::Login, Some(b"YW5h"));
        assert!(matches!(step, Step::Challenge(ASK_PASSWORD)));
        assert!(matches!(
            exchange.respond(b"*"),
            Step::Failed(SaslError::Cancelled)
        ));
        assert!(matches!(
            exchange.respond(b"cHc="),
            Step::Failed(SaslError::Form)
        ));
        assert_eq!(
            decode(ASK_USER.as_bytes()).unwrap().as_slice(),
            b"Username:"
        );
        assert_eq!(
            decode(ASK_PASSWORD.as_bytes()).unwrap().as_slice(),
            b"Password:"
        );
    }

    #[test]
    fn initial_responses() {
        let first = |initial: Option<&[u8]>| Exchange::begin(Mechanism::Plain, initial).1;
        assert!(matches!(first(None), Step::Challenge("")));
        assert!(matches!(first(Some(b"=")), Step::Failed(SaslError::Form)));
        assert!(matches!(
            first(Some(b"*")),
            Step::Failed(SaslError::Encoding)
        ));
        assert_eq!(Mechanism::parse(b"plain"), Some(Mechanism::Plain));
        assert_eq!(Mechanism::parse(b"CRAM-MD5"), None);
    }

    #[test]
    fn base64_is_strict_and_bounded() {
        for wrong in [
            "A", "AA", "AAA", "AA=A", "A===", "====", "AB==", "AAB=", "AA==AAAA", "AA A", "AAA\n",
            "AA-_", "AA==\r\n",
        ] {
            assert!(decode(wrong.as_bytes()).is_none(), "{wrong:?}");
        }
        for (n, fits) in [(-4, true), (0, true), (4, false)] {
            let line = vec![b'A'; (SMTP_AUTH_LINE_BYTES_MAX as i64 + n) as usize];
            assert_eq!(decode(&line).is_some(), fits, "{n}");
        }
    }

    #[test]
    fn a_long_password_is_kept_as_far_as_it_proves_wrong() {
        for n in [
            PASSWORD_BYTES_MAX - 1,
            PASSWORD_BYTES_MAX,
            PASSWORD_BYTES_MAX + 1,
            PASSWORD_BYTES_MAX + 9,
        ] {
            let octets = [b"\0u\0".as_slice(), &vec![b'x'; n]].concat();
            assert_eq!(
                plain_of(&octets).unwrap().1.len(),
                n.min(PASSWORD_BYTES_MAX + 1)
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            let decoded = decode(encode(&octets).as_bytes()).unwrap();
            prop_assert_eq!(decoded.as_slice(), &octets[..]);
        }

        #[test]
        fn what_is_decoded_has_one_spelling(line in "[A-Za-z0-9+/=]{0,24}") {
            if let Some(octets) = decode(line.as_bytes()) {
                prop_assert_eq!(encode(&octets), line);
            }
        }

        #[test]
        fn any_lines_end_in_a_login_or_an_error(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..5)) {
            for mechanism in [Mechanism::Plain, Mechanism::Login] {
                let (mut exchange, mut step) = Exchange::begin(mechanism, None);
                let mut asked = 0;
                for line in &lines {
                    if !matches!(step, Step::Challenge(_)) {
                        break;
                    }
                    asked += 1;
                    step = exchange.respond(line);
                }
                prop_assert!(asked <= 2);
            }
        }

        #[test]
        fn every_user_and_password_come_through(user in "[^\\x00-\\x1f\\x7f-\\u{9f}]{1,40}", password in "[^\\x00]{1,40}") {
            let octets = format!("\0{user}\0{password}");
            prop_assert_eq!(plain_of(octets.as_bytes()), Ok((user.clone(), password.clone().into_bytes())));
        }
    }
}
