//! The configuration file's grammar: every key is taken out of its table once; what is left over is unknown.
//! Mistakes are gathered, not thrown, so that one run names all of them.

use super::nearest::nearest;
use super::{CertificateFiles, Config, Listen, Mistake};
use crate::limits::{
    CERTIFICATES_MAX, CONNECTIONS_MAX, HEADER_BLOCK_BYTES_MAX, LISTEN_SOCKETS_MAX,
    MESSAGE_BYTES_CEILING,
};
use crate::wire::address::Domain;
use std::net::{IpAddr, SocketAddr};
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The whole file.
pub(super) fn config(text: &str, base: &Path) -> Result<Config, Vec<Mistake>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader {
        text,
        base,
        mistakes: Vec::new(),
    };
    for error in errors {
        let hint = "see `pillarbox config example`";
        reader.mistake(
            error.span(),
            format!("no TOML: {}; {hint}", error.message().replace('\n', ", ")),
        );
    }
    if !reader.mistakes.is_empty() {
        // What a half-read document lacks or holds would only confuse.
        return Err(reader.mistakes);
    }
    let config = reader.document(document.get_ref());
    reader
        .mistakes
        .sort_by_key(|mistake| mistake.line.unwrap_or(usize::MAX));
    match config {
        Some(config) if reader.mistakes.is_empty() => Ok(config),
        _ => Err(reader.mistakes),
    }
}

pub(super) struct Reader<'t> {
    text: &'t str,
    base: &'t Path,
    mistakes: Vec<Mistake>,
}

/// One table whose keys are being taken.
pub(super) struct Section<'t> {
    name: &'static str,
    pub(super) table: Option<&'t DeTable<'t>>,
    asked: Vec<&'static str>,
}

pub(super) type Value<'t> = &'t Spanned<DeValue<'t>>;

