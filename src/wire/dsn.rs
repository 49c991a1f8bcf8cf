//! Delivery status notifications as we write them (RFC 3464, 6522; RFC 6533 where an address needs it): what happened
//! in plain words, the same for machines, and the message or its header.
//!
//! The original stands between [`Notice::head`] and [`Notice::tail`]: it is streamed, never held. Every value that a
//! peer sent goes through [`FieldWriter`].

use super::address::Address;
use super::header::{Charset, FieldWriter, write_date};

/// What happened to one recipient.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// It will not get the message.
    Failed,
    /// It has not got it yet.
    Delayed,
    /// It is in the mailbox.
    Delivered,
    /// A server took it that sends no notifications.
    Relayed,
}

impl Action {
    fn word(self) -> &'static str {
        match self {
            Action::Failed => "failed",
            Action::Delayed => "delayed",
            Action::Delivered => "delivered",
            Action::Relayed => "relayed",
        }
    }
}

/// One recipient.
#[derive(Clone, Debug)]
pub struct Reported<'a> {
    /// Who.
    pub address: &'a Address,
    /// ORCPT as given: `rfc822;` and xtext.
    pub orcpt: Option<&'a str>,
    /// What happened.
    pub action: Action,
    /// RFC 3463.
    pub status: (u8, u16, u16),
    /// The server that spoke.
    pub remote: Option<&'a str>,
    /// What it said, in one line.
    pub said: Option<&'a str>,
    /// Why, and what to do, for people.
    pub advice: &'a str,
    /// The last attempt, seconds since 1970.
    pub attempted_seconds: Option<i64>,
    /// How long it will be tried, seconds since 1970.
    pub retried_until_seconds: Option<i64>,
}

/// How much of the original comes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Returned {
    /// All of it.
    Full,
    /// Its header block.
    Header,
}

/// A notification.
#[derive(Clone, Debug)]
pub struct Notice<'a> {
    /// Our name.
    pub hostname: &'a str,
    /// Who gets it: the reverse-path of the message.
    pub to: &'a Address,
    /// Now, seconds since 1970.
    pub seconds: i64,
    /// When the message came, seconds since 1970.
    pub arrived_seconds: i64,
    /// What stands between the angle brackets of Message-ID.
    pub message_id: &'a str,
    /// Letters and digits that the original does not hold behind two hyphens: random.
    pub boundary: &'a str,
    /// ENVID as given (xtext).
    pub envid: Option<&'a str>,
    /// Subject of the original, decoded, if it has one.
    pub subject: Option<&'a str>,
    /// At least one.
    pub recipients: &'a [Reported<'a>],
    /// What follows the head.
    pub returned: Returned,
}

