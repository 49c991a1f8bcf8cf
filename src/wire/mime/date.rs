//! Date fields: RFC 5322 section 3.3 with the obsolete forms of 4.3 and what real mail writes, as seconds since 1970, UTC.

use crate::wire::imap::date::Day;

/// A moment with the zone that its writer stood in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment {
    /// Seconds since 1970, UTC.
    pub secs: i64,
    /// Minutes east of UTC.
    pub zone_minutes: i32,
}

impl Moment {
    /// Midnight of the day on the writer's calendar, as if that were UTC: what SENTON, SENTBEFORE and SENTSINCE compare
    /// ("disregarding time and timezone").
    pub fn day_secs(self) -> i64 {
        let local = self.secs + i64::from(self.zone_minutes) * 60;
        local - local.rem_euclid(DAY)
    }
}

const DAY: i64 = 86_400;
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
/// A Date field's value is looked at up to here; the longest sensible one has 50 octets and a comment.
const DATE_BYTES_MAX: usize = 256;

/// Reads the value of a Date field: any order of day, month name, year, time and zone, day names and comments ignored,
/// a missing or unknown zone taken for UTC, two-digit years as RFC 5322 section 4.3 says.
pub fn parse(value: &[u8]) -> Option<Moment> {
    let value = value.get(..DATE_BYTES_MAX).unwrap_or(value);
    let mut seen = Seen::default();
    for word in without_comments(value)
        .split(|octet| octet.is_ascii_whitespace() || *octet == b',')
        .filter(|word| !word.is_empty())
    {
        seen.word(std::str::from_utf8(word).ok()?)?;
    }
    let day = Day::from_civil(seen.year?, seen.month?, seen.day?)?;
    let zone_minutes = seen.zone_minutes.unwrap_or(0);
    let secs = day.0 * DAY + seen.time_secs.unwrap_or(0) - i64::from(zone_minutes) * 60;
    Some(Moment { secs, zone_minutes })
}

#[derive(Default)]
struct Seen {
    day: Option<i64>,
    month: Option<i64>,
    year: Option<i64>,
    time_secs: Option<i64>,
    zone_minutes: Option<i32>,
}

impl Seen {
    /// One word of a date; None where it spoils the date.
    fn word(&mut self, word: &str) -> Option<()> {
        let first = word.as_bytes().first().copied()?;
        if word.contains(':') {
            self.time_secs = self.time_secs.or(Some(time_of_day(word)?));
        } else if matches!(first, b'+' | b'-') && self.time_secs.is_some() {
            self.zone_minutes = self.zone_minutes.or(numeric_zone(word));
        } else if first.is_ascii_digit() {
            return self.digits(word);
        } else if let Some(month) = month_number(word) {
            self.month = self.month.or(Some(month));
        } else if self.time_secs.is_some() {
            self.letters(word);
        }
        Some(())
    }

    fn digits(&mut self, word: &str) -> Option<()> {
        if let Some((day, rest)) = word.split_once('-') {
            // 1-Jan-2024, 1-Jan-99
            let (month, year) = rest.split_once('-')?;
            self.day = Some(number(day)?);
            self.month = Some(month_number(month)?);
            self.year = Some(full_year(year)?);
        } else if self.day.is_none() && word.len() <= 2 {
            self.day = Some(number(word)?);
        } else if self.year.is_none() {
            self.year = Some(full_year(word)?);
        }
        Some(())
    }

    fn letters(&mut self, word: &str) {
        let hours = self.time_secs.unwrap_or(0) / 3600;
        match word.to_ascii_uppercase().as_str() {
            "PM" if hours < 12 => self.time_secs = self.time_secs.map(|secs| secs + DAY / 2),
            "AM" if hours == 12 => self.time_secs = self.time_secs.map(|secs| secs - DAY / 2),
            name => self.zone_minutes = self.zone_minutes.or(named_zone(name)),
        }
    }
}

/// `hh:mm`, `hh:mm:ss`, `hh:mm:ss.fraction`; a leap second is the next second.
fn time_of_day(text: &str) -> Option<i64> {
    let mut halves = text.split(':');
    let hour = number(halves.next()?)?;
    let minute = number(halves.next()?)?;
    let second = match halves.next() {
        Some(second) => number(second.split('.').next()?)?,
        None => 0,
    };
    let right = hour < 24 && minute < 60 && second <= 60 && halves.next().is_none();
    right.then_some(hour * 3600 + minute * 60 + second)
}