impl<'t> Section<'t> {
    /// A table of which nothing was taken yet.
    pub(super) fn of(name: &'static str, table: Option<&'t DeTable<'t>>) -> Section<'t> {
        Section {
            name,
            table,
            asked: Vec::new(),
        }
    }
    pub(super) fn take(&mut self, key: &'static str) -> Option<Value<'t>> {
        self.asked.push(key);
        self.table?.get(key)
    }
    /// `listen.smtp`
    pub(super) fn path(&self, key: &str) -> String {
        match self.name {
            "" => format!("`{key}`"),
            section => format!("`{key}` in [{section}]"),
        }
    }
}

impl<'t> Reader<'t> {
    fn document(&mut self, table: &'t DeTable<'t>) -> Option<Config> {
        let mut top = Section {
            name: "",
            table: Some(table),
            asked: Vec::new(),
        };
        let hostname = match top.take("hostname") {
            Some(value) => self.hostname(value),
            None => {
                self.mistake(None, "`hostname` is missing; write the name under which the world reaches this box, like hostname = \"mail.example.org\"".into());
                None
            }
        };
        // Checking goes on without a name, so that all mistakes are found in one run.
        let mut config = Config::new(
            hostname
                .clone()
                .or_else(|| Domain::parse("box.invalid").ok())?,
        );
        if let Some(data) = top.take("data").and_then(|value| self.path(value, "data")) {
            config.data = data;
        }
        config.user = top
            .take("user")
            .and_then(|value| self.string(value, "user"));
        self.listen(&mut top, &mut config.listen);
        config.certificates = self.certificates(&mut top);
        self.limits(&mut top, &mut config);
        self.addresses(&mut top, &mut config);
        config.checks = self.checks(&mut top);
        config.access = self.access(&mut top);
        config.reports = self.reports(&mut top);
        config.dns = self.dns(&mut top);
        self.leftovers(&top);
        if self.mistakes.is_empty()
            && let Some(excess) = config.memory_excess()
        {
            // The ceiling's line, else the section's: what is too large may be a default.
            let limits = table.get("limits");
            let ceiling = limits.and_then(|limits| limits.get_ref().get("memory_bytes_max"));
            self.mistake(ceiling.or(limits).map(Spanned::span), excess);
        }
        hostname.map(|_| config)
    }

    fn hostname(&mut self, value: Value<'t>) -> Option<Domain> {
        let text = self.string(value, "hostname")?;
        let wrong = match Domain::parse(&text) {
            Ok(domain) if domain.literal().is_none() && domain.as_str().contains('.') => {
                if domain.as_str() == "localhost.localdomain" || text.ends_with(".local") {
                    "is known to this machine alone".to_string()
                } else if domain.as_str().parse::<IpAddr>().is_ok() {
                    "is an address".to_string()
                } else {
                    return Some(domain);
                }
            }
            Ok(_) => "is no full name with a domain".to_string(),
            Err(error) => format!("is no domain name ({})", error.0),
        };
        self.mistake(
            Some(value.span()),
            format!("hostname {text:?} {wrong}; other servers greet this box by it, so it must be a full name in the DNS, like mail.example.org"),
        );
        None
    }

    fn listen(&mut self, top: &mut Section<'t>, listen: &mut Listen) {
        let mut section = self.section(top, "listen");
        for (key, to) in [
            ("smtp", &mut listen.smtp),
            ("submission", &mut listen.submission),
            ("submissions", &mut listen.submissions),
            ("imap", &mut listen.imap),
            ("imaps", &mut listen.imaps),
        ] {
            if let Some(value) = section.take(key) {
                *to = self.sockets(value, &section.path(key));
            }
        }
        self.leftovers(&section);
        if let Some(table) = section.table {
            self.clashes(table, listen);
        }
    }

    fn sockets(&mut self, value: Value<'t>, path: &str) -> Vec<SocketAddr> {
        let wrong = "is a list of addresses with ports, like [\"0.0.0.0:25\", \"[::]:25\"], or [] to switch the service off";
        let Some(list) = value.get_ref().as_array() else {
            self.mistake(Some(value.span()), format!("{path} {wrong}"));
            return Vec::new();
        };
        if list.len() > LISTEN_SOCKETS_MAX {
            self.mistake(
                Some(value.span()),
                format!(
                    "{path} has {} addresses; {LISTEN_SOCKETS_MAX} are the most",
                    list.len()
                ),
            );
        }
        let mut sockets = Vec::new();
        for item in list.iter() {
            match item.get_ref().as_str().map(str::parse::<SocketAddr>) {
                Some(Ok(socket)) if socket.port() != 0 => sockets.push(socket),
                _ => {
                    let shown = item.get_ref().as_str().unwrap_or("this");
                    self.mistake(
                        Some(item.span()),
                        format!("{shown} is no address with a port; {path} {wrong}"),
                    );
                }
            }
        }
        sockets
    }

    /// Every address that an earlier place has too: another line, or the default of a service that is not named.
    fn clashes(&mut self, table: &DeTable<'_>, listen: &Listen) {
        let services = [
            ("smtp", &listen.smtp),
            ("submission", &listen.submission),
            ("submissions", &listen.submissions),
            ("imap", &listen.imap),
            ("imaps", &listen.imaps),
        ];
        let mut seen: Vec<(&str, &SocketAddr)> = Vec::new();
        // Defaults first: a mistake is on a line that somebody wrote.
        let (written, defaults): (Vec<_>, Vec<_>) = services
            .into_iter()
            .partition(|(key, _)| table.contains_key(*key));
        for (key, sockets) in defaults.into_iter().chain(written) {
            for socket in sockets {
                if let Some((other, _)) = seen.iter().find(|(_, other)| *other == socket) {
                    let whose = match *other == key {
                        true => "twice here".to_string(),
                        false => format!("here and under `{other}`"),
                    };
                    self.mistake(
                        table.get(key).map(Spanned::span),
                        format!("{socket} stands {whose}; a port belongs to one service"),
                    );
                }
                seen.push((key, socket));
            }
        }
    }

    fn certificates(&mut self, top: &mut Section<'t>) -> Vec<CertificateFiles> {
        let Some(value) = top.take("certificate") else {
            return Vec::new();
        };
        let Some(list) = value.get_ref().as_array() else {
            self.mistake(
                Some(value.span()),
                "write [[certificate]] in double brackets: there may be several".into(),
            );
            return Vec::new();
        };
        if list.len() > CERTIFICATES_MAX {
            self.mistake(
                Some(value.span()),
                format!(
                    "{} certificates; {CERTIFICATES_MAX} are the most",
                    list.len()
                ),
            );
        }
        let mut certificates = Vec::new();
        for item in list.iter() {
            let mut section = Section::of("[certificate]", item.get_ref().as_table());
            let chain = section
                .take("chain")
                .and_then(|value| self.path(value, "chain"));
            let key = section
                .take("key")
                .and_then(|value| self.path(value, "key"));
            self.leftovers(&section);
            match (chain, key) {
                (Some(chain), Some(key)) => certificates.push(CertificateFiles { chain, key }),
                _ => self.mistake(
                    Some(item.span()),
                    "a [[certificate]] needs `chain` (the file with the whole chain) and `key`"
                        .into(),
                ),
            }
        }
        certificates
    }

    fn limits(&mut self, top: &mut Section<'t>, config: &mut Config) {
        let mut section = self.section(top, "limits");
        for (key, to) in [
            ("smtp_connections_max", &mut config.smtp_connections_max),
            (
                "submission_connections_max",
                &mut config.submission_connections_max,
            ),
            ("imap_connections_max", &mut config.imap_connections_max),
        ] {
            if let Some(value) = section.take(key)
                && let Some(count) = self.number(value, key, 1..=CONNECTIONS_MAX as u64)
            {
                *to = count as usize;
            }
        }
        let least = HEADER_BLOCK_BYTES_MAX as u64;
        for (key, to, range) in [
            (
                "message_bytes_max",
                &mut config.message_bytes_max,
                least..=MESSAGE_BYTES_CEILING,
            ),
            (
                "memory_bytes_max",
                &mut config.memory_bytes_max,
                1..=u64::MAX >> 1,
            ),
            (
                "disk_reserve_bytes",
                &mut config.disk_reserve_bytes,
                0..=u64::MAX >> 1,
            ),
        ] {
            if let Some(value) = section.take(key)
                && let Some(size) = self.size(value, key, range)
            {
                *to = size;
            }
        }
        if let Some(value) = section.take("quota_bytes") {
            config.quota_bytes = self
                .size(value, "quota_bytes", 0..=u64::MAX >> 1)
                .filter(|size| *size > 0);
        }
        self.leftovers(&section);
    }

    fn addresses(&mut self, top: &mut Section<'t>, config: &mut Config) {
        let mut section = self.section(top, "addresses");
        if let Some(value) = section.take("detail_separator")
            && let Some(text) = self.string(value, "detail_separator")
        {
            let mut chars = text.chars();
            config.detail_separator = match (chars.next(), chars.next()) {
                (None, _) => None,
                (Some(c @ ('+' | '-' | '_' | '=' | '#' | '~')), None) => Some(c),
                _ => {
                    self.mistake(
                        Some(value.span()),
                        "detail_separator is one of + - _ = # ~ or \"\" for none".into(),
                    );
                    None
                }
            };
        }
        self.leftovers(&section);
    }

    pub(super) fn section(&mut self, top: &mut Section<'t>, name: &'static str) -> Section<'t> {
        let value = top.take(name);
        let table = value.and_then(|value| value.get_ref().as_table());
        if let (Some(value), None) = (value, table) {
            self.mistake(
                Some(value.span()),
                format!("`{name}` is a section; write its keys below a line [{name}]"),
            );
        }
        Section {
            name,
            table,
            asked: Vec::new(),
        }
    }

    pub(super) fn leftovers(&mut self, section: &Section<'t>) {
        let Some(table) = section.table else { return };
        for key in table.keys() {
            let name = key.get_ref().as_ref();
            if section.asked.contains(&name) {
                continue;
            }
            let hint = match nearest(name, section.asked.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("there are {}", section.asked.join(", ")),
            };
            self.mistake(
                Some(key.span()),
                format!("unknown key {}; {hint}", section.path(name)),
            );
        }
    }

    pub(super) fn string(&mut self, value: Value<'t>, key: &str) -> Option<String> {
        match value.get_ref().as_str() {
            Some(text) => Some(text.to_string()),
            None => {
                let found = value.get_ref().type_str();
                self.mistake(
                    Some(value.span()),
                    format!("`{key}` is a text in quotes, not {found}"),
                );
                None
            }
        }
    }

    pub(super) fn path(&mut self, value: Value<'t>, key: &str) -> Option<PathBuf> {
        let text = self.string(value, key)?;
        if text.is_empty() {
            self.mistake(
                Some(value.span()),
                format!("`{key}` is empty; write a path"),
            );
            return None;
        }
        Some(self.base.join(text))
    }

    pub(super) fn number(
        &mut self,
        value: Value<'t>,
        key: &str,
        range: RangeInclusive<u64>,
    ) -> Option<u64> {
        let number = value.get_ref().as_integer().and_then(|integer| {
            let digits = integer.as_str().replace('_', "");
            u64::from_str_radix(&digits, integer.radix()).ok()
        });
        if let Some(number) = number.filter(|number| range.contains(number)) {
            return Some(number);
        }
        self.mistake(
            Some(value.span()),
            format!(
                "`{key}` is a whole number from {} to {}",
                range.start(),
                range.end()
            ),
        );
        None
    }

    /// Octets as a number, or as a text with a unit.
    pub(super) fn size(
        &mut self,
        value: Value<'t>,
        key: &str,
        range: RangeInclusive<u64>,
    ) -> Option<u64> {
        let size = match value.get_ref().as_str() {
            Some(text) => parse_size(text),
            None => value.get_ref().as_integer().and_then(|integer| {
                let digits = integer.as_str().replace('_', "");
                u64::from_str_radix(&digits, integer.radix()).ok()
            }),
        };
        if let Some(size) = size.filter(|size| range.contains(size)) {
            return Some(size);
        }
        let bounds = match (*range.start(), *range.end()) {
            (0 | 1, _) => String::new(),
            (least, most) => format!(" from {} to {}", size_text(least), size_text(most)),
        };
        self.mistake(
            Some(value.span()),
            format!("`{key}` is a size{bounds}, as a number of octets or like \"50 MiB\""),
        );
        None
    }

    pub(super) fn mistake(&mut self, span: Option<Range<usize>>, text: String) {
        let line = span.map(|span| line_of(self.text, &span));
        self.mistakes.push(Mistake { line, text });
    }
}

/// The line that a span begins in, counted from 1.
pub(super) fn line_of(text: &str, span: &Range<usize>) -> usize {
    let before = text.get(..span.start).unwrap_or(text);
    before.bytes().filter(|b| *b == b'\n').count() + 1
}

const UNITS: [(&str, u32); 5] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0)];

