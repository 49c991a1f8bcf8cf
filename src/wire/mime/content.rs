//! What a part says of itself in its Content fields (RFC 2045, 2183, 2231, 2557, 3282).

use super::decode::percent_decode;
use super::field::{Field, unfold};
use super::lexer::{Lexer, is_token};
use crate::limits::MIME_PARAMETERS_MAX;

/// A name and a value.
pub type Parameter = (Vec<u8>, Vec<u8>);

/// The Content fields of one part; of a field that stands twice the first one counts.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Content {
    /// Type and subtype as written, and parameters; None where there is no Content-Type or an unreadable one.
    pub media: Option<Media>,
    /// Content-ID on one line.
    pub id: Option<Vec<u8>>,
    /// Content-Description on one line.
    pub description: Option<Vec<u8>>,
    /// Content-Transfer-Encoding.
    pub encoding: Option<Vec<u8>>,
    /// Content-MD5.
    pub md5: Option<Vec<u8>>,
    /// Content-Disposition with its parameters.
    pub disposition: Option<(Vec<u8>, Vec<Parameter>)>,
    /// Content-Language tags.
    pub languages: Vec<Vec<u8>>,
    /// Content-Location.
    pub location: Option<Vec<u8>>,
}

/// A media type.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Media {
    /// Left of the slash.
    pub kind: Vec<u8>,
    /// Right of the slash.
    pub subtype: Vec<u8>,
    /// With the continuations of RFC 2231 joined.
    pub parameters: Vec<Parameter>,
}

impl Media {
    /// Whether this is `kind/subtype`, ignoring case.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind.as_bytes())
            && self.subtype.eq_ignore_ascii_case(subtype.as_bytes())
    }

    /// The boundary of a multipart; None where it has none.
    pub fn boundary(&self) -> Option<Vec<u8>> {
        let find = |wanted: &[u8]| {
            self.parameters
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .map(|(_, value)| value.as_slice())
        };
        let boundary = match (find(b"boundary"), find(b"boundary*")) {
            (Some(plain), _) => plain.trim_ascii_end().to_vec(),
            (None, Some(extended)) => percent_decode(extended).1,
            (None, None) => return None,
        };
        (!boundary.is_empty()).then_some(boundary)
    }
}

impl Content {
    /// Whether [`Content::field`] may make anything of a field.
    pub fn reads(field: &Field<'_>) -> bool {
        let start = field.name.get(..8);
        start.is_some_and(|start| start.eq_ignore_ascii_case(b"Content-"))
    }

    /// Looks at one field.
    pub fn field(&mut self, field: &Field<'_>) {
        let Some((start, name)) = field.name.split_at_checked(8) else {
            return;
        };
        if !start.eq_ignore_ascii_case(b"Content-") {
            return;
        }
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
        match name.len() {
            2 if is("ID") => set_line(&mut self.id, field),
            3 if is("MD5") => set_line(&mut self.md5, field),
            4 if is("Type") && self.media.is_none() => self.media = media(field.value),
            8 if is("Location") => set_line(&mut self.location, field),
            8 if is("Language") && self.languages.is_empty() => {
                self.languages = languages(field.value)
            }
            11 if is("Description") => set_line(&mut self.description, field),
            11 if is("Disposition") && self.disposition.is_none() => {
                self.disposition = disposition(field.value)
            }
            17 if is("Transfer-Encoding") && self.encoding.is_none() => {
                self.encoding = encoding(field.value)
            }
            _ => {}
        }
    }
}

fn set_line(slot: &mut Option<Vec<u8>>, field: &Field<'_>) {
    if slot.is_none() {
        *slot = Some(unfold(field.value));
    }
}

fn token(lexer: &mut Lexer<'_>) -> Option<Vec<u8>> {
    let mut token = Vec::new();
    let found = lexer.skip_space().is_ok() && lexer.run(&mut token, is_token) > 0;
    found.then_some(token)
}

fn media(value: &[u8]) -> Option<Media> {
    let mut lexer = Lexer::new(value);
    let kind = token(&mut lexer)?;
    lexer.skip_space().ok()?;
    if !lexer.take(b'/') {
        return None;
    }
    Some(Media {
        kind,
        subtype: token(&mut lexer)?,
        parameters: parameters(lexer),
    })
}

fn disposition(value: &[u8]) -> Option<(Vec<u8>, Vec<Parameter>)> {
    let mut lexer = Lexer::new(value);
    let kind = token(&mut lexer)?;
    Some((kind, parameters(lexer)))
}

/// A token and nothing else, but for parameters that some software puts behind it.
fn encoding(value: &[u8]) -> Option<Vec<u8>> {
    let mut lexer = Lexer::new(value);
    let name = token(&mut lexer)?;
    lexer.skip_space().ok()?;
    matches!(lexer.peek(), None | Some(b';')).then_some(name)
}

