//! The ENVELOPE of a message (RFC 3501 section 7.4.2) as IMAP bytes.

use super::field::{Field, collapse, unfold};
use super::mailboxes::push_addresses;
use super::put_nstring;
use crate::limits::{ENVELOPE_LISTS_BYTES_MAX, ENVELOPE_TEXT_BYTES_MAX};

/// What ENVELOPE holds, collected field by field. Addresses of a field that stands twice are joined, so that none can
/// hide behind another; of other fields the last one counts. White space in what people read (the subject, names) is
/// collapsed, for folds leave tabs and double spaces behind.
#[derive(Default)]
pub struct Envelope {
    /// Value of Date on one line.
    pub date: Option<Vec<u8>>,
    subject: Option<Vec<u8>>,
    in_reply_to: Option<Vec<u8>>,
    message_id: Option<Vec<u8>>,
    from: Vec<u8>,
    sender: Vec<u8>,
    reply_to: Vec<u8>,
    to: Vec<u8>,
    cc: Vec<u8>,
    bcc: Vec<u8>,
}

impl Envelope {
    /// Looks at one field.
    pub fn field(&mut self, field: &Field<'_>) {
        let lists = [
            &self.from,
            &self.sender,
            &self.reply_to,
            &self.to,
            &self.cc,
            &self.bcc,
        ];
        let held: usize = lists.iter().map(|list| list.len()).sum();
        match self.slot(field.name) {
            Some(Slot::Subject) => self.subject = Some(short(collapse(field.value))),
            Some(Slot::Text(text)) => *text = Some(short(unfold(field.value))),
            Some(Slot::Addresses(list)) => {
                let others = held - list.len();
                let room = ENVELOPE_LISTS_BYTES_MAX.saturating_sub(others);
                push_addresses(list, field.value, room);
            }
            None => {}
        }
    }

    /// The ENVELOPE with its parentheses. Sender and Reply-To default to From, as the RFC wants.
    pub fn render(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        out.push(b'(');
        put_nstring(&mut out, self.date.as_deref());
        out.push(b' ');
        put_nstring(&mut out, self.subject.as_deref());
        for (list, default) in [
            (&self.from, &self.from),
            (&self.sender, &self.from),
            (&self.reply_to, &self.from),
            (&self.to, &self.to),
            (&self.cc, &self.cc),
            (&self.bcc, &self.bcc),
        ] {
            out.push(b' ');
            push_list(&mut out, if list.is_empty() { default } else { list });
        }
        out.push(b' ');
        put_nstring(&mut out, self.in_reply_to.as_deref());
        out.push(b' ');
        put_nstring(&mut out, self.message_id.as_deref());
        out.push(b')');
        out
    }

    /// Whether [`Envelope::field`] makes anything of a field.
    pub fn reads(field: &Field<'_>) -> bool {
        Envelope::default().slot(field.name).is_some()
    }

    fn slot(&mut self, name: &[u8]) -> Option<Slot<'_>> {
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
        Some(match name.len() {
            2 if is("To") => Slot::Addresses(&mut self.to),
            2 if is("Cc") => Slot::Addresses(&mut self.cc),
            3 if is("Bcc") => Slot::Addresses(&mut self.bcc),
            4 if is("From") => Slot::Addresses(&mut self.from),
            4 if is("Date") => Slot::Text(&mut self.date),
            6 if is("Sender") => Slot::Addresses(&mut self.sender),
            7 if is("Subject") => Slot::Subject,
            8 if is("Reply-To") => Slot::Addresses(&mut self.reply_to),
            10 if is("Message-ID") => Slot::Text(&mut self.message_id),
            11 if is("In-Reply-To") => Slot::Text(&mut self.in_reply_to),
            _ => return None,
        })
    }
}

enum Slot<'a> {
    Subject,
    Text(&'a mut Option<Vec<u8>>),
    Addresses(&'a mut Vec<u8>),
}

fn push_list(out: &mut Vec<u8>, addresses: &[u8]) {
    if addresses.is_empty() {
        out.extend_from_slice(b"NIL");
    } else {
        out.push(b'(');
        out.extend_from_slice(addresses);
        out.push(b')');
    }
}

/// A text of at most `ENVELOPE_TEXT_BYTES_MAX` octets.
fn short(mut text: Vec<u8>) -> Vec<u8> {
    text.truncate(ENVELOPE_TEXT_BYTES_MAX);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::mime::field::fields;

    fn envelope(block: &str) -> String {
        let mut envelope = Envelope::default();
        fields(block.as_bytes()).for_each(|field| envelope.field(&field));
        String::from_utf8(envelope.render()).unwrap()
    }

    #[test]
    fn sender_and_reply_to_default_to_from() {
        assert_eq!(
            envelope(
                "Date: x\r\nFrom: a@b\r\nTo: c@d\r\nTo: e@f\r\nSubject: \"q\"\r\n  folded\r\nMessage-Id: <1@b>\r\n"
            ),
            concat!(
                r#"("x" "\"q\" folded" ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) "#,
                r#"((NIL NIL "c" "d")(NIL NIL "e" "f")) NIL NIL NIL "<1@b>")"#
            )
        );
    }

    #[test]
    fn nothing_is_nil() {
        assert_eq!(envelope(""), "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
    }
}