impl Notice<'_> {
    /// Appends everything in front of the original.
    pub fn head(&self, out: &mut Vec<u8>) {
        self.fields(out);
        self.words(out);
        self.machine(out);
        self.open(out, self.original_type());
        line(out, "");
    }

    /// Appends what stands behind it. The original must end with CRLF.
    pub fn tail(&self, out: &mut Vec<u8>) {
        line(out, "");
        line(out, &format!("--{}--", self.boundary));
    }

    /// RFC 6533: an address beyond ASCII makes the parts `global` ones.
    fn global(&self) -> bool {
        !self.to.is_ascii() || self.recipients.iter().any(|r| !r.address.is_ascii())
    }

    fn charset(&self) -> Charset {
        match self.global() {
            true => Charset::Utf8,
            false => Charset::Ascii,
        }
    }

    fn original_type(&self) -> &'static str {
        match (self.returned, self.global()) {
            (Returned::Full, false) => "message/rfc822",
            (Returned::Full, true) => "message/global",
            (Returned::Header, false) => "text/rfc822-headers",
            (Returned::Header, true) => "message/global-headers",
        }
    }

    fn kind(&self) -> Action {
        let has = |action| self.recipients.iter().any(|r| r.action == action);
        let order = [Action::Failed, Action::Delayed, Action::Delivered];
        order
            .into_iter()
            .find(|action| has(*action))
            .unwrap_or(Action::Relayed)
    }

    fn fields(&self, out: &mut Vec<u8>) {
        let charset = self.charset();
        let subject = match self.kind() {
            Action::Failed => "Your message could not be delivered",
            Action::Delayed => "Your message is delayed",
            Action::Delivered => "Your message was delivered",
            Action::Relayed => "Your message was passed on",
        };
        FieldWriter::new(out, "From", charset)
            .word("Mail Delivery System")
            .word(&format!("<MAILER-DAEMON@{}>", self.hostname))
            .end();
        FieldWriter::new(out, "To", charset)
            .word(&format!("<{}>", self.to))
            .end();
        words(FieldWriter::new(out, "Subject", charset), subject).end();
        FieldWriter::new(out, "Date", charset)
            .word(&write_date(self.seconds))
            .end();
        FieldWriter::new(out, "Message-ID", charset)
            .word(&format!("<{}>", self.message_id))
            .end();
        // RFC 3834: nobody answers this.
        FieldWriter::new(out, "Auto-Submitted", charset)
            .word("auto-replied")
            .end();
        FieldWriter::new(out, "MIME-Version", charset)
            .word("1.0")
            .end();
        FieldWriter::new(out, "Content-Type", charset)
            .word("multipart/report; report-type=delivery-status;")
            .word(&format!("boundary={}", self.boundary))
            .end();
        line(out, "");
    }

    fn open(&self, out: &mut Vec<u8>, content_type: &str) {
        line(out, &format!("--{}", self.boundary));
        line(out, &format!("Content-Type: {content_type}"));
        line(out, "Content-Transfer-Encoding: 8bit");
    }

    /// For people.
    fn words(&self, out: &mut Vec<u8>) {
        self.open(out, "text/plain; charset=utf-8");
        line(out, "");
        let about = match self.subject {
            Some(subject) => format!("Your message \"{}\"", clean(subject, 200)),
            None => "Your message".into(),
        };
        line(
            out,
            &format!("{about} of {}", write_date(self.arrived_seconds)),
        );
        for recipient in self.recipients {
            let until = recipient.retried_until_seconds.map(write_date);
            line(out, "");
            line(
                out,
                &match (recipient.action, until) {
                    (Action::Failed, _) => {
                        format!("could not be delivered to {}.", recipient.address)
                    }
                    (Action::Delayed, Some(until)) => format!(
                        "has not been delivered to {} yet. It will be tried until {until}; you need not send it again.",
                        recipient.address
                    ),
                    (Action::Delayed, None) => {
                        format!("has not been delivered to {} yet.", recipient.address)
                    }
                    (Action::Delivered, _) => {
                        format!("is in the mailbox of {}.", recipient.address)
                    }
                    (Action::Relayed, _) => format!(
                        "was passed on to the mail server of {}, which will send no confirmation.",
                        recipient.address
                    ),
                },
            );
            if !recipient.advice.is_empty() {
                line(out, &clean(recipient.advice, 900));
            }
            match (recipient.remote, recipient.said) {
                (Some(remote), Some(said)) => {
                    line(
                        out,
                        &format!(
                            "The server {} said: {}",
                            clean(remote, 255),
                            clean(said, 600)
                        ),
                    );
                }
                (None, Some(said)) => line(out, &clean(said, 600)),
                _ => {}
            }
        }
        line(out, "");
    }

    /// RFC 3464 section 2.
    fn machine(&self, out: &mut Vec<u8>) {
        let charset = self.charset();
        self.open(
            out,
            match self.global() {
                true => "message/global-delivery-status",
                false => "message/delivery-status",
            },
        );
        line(out, "");
        if let Some(envid) = self.envid {
            FieldWriter::new(out, "Original-Envelope-Id", charset)
                .word(&decoded(envid))
                .end();
        }
        FieldWriter::new(out, "Reporting-MTA", charset)
            .word(&format!("dns; {}", self.hostname))
            .end();
        FieldWriter::new(out, "Arrival-Date", charset)
            .word(&write_date(self.arrived_seconds))
            .end();
        for recipient in self.recipients {
            line(out, "");
            self.recipient(out, recipient);
        }
        line(out, "");
    }

    fn recipient(&self, out: &mut Vec<u8>, recipient: &Reported<'_>) {
        let charset = self.charset();
        if let Some((kind, text)) = recipient.orcpt.and_then(|orcpt| orcpt.split_once(';')) {
            FieldWriter::new(out, "Original-Recipient", charset)
                .word(&format!("{};{}", clean(kind, 40), decoded(text)))
                .end();
        }
        let kind = match recipient.address.is_ascii() {
            true => "rfc822",
            false => "utf-8",
        };
        FieldWriter::new(out, "Final-Recipient", charset)
            .word(&format!("{kind};"))
            .word(&recipient.address.to_string())
            .end();
        FieldWriter::new(out, "Action", charset)
            .word(recipient.action.word())
            .end();
        let (class, subject, detail) = recipient.status;
        FieldWriter::new(out, "Status", charset)
            .word(&format!("{class}.{subject}.{detail}"))
            .end();
        if let Some(remote) = recipient.remote {
            FieldWriter::new(out, "Remote-MTA", charset)
                .word("dns;")
                .word(remote)
                .end();
        }
        if let Some(said) = recipient.said.filter(|_| recipient.remote.is_some()) {
            words(
                FieldWriter::new(out, "Diagnostic-Code", charset).word("smtp;"),
                said,
            )
            .end();
        }
        if let Some(seconds) = recipient.attempted_seconds {
            FieldWriter::new(out, "Last-Attempt-Date", charset)
                .word(&write_date(seconds))
                .end();
        }
        if let Some(seconds) = recipient.retried_until_seconds {
            FieldWriter::new(out, "Will-Retry-Until", charset)
                .word(&write_date(seconds))
                .end();
        }
    }
}

