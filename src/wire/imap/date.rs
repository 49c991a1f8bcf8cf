//! Dates (RFC 3501 section 9): `date` of SEARCH as days, `date-time` of APPEND and INTERNALDATE as seconds since 1970.

use super::scan::{Parsed, Reject, Scan};

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const DAY_SECS: i64 = 86_400;

/// A civil day in days since 1970-01-01.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Day(pub i64);

impl Day {
    /// The day (UTC) of a moment.
    pub fn of_secs(secs: i64) -> Day {
        Day(secs.div_euclid(DAY_SECS))
    }
    /// A day of the Gregorian calendar, months and days from 1; None where the month has no such day.
    pub fn from_civil(year: i64, month: i64, day: i64) -> Option<Day> {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = match month {
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => 31,
        };
        if !(1..=length).contains(&day) {
            return None;
        }
        // Years begin in March here, so that the leap day is the last one.
        let y = if month <= 2 { year - 1 } else { year };
        let (era, month) = (y.div_euclid(400), (month + 9) % 12);
        let of_era = y.rem_euclid(400);
        let of_year = (153 * month + 2) / 5 + day - 1;
        Some(Day(era * 146_097 + of_era * 365 + of_era / 4
            - of_era / 100
            + of_year
            - 719_468))
    }
    fn to_civil(self) -> (i64, usize, i64) {
        let z = self.0 + 719_468;
        let (era, day) = (z.div_euclid(146_097), z.rem_euclid(146_097));
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        (
            year + era * 400 + i64::from(month <= 2),
            month as usize,
            day,
        )
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (year, month, day) = self.to_civil();
        write!(
            f,
            "{day:02}-{}-{year:04}",
            MONTHS.get(month.wrapping_sub(1)).unwrap_or(&"Jan")
        )
    }
}

/// `date-time` with its quotes, in UTC.
pub fn date_time(secs: i64) -> String {
    let of_day = secs.rem_euclid(DAY_SECS);
    format!(
        "\"{} {:02}:{:02}:{:02} +0000\"",
        Day::of_secs(secs),
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    )
}

impl Scan<'_> {
    /// `date`: `1-Feb-1994`, with or without quotes.
    pub fn date(&mut self) -> Parsed<Day> {
        let quoted = self.take(b'"');
        let day = self.day()?;
        if quoted {
            self.expect(b'"', "date does not end")?;
        }
        Ok(day)
    }
    /// `date-time`: `"17-Jul-1996 02:44:25 -0700"`, seconds since 1970.
    pub fn date_time(&mut self) -> Parsed<i64> {
        const BAD: Reject = Reject::Bad("date-time expected");
        self.expect(b'"', "date-time expected")?;
        self.take(b' ');
        let day = self.day()?;
        self.expect(b' ', "date-time expected")?;
        let hour = self.two_digits(23)?;
        self.expect(b':', "date-time expected")?;
        let minute = self.two_digits(59)?;
        self.expect(b':', "date-time expected")?;
        let second = self.two_digits(60)?;
        self.expect(b' ', "date-time expected")?;
        let sign = if self.take(b'-') {
            -1
        } else if self.take(b'+') {
            1
        } else {
            return Err(BAD);
        };
        let zone = self.two_digits(23)? * 3600 + self.two_digits(59)? * 60;
        self.expect(b'"', "date-time expected")?;
        Ok(day.0 * DAY_SECS + hour * 3600 + minute * 60 + second - sign * zone)
    }

    fn day(&mut self) -> Parsed<Day> {
        const BAD: Reject = Reject::Bad("date expected");
        let day = self.digits(1, 2)?;
        self.expect(b'-', "date expected")?;
        let name = self.take_while(|c| c.is_ascii_alphabetic());
        let month = MONTHS
            .iter()
            .position(|m| m.as_bytes().eq_ignore_ascii_case(name))
            .ok_or(BAD)?;
        self.expect(b'-', "date expected")?;
        let year = self.digits(4, 4)?;
        Day::from_civil(year, month as i64 + 1, day).ok_or(BAD)
    }
    fn two_digits(&mut self, largest: i64) -> Parsed<i64> {
        let rest = self.rest();
        let digits = rest.get(..2).filter(|d| d.iter().all(u8::is_ascii_digit));
        let value = digits.map(|d| d.iter().fold(0, |n, c| n * 10 + i64::from(c - b'0')));
        let value = value
            .filter(|v| *v <= largest)
            .ok_or(Reject::Bad("date-time expected"))?;
        for c in digits.unwrap_or_default() {
            self.take(*c);
        }
        Ok(value)
    }
    fn digits(&mut self, least: usize, most: usize) -> Parsed<i64> {
        let digits = self.take_while(|c| c.is_ascii_digit());
        if !(least..=most).contains(&digits.len()) {
            return Err(Reject::Bad("date expected"));
        }
        Ok(digits.iter().fold(0, |n, c| n * 10 + i64::from(c - b'0')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_moments() {
        assert_eq!(
            Scan::new(b"\"17-Jul-1996 02:44:25 -0700\"").date_time(),
            Ok(837_596_665)
        );
        assert_eq!(
            Scan::new(b"\" 1-Jan-1970 00:00:00 +0000\"").date_time(),
            Ok(0)
        );
        assert_eq!(Scan::new(b"1-feb-1994").date(), Ok(Day(8797)));
        assert_eq!(Scan::new(b"\"29-Feb-2000\"").date(), Ok(Day(11_016)));
        assert_eq!(date_time(837_596_665), "\"17-Jul-1996 09:44:25 +0000\"");
    }

    #[test]
    fn impossible_dates_are_refused() {
        for bad in [
            "29-Feb-1900",
            "0-Jan-2000",
            "32-Jan-2000",
            "31-Apr-2000",
            "1-Foo-2000",
            "1-Jan-20000",
            "1-Jan-200",
            "001-Jan-2000",
            "\"1-Jan-2000",
        ] {
            assert!(Scan::new(bad.as_bytes()).date().is_err(), "{bad}");
        }
        for bad in [
            "\"17-Jul-1996 24:00:00 +0000\"",
            "\"17-Jul-1996 02:44:25\"",
            "17-Jul-1996 02:44:25 +0000",
            "\"17-Jul-1996 02:60:25 +0000\"",
            "\"17-Jul-1996 2:44:25 +0000\"",
        ] {
            assert!(Scan::new(bad.as_bytes()).date_time().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(secs in -62_000_000_000i64..250_000_000_000) {
            prop_assert_eq!(Scan::new(date_time(secs).as_bytes()).date_time(), Ok(secs));
        }
    }
}
