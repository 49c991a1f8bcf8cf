//! Dates: RFC 5322 section 3.3 with the obsolete forms of 4.3 and what real mail writes, and the dates of IMAP
//! (RFC 3501 section 9: date, date-time). Everything becomes seconds since 1970, UTC.

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
    let days = days_since_1970(seen.year?, seen.month?, seen.day?)?;
    let zone_minutes = seen.zone_minutes.unwrap_or(0);
    let secs = days * DAY + seen.time_secs.unwrap_or(0) - i64::from(zone_minutes) * 60;
    Some(Moment { secs, zone_minutes })
}

/// Reads IMAP's `date-time` without its quotes: `" 1-Jan-2024 12:30:00 +0100"`.
pub fn parse_date_time(text: &str) -> Option<Moment> {
    let (date, rest) = text.trim_start_matches(' ').split_once(' ')?;
    let (time, zone) = rest.split_once(' ')?;
    let zone_minutes = numeric_zone(zone)?;
    let secs = parse_date(date)? + time_of_day(time)? - i64::from(zone_minutes) * 60;
    Some(Moment { secs, zone_minutes })
}

/// Reads IMAP's `date` without quotes, `1-Feb-2024`: its midnight as if that were UTC.
pub fn parse_date(text: &str) -> Option<i64> {
    let mut halves = text.splitn(3, '-');
    let (day, month, year) = (halves.next()?, halves.next()?, halves.next()?);
    if year.len() != 4 || day.is_empty() || day.len() > 2 {
        return None;
    }
    days_since_1970(number(year)?, month_number(month)?, number(day)?).map(|days| days * DAY)
}

/// Writes IMAP's `date-time` in UTC, without its quotes: `"01-Jan-2024 11:30:00 +0000"`. Years are kept in 1..=9999.
pub fn format_date_time(secs: i64) -> String {
    let (year, month, day) = civil(secs.div_euclid(DAY));
    let second = secs.rem_euclid(DAY);
    let name = MONTHS.get(month as usize - 1).unwrap_or(&"Jan");
    format!(
        "{day:02}-{name}-{:04} {:02}:{:02}:{:02} +0000",
        year.clamp(1, 9999),
        second / 3600,
        second / 60 % 60,
        second % 60
    )
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

/// Days from 1970-01-01 to a date of the Gregorian calendar, reckoned in years that begin in March (so that the leap
/// day is the last one). None where there is no such day.
fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let month_days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=month_days).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// The inverse of [`days_since_1970`].
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
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
        assert_eq!(Some(moment.day_secs()), parse_date("1-Jan-2024"));
        assert_eq!(moment.zone_minutes, 120);
    }

    #[test]
    fn imap_dates() {
        assert_eq!(parse_date("1-Jan-1970"), Some(0));
        assert_eq!(parse_date("30-Feb-1970"), None);
        assert_eq!(parse_date("1-Jan-70"), None);
        let moment = parse_date_time(" 1-Jan-1970 01:00:00 +0100").unwrap();
        assert_eq!((moment.secs, moment.zone_minutes), (0, 60));
        assert_eq!(parse_date_time("01-Jan-1970 01:00:00"), None);
        assert_eq!(format_date_time(0), "01-Jan-1970 00:00:00 +0000");
    }

    proptest! {
        #[test]
        fn date_times_round_trip(secs in -60_000_000_000i64..250_000_000_000) {
            prop_assert_eq!(parse_date_time(&format_date_time(secs)).map(|m| m.secs), Some(secs));
        }

        #[test]
        fn never_panics(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&text);
        }
    }
}