fn languages(value: &[u8]) -> Vec<Vec<u8>> {
    let mut lexer = Lexer::new(value);
    let mut tags = Vec::new();
    while tags.len() < MIME_PARAMETERS_MAX {
        let Some(tag) = token(&mut lexer) else { break };
        tags.push(tag);
        if lexer.skip_space().is_err() || !lexer.take(b',') {
            break;
        }
    }
    tags
}

/// One parameter as written: `name*index*=value`.
struct Piece {
    name: Vec<u8>,
    index: Option<u32>,
    extended: bool,
    value: Vec<u8>,
}

/// `*(";" name "=" value)`, leniently: whatever stands between a value and the next semicolon is skipped.
fn parameters(mut lexer: Lexer<'_>) -> Vec<Parameter> {
    let mut pieces: Vec<Piece> = Vec::new();
    while pieces.len() < MIME_PARAMETERS_MAX && skip_to_semicolon(&mut lexer) {
        let Some(name) = token(&mut lexer) else {
            continue;
        };
        if lexer.skip_space().is_err() || !lexer.take(b'=') {
            continue;
        }
        let _ = lexer.skip_space();
        let value = value(&mut lexer);
        pieces.push(piece(name, value));
    }
    join(pieces)
}

/// Goes behind the next semicolon; false at the end.
fn skip_to_semicolon(lexer: &mut Lexer<'_>) -> bool {
    loop {
        match lexer.peek() {
            None => return false,
            Some(b'"') => {
                if lexer.quoted(&mut Vec::new()).is_err() {
                    return false;
                }
            }
            Some(octet) => {
                lexer.take(octet);
                if octet == b';' {
                    return true;
                }
            }
        }
    }
}

/// A quoted string, or everything up to a semicolon, a comment or a line end: names with spaces and boundaries with
/// `=` or `/` are written without quotes by many.
fn value(lexer: &mut Lexer<'_>) -> Vec<u8> {
    let mut value = Vec::new();
    if lexer.peek() == Some(b'"') {
        let _ = lexer.quoted(&mut value);
        return value;
    }
    lexer.run(&mut value, |octet| {
        !matches!(octet, b';' | b'\r' | b'\n' | b'(')
    });
    value.truncate(value.trim_ascii_end().len());
    value
}

fn piece(name: Vec<u8>, value: Vec<u8>) -> Piece {
    let extended = name.len() > 1 && name.ends_with(b"*");
    let stem = name
        .strip_suffix(b"*")
        .filter(|_| extended)
        .unwrap_or(&name);
    let star = memchr::memrchr(b'*', stem).filter(|&at| at > 0);
    let index = star
        .and_then(|at| std::str::from_utf8(stem.get(at + 1..)?).ok())
        .and_then(|digits| digits.parse::<u32>().ok());
    let stem = match (index, star) {
        (Some(_), Some(at)) => stem.get(..at).unwrap_or(stem),
        _ => stem,
    };
    Piece {
        name: stem.to_vec(),
        index,
        extended,
        value,
    }
}

/// Joins continuations (RFC 2231 section 3), which servers must do for BODYSTRUCTURE (section 7 there). A value with a
/// charset keeps it: its name ends in `*`, and the pieces that were not percent-encoded become so. A parameter without
/// an index goes before one in pieces; of two with the same name the first one counts.
fn join(mut pieces: Vec<Piece>) -> Vec<Parameter> {
    let mut joined: Vec<Parameter> = Vec::new();
    for at in 0..pieces.len() {
        let Some(piece) = pieces.get(at) else { break };
        let (mut name, index) = (piece.name.clone(), piece.index);
        let mut extended = piece.extended;
        let value = match index {
            None => piece.value.clone(),
            Some(_)
                if pieces
                    .iter()
                    .any(|p| p.index.is_none() && p.name.eq_ignore_ascii_case(&name)) =>
            {
                continue;
            }
            Some(_) => {
                let (value, charset) = continuations(&pieces, &name);
                extended = charset;
                value
            }
        };
        if index.is_some() {
            // Each family is joined once, where its first piece stands.
            pieces.iter_mut().for_each(|p| {
                if p.index.is_some() && p.name.eq_ignore_ascii_case(&name) {
                    p.index = Some(u32::MAX);
                }
            });
        }
        if extended {
            name.push(b'*');
        }
        if index != Some(u32::MAX)
            && !joined
                .iter()
                .any(|(have, _)| have.eq_ignore_ascii_case(&name))
        {
            joined.push((name, value));
        }
    }
    joined
}