/// `50 MiB`, `1GiB`, `300 kB` is refused: units of 1,000 are a source of surprises here.
fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let (unit, shift) = *UNITS.iter().find(|(unit, _)| text.ends_with(unit))?;
    let number: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
    number.checked_mul(1 << shift)
}

/// `50 MiB`; the largest unit that leaves a whole number, or one decimal of a larger one.
pub(super) fn size_text(bytes: u64) -> String {
    for (unit, shift) in UNITS {
        if bytes >= 1 << shift {
            let whole = bytes >> shift;
            let rest = bytes & ((1_u64 << shift) - 1);
            let tenth = (rest * 10) >> shift;
            return match (rest, tenth) {
                (0, _) => format!("{whole} {unit}"),
                _ => format!("{whole}.{tenth} {unit}"),
            };
        }
    }
    "0 B".to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_of_1024() {
        assert_eq!(parse_size("50 MiB"), Some(50 << 20));
        assert_eq!(parse_size("1GiB"), Some(1 << 30));
        assert_eq!(parse_size("12 B"), Some(12));
        assert_eq!(parse_size("50 MB"), None);
        assert_eq!(parse_size("MiB"), None);
        assert_eq!(parse_size("99999999999 TiB"), None);
        assert_eq!(size_text(50 << 20), "50 MiB");
        assert_eq!(size_text(1_572_864), "1.5 MiB");
        assert_eq!(size_text(0), "0 B");
    }
}