fn numeric_zone(text: &str) -> Option<i32> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits = text.get(1..)?;
    let value = i32::try_from(number(digits)?).ok()?;
    let right = digits.len() == 4 && value % 100 < 60 && value < 2400;
    right.then_some(sign * (value / 100 * 60 + value % 100))
}

/// RFC 5322 section 4.3; the military letters count as UTC, for they were used with both signs.
fn named_zone(name: &str) -> Option<i32> {
    let hours = match name {
        "UT" | "UTC" | "GMT" | "Z" => 0,
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        "CET" | "MET" | "BST" | "WEST" => 1,
        "CEST" | "MEST" | "EET" => 2,
        "JST" => 9,
        _ => return None,
    };
    Some(hours * 60)
}

/// RFC 5322 section 4.3: 00-49 are 2000-2049, 50-99 are 1950-1999, three digits count from 1900.
fn full_year(text: &str) -> Option<i64> {
    let year = number(text)?;
    match text.len() {
        2 if year < 50 => Some(year + 2000),
        2 | 3 => Some(year + 1900),
        4 => Some(year),
        _ => None,
    }
}

fn month_number(text: &str) -> Option<i64> {
    let start = text.get(..3)?;
    let index = MONTHS
        .iter()
        .position(|month| month.eq_ignore_ascii_case(start))?;
    let letters = text
        .bytes()
        .all(|octet| octet.is_ascii_alphabetic() || octet == b'.');
    letters.then_some(index as i64 + 1)
}

/// Up to four digits and nothing else.
fn number(text: &str) -> Option<i64> {
    let right = matches!(text.len(), 1..=4) && text.bytes().all(|octet| octet.is_ascii_digit());
    if right { text.parse().ok() } else { None }
}

/// Comments become spaces (RFC 5322 section 3.2.2); one that never ends takes the rest.
fn without_comments(value: &[u8]) -> Vec<u8> {
    let mut depth = 0usize;
    let mut plain = Vec::with_capacity(value.len());
    for &octet in value {
        match octet {
            b'(' => depth += 1,
            b')' if depth > 0 => depth -= 1,
            _ if depth == 0 => {
                plain.push(octet);
                continue;
            }
            _ => {}
        }
        plain.push(b' ');
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secs(text: &str) -> Option<i64> {
        parse(text.as_bytes()).map(|moment| moment.secs)
    }

    #[test]
    fn reads_what_mail_writes() {
        let expected = Some(1_000_000_000); // 9 Sep 2001 01:46:40 UTC
        for text in [
            "Sun, 9 Sep 2001 01:46:40 +0000",
            " Sun, 09 Sep 2001\r\n 03:46:40 +0200 (CEST)",
            "9 Sep 01 01:46:40 GMT",
            "Sat, 8 Sep 2001 21:46:40 EDT",
            "Sun Sep  9 01:46:40 2001",
            "Sun Sep 9 01:46:40 UTC 2001",
            "Sunday, 09-Sep-01 01:46:40 GMT",
            "Sun,9 September 101 01:46:40",
            "Sep 9 2001 1:46:40 AM",
            "(x) 9 (y(z)) Sep 2001 01:46:40 Z",
        ] {
            assert_eq!(secs(text), expected, "{text}");
        }
        assert_eq!(secs("9 Sep 2001 01:46"), Some(999_999_960));
        assert_eq!(secs("29 Feb 1900 00:00:00 +0000"), None);
        for text in [
            "",
            "yesterday",
            "31 Feb 2001 00:00:00 +0000",
            "9 Sep 2001 25:00:00 +0000",
            "\u{e9}",
        ] {
            assert_eq!(secs(text), None, "{text}");
        }
    }

    #[test]
    fn the_day_is_the_writers() {
        let moment = parse(b"Mon, 1 Jan 2024 00:30:00 +0200").unwrap();
        assert_eq!(moment.day_secs(), 1_704_067_200); // 1 Jan 2024
        assert_eq!(moment.zone_minutes, 120);
    }

    proptest! {
        #[test]
        fn never_panics(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&text);
        }
    }
}