/// The pieces 0, 1, 2 ... of a family in order, and whether they are percent-encoded.
fn continuations(pieces: &[Piece], name: &[u8]) -> (Vec<u8>, bool) {
    let find = |index: u32| {
        pieces
            .iter()
            .find(|p| p.index == Some(index) && p.name.eq_ignore_ascii_case(name))
    };
    let chain: Vec<&Piece> = (0..pieces.len() as u32).map_while(find).collect();
    let extended = chain.first().is_some_and(|first| first.extended);
    let mut value = Vec::new();
    for piece in chain {
        if extended && !piece.extended {
            for &octet in &piece.value {
                if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
                    value.push(octet);
                } else {
                    value.extend_from_slice(format!("%{octet:02X}").as_bytes());
                }
            }
        } else {
            value.extend_from_slice(&piece.value);
        }
    }
    (value, extended)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::mime::field::fields;

    fn content(block: &str) -> Content {
        let mut content = Content::default();
        fields(block.as_bytes()).for_each(|field| content.field(&field));
        content
    }

    fn of_type(value: &str) -> Vec<(String, String)> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        content(&format!("Content-Type: {value}\r\n"))
            .media
            .unwrap_or_default()
            .parameters
            .into_iter()
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter()
            .map(|(a, b)| (a.to_string(), b.to_string()))
            .collect()
    }

    #[test]
    fn reads_every_field() {
        let found = content(concat!(
            "content-type: Text/HTML (c); charset=\"utf-8\"\r\nContent-ID: <1>\r\nContent-Type: a/b\r\n",
            "Content-Disposition: attachment; filename=\"a;b\"\r\nContent-Language: de, en\r\n",
            "Content-Transfer-Encoding: BASE64 ; x\r\n"
        ));
        let media = found.media.unwrap();
        assert!(media.is("text", "html"));
        assert_eq!(media.parameters, [(b"charset".to_vec(), b"utf-8".to_vec())]);
        assert_eq!(found.id.unwrap(), b"<1>");
        assert_eq!(found.encoding.unwrap(), b"BASE64");
        assert_eq!(found.languages, [b"de".to_vec(), b"en".to_vec()]);
        let (kind, parameters) = found.disposition.unwrap();
        assert_eq!(
            (kind.as_slice(), parameters.len()),
            (b"attachment".as_slice(), 1)
        );
        assert_eq!(content("Content-Type: text\r\n").media, None);
    }

    #[test]
    fn parameters_as_people_write_them() {
        assert_eq!(
            of_type("a/b; x=1;; y = \"2\" junk; Z=3 4 (c)\r\n ; w"),
            pairs(&[("x", "1"), ("y", "2"), ("Z", "3 4")])
        );
        assert_eq!(
            of_type("a/b; boundary=--=_a/b?c"),
            pairs(&[("boundary", "--=_a/b?c")])
        );
        assert_eq!(of_type("a/b x=1; y=2; y=3"), pairs(&[("y", "2")]));
        assert_eq!(of_type("a/b; x=\"1"), pairs(&[("x", "1")]));
    }

    #[test]
    fn continuations_are_joined() {
        assert_eq!(of_type("a/b; n*1=b; n*0=a; n*2=c"), pairs(&[("n", "abc")]));
        assert_eq!(
            of_type("a/b; n*0*=utf-8''%C3; n*1=\"a b\"; n*2*=%20"),
            pairs(&[("n*", "utf-8''%C3a%20b%20")])
        );
        assert_eq!(of_type("a/b; n*=utf-8''x"), pairs(&[("n*", "utf-8''x")]));
        assert_eq!(of_type("a/b; n*0=a; n=b"), pairs(&[("n", "b")]));
    }

    #[test]
    fn the_number_of_parameters_is_bounded() {
        let many = |n: usize| {
            of_type(&format!(
                "a/b{}",
                (0..n).map(|i| format!("; p{i}=1")).collect::<String>()
            ))
            .len()
        };
        assert_eq!(many(MIME_PARAMETERS_MAX - 1), MIME_PARAMETERS_MAX - 1);
        assert_eq!(many(MIME_PARAMETERS_MAX), MIME_PARAMETERS_MAX);
        assert_eq!(many(MIME_PARAMETERS_MAX + 1), MIME_PARAMETERS_MAX);
    }

    #[test]
    fn finds_the_boundary() {
        let boundary = |value: &str| {
            content(&format!("Content-Type: {value}\r\n"))
                .media
                .unwrap()
                .boundary()
        };
        assert_eq!(
            boundary("multipart/x; boundary=\"a b  \""),
            Some(b"a b".to_vec())
        );
        assert_eq!(
            boundary("multipart/x; boundary*0=a; boundary*1=b"),
            Some(b"ab".to_vec())
        );
        assert_eq!(
            boundary("multipart/x; boundary*=us-ascii''a%20b"),
            Some(b"a b".to_vec())
        );
        assert_eq!(boundary("multipart/x; boundary=\"\""), None);
    }
}
