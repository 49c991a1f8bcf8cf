//! Trace fields: Received (RFC 5321 section 4.4), Return-Path, Delivered-To and X-Original-To.

use super::date::write_date;
use super::writer::{Charset, FieldWriter};
use crate::wire::address::Address;
use std::net::IpAddr;

/// What a Received field says.
pub struct Received<'a> {
    /// The client: its name in EHLO and its address. None where it is not disclosed (submission).
    pub from: Option<(&'a str, IpAddr)>,
    /// Our name.
    pub by: &'a str,
    /// `ESMTPS` and the like, see [`Received::protocol`].
    pub with: &'static str,
    /// Version and cipher of TLS.
    pub tls: Option<(&'a str, &'a str)>,
    /// Our name of the message, for logs.
    pub id: &'a str,
    /// The recipient, where there is only one: a list would disclose the others.
    pub recipient: Option<&'a Address>,
    /// Seconds since 1970.
    pub seconds: i64,
}

/// What makes the difference between the protocol names of RFC 3848 and RFC 6531 section 4.3.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Protocol {
    /// EHLO rather than HELO.
    pub extended: bool,
    /// Under TLS.
    pub secure: bool,
    /// After AUTH.
    pub authenticated: bool,
    /// With SMTPUTF8.
    pub utf8: bool,
}

impl Protocol {
    /// The registered name.
    pub fn name(self) -> &'static str {
        match (self.utf8, self.secure, self.authenticated, self.extended) {
            (true, true, true, _) => "UTF8SMTPSA",
            (true, true, false, _) => "UTF8SMTPS",
            (true, false, true, _) => "UTF8SMTPA",
            (true, false, false, _) => "UTF8SMTP",
            (false, true, true, _) => "ESMTPSA",
            (false, true, false, _) => "ESMTPS",
            (false, false, true, _) => "ESMTPA",
            (false, false, false, true) => "ESMTP",
            (false, false, false, false) => "SMTP",
        }
    }
}

impl Received<'_> {
    /// Appends the field.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut field = FieldWriter::new(out, "Received", Charset::Ascii);
        if let Some((name, address)) = self.from {
            let address = match address.to_canonical() {
                IpAddr::V4(v4) => format!("([{v4}])"),
                IpAddr::V6(v6) => format!("([IPv6:{v6}])"),
            };
            field = field
                .word("from")
                .word(&clean_name(name))
                .word(&address)
                .fold();
        }
        field = field.word("by").word(self.by).word("with").word(self.with);
        if let Some((version, cipher)) = self.tls {
            field = field.word(&format!("({version}")).word(cipher).glued(")");
        }
        field = field.fold().word("id").word(self.id);
        // An address beyond ASCII would make the field one that only SMTPUTF8 peers may see.
        if let Some(recipient) = self.recipient.filter(|r| r.is_ascii()) {
            field = field.word("for").word(&format!("<{recipient}>"));
        }
        field
            .glued(";")
            .fold()
            .word(&write_date(self.seconds))
            .end();
    }
}

/// What a client called itself, as far as it may stand in a Received field.
fn clean_name(name: &str) -> String {
    let mut clean: String = name
        .chars()
        .take(crate::limits::DOMAIN_BYTES_MAX)
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' | ':' | '[' | ']' => c,
            _ => '?',
        })
        .collect();
    if clean.is_empty() {
        clean.push_str("unknown");
    }
    clean
}

/// Appends `Return-Path: <sender>`; None is the null path.
pub fn return_path(out: &mut Vec<u8>, sender: Option<&Address>) {
    let path = sender.map_or_else(|| "<>".into(), |sender| format!("<{sender}>"));
    FieldWriter::new(out, "Return-Path", Charset::Utf8)
        .word(&path)
        .end();
}

/// Appends `Delivered-To: account`, and `X-Original-To: recipient` where that is another address.
pub fn delivered_to(out: &mut Vec<u8>, account: &Address, recipient: &Address) {
    FieldWriter::new(out, "Delivered-To", Charset::Utf8)
        .word(&account.to_string())
        .end();
    if account != recipient {
        FieldWriter::new(out, "X-Original-To", Charset::Utf8)
            .word(&recipient.to_string())
            .end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_received_field() {
        let recipient = Address::parse("anna@box.test").unwrap();
        let mut received = Received {
            from: Some(("mail(x)\r\ny.example", "::ffff:192.0.2.1".parse().unwrap())),
            by: "box.test",
            with: "ESMTPS",
            tls: Some(("TLS1.3", "TLS_AES_128_GCM_SHA256")),
            id: "0123456789abcdef",
            recipient: Some(&recipient),
            seconds: 0,
        };
        let mut out = Vec::new();
        received.write(&mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "Received: from mail?x???y.example ([192.0.2.1])\r\n \
             by box.test with ESMTPS (TLS1.3 TLS_AES_128_GCM_SHA256)\r\n \
             id 0123456789abcdef for <anna@box.test>;\r\n \
             Thu, 1 Jan 1970 00:00:00 +0000\r\n"
        );
        received.from = None;
        received.tls = None;
        received.recipient = None;
        let mut out = Vec::new();
        received.write(&mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "Received: by box.test with ESMTPS\r\n id 0123456789abcdef;\r\n Thu, 1 Jan 1970 00:00:00 +0000\r\n"
        );
    }

    #[test]
    fn paths_are_quoted() {
        let mut out = Vec::new();
        return_path(&mut out, None);
        let odd = Address::parse("\"a b>\"@c.de").unwrap();
        return_path(&mut out, Some(&odd));
        delivered_to(&mut out, &Address::parse("ä@b.de").unwrap(), &odd);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "Return-Path: <>\r\nReturn-Path: <\"a b>\"@c.de>\r\nDelivered-To: ä@b.de\r\nX-Original-To: \"a b>\"@c.de\r\n"
        );
    }

    #[test]
    fn protocol_names() {
        let mut protocol = Protocol {
            extended: false,
            secure: false,
            authenticated: false,
            utf8: false,
        };
        assert_eq!(protocol.name(), "SMTP");
        protocol.extended = true;
        assert_eq!(protocol.name(), "ESMTP");
        protocol.secure = true;
        assert_eq!(protocol.name(), "ESMTPS");
        protocol.authenticated = true;
        assert_eq!(protocol.name(), "ESMTPSA");
        protocol.utf8 = true;
        assert_eq!(protocol.name(), "UTF8SMTPSA");
    }
}