/// Each word of a text, so that it folds.
fn words<'a>(field: FieldWriter<'a>, text: &str) -> FieldWriter<'a> {
    text.split_ascii_whitespace()
        .fold(field, |field, word| field.word(word))
}

fn line(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// At most so many characters, none of which ends a line.
fn clean(text: &str, chars_max: usize) -> String {
    let sound = |c: char| if c.is_control() { '?' } else { c };
    text.chars().take(chars_max).map(sound).collect()
}

/// xtext (RFC 3461 section 4) as it was meant; what would not be printable stays as it is.
fn decoded(xtext: &str) -> String {
    let mut out = String::with_capacity(xtext.len());
    let mut rest = xtext;
    while let Some((before, after)) = rest.split_once('+') {
        out.push_str(before);
        let octet = after
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match octet.filter(|octet| (b' '..=b'~').contains(octet)) {
            Some(octet) => {
                out.push(char::from(octet));
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.push('+');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(recipients: &[Reported<'_>], returned: Returned) -> String {
        let to = Address::parse("anna@box.test").unwrap();
        let notice = Notice {
            hostname: "box.test",
            to: &to,
            seconds: 0,
            arrived_seconds: 0,
            message_id: "1@box.test",
            boundary: "b0",
            envid: Some("QQ+2B314"),
            subject: Some("Hello\r\nBcc: x"),
            recipients,
            returned,
        };
        let mut out = Vec::new();
        notice.head(&mut out);
        out.extend_from_slice(b"Subject: Hello\r\n\r\n");
        notice.tail(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn failed(address: &Address) -> Reported<'_> {
        Reported {
            address,
            orcpt: Some("rfc822;B+2Bb@b.de"),
            action: Action::Failed,
            status: (5, 1, 1),
            remote: Some("mx.b.de"),
            said: Some("550 5.1.1 no such user\r\nInjected: yes"),
            advice: "Check the address.",
            attempted_seconds: Some(60),
            retried_until_seconds: None,
        }
    }

    #[test]
    fn people_and_machines_are_told() {
        let address = Address::parse("b@b.de").unwrap();
        let text = written(&[failed(&address)], Returned::Full);
        let parsed = mail_parser::MessageParser::new()
            .parse(text.as_bytes())
            .unwrap();
        assert_eq!(
            parsed.subject(),
            Some("Your message could not be delivered")
        );
        assert_eq!(parsed.parts.len(), 4);
        for part in [
            "could not be delivered to b@b.de.\r\nCheck the address.\r\nThe server mx.b.de said: 550 5.1.1 no such user",
            "Original-Envelope-Id: QQ+314\r\nReporting-MTA: dns; box.test\r\nArrival-Date: Thu, 1 Jan 1970",
            "\r\n\r\nOriginal-Recipient: rfc822;B+b@b.de\r\nFinal-Recipient: rfc822; b@b.de\r\nAction: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; mx.b.de\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user",
            "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: Hello\r\n\r\n\r\n--b0--\r\n",
        ] {
            assert!(text.contains(part), "{part:?} is missing in\n{text}");
        }
        assert!(!text.contains("\r\nInjected") && !text.contains("\r\nBcc"));
        assert!(text.lines().all(|line| line.len() <= 998));
    }

    #[test]
    fn addresses_beyond_ascii_make_it_global() {
        let address = Address::parse("\u{fc}@b.de").unwrap();
        let delayed = Reported {
            action: Action::Delayed,
            status: (4, 4, 1),
            retried_until_seconds: Some(86_400),
            remote: None,
            said: Some("no server of b.de answers"),
            orcpt: None,
            ..failed(&address)
        };
        let text = written(&[delayed], Returned::Header);
        for part in [
            "Subject: Your message is delayed",
            "Content-Type: message/global-delivery-status",
            "Final-Recipient: utf-8; \u{fc}@b.de\r\nAction: delayed\r\nStatus: 4.4.1\r\nLast-Attempt-Date",
            "Will-Retry-Until: Fri, 2 Jan 1970",
            "Content-Type: message/global-headers",
        ] {
            assert!(text.contains(part), "{part:?} is missing in\n{text}");
        }
    }
}
