//! The log: one line per event to stderr, with a time unless systemd's journal adds its own.
//!
//! Of each place in the source `LOG_LINES_PER_MINUTE_MAX` lines a minute are written; the rest is counted and said in
//! one line when the minute is over. So nobody outside can fill the disk with log lines, whatever they provoke.

use crate::limits::{LOG_KEYS_MAX, LOG_LINES_PER_MINUTE_MAX};
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

struct Journal {
    stamp: Stamp,
    level: LevelFilter,
    caps: Mutex<Caps>,
}

/// Whether we write the time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stamp {
    Ours,
    Journald,
}

/// Starts logging; later calls change nothing. `PILLARBOX_LOG` may say error, warn, info (the default) or debug.
pub fn start() {
    let wish = std::env::var("PILLARBOX_LOG").unwrap_or_default();
    let level = wish.parse().unwrap_or(LevelFilter::Info);
    // systemd sets it when stderr is connected to the journal.
    let stamp = match std::env::var_os("JOURNAL_STREAM") {
        Some(_) => Stamp::Journald,
        None => Stamp::Ours,
    };
    static JOURNAL: OnceLock<Journal> = OnceLock::new();
    let journal = JOURNAL.get_or_init(|| Journal {
        stamp,
        level,
        caps: Mutex::default(),
    });
    if log::set_logger(journal).is_ok() {
        log::set_max_level(level);
    }
}

impl Log for Journal {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // The inner life of libraries is no event of ours.
        metadata.level() <= self.level && metadata.target().starts_with("pillarbox")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut text = String::with_capacity(160);
        let place = (
            record.module_path_static().unwrap_or_default(),
            record.line(),
        );
        let admit = self
            .caps
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .admit(place, Instant::now());
        match admit {
            Admit::Drop => return,
            Admit::Write => {}
            Admit::WriteAfter(missed) => {
                self.begin(&mut text, Level::Warn);
                let _ = writeln!(
                    text,
                    "{missed} more lines like the following were left out in a minute"
                );
            }
        }
        self.begin(&mut text, record.level());
        let from = text.len();
        let _ = write!(text, "{}", record.args());
        one_line(&mut text, from);
        text.push('\n');
        // Nobody can be told that stderr is gone.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }

    fn flush(&self) {}
}

impl Journal {
    fn begin(&self, text: &mut String, level: Level) {
        match self.stamp {
            // sd-daemon(3): the journal reads the priority from <N>.
            Stamp::Journald => {
                let priority = match level {
                    Level::Error => 3,
                    Level::Warn => 4,
                    Level::Info => 6,
                    Level::Debug | Level::Trace => 7,
                };
                let _ = write!(text, "<{priority}>");
            }
            Stamp::Ours => {
                let now = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                let _ = write!(text, "{} ", utc(now.as_secs()));
                if level <= Level::Warn {
                    let _ = write!(text, "{}: ", level.as_str().to_lowercase());
                }
            }
        }
    }
}

/// A peer's text may hold line ends and terminal commands; a log line has neither.
fn one_line(text: &mut String, from: usize) {
    if text
        .get(from..)
        .is_some_and(|tail| tail.chars().any(char::is_control))
    {
        let tail: String = text.split_off(from);
        text.extend(tail.chars().map(|c| if c.is_control() { ' ' } else { c }));
    }
}

/// `2026-11-20T14:03:11Z`
fn utc(secs: u64) -> String {
    let (days, time) = (secs / 86_400, secs % 86_400);
    // Civil calendar from days since 1970; the year is counted from March so that the leap day is its last.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[derive(PartialEq, Eq, Debug)]
enum Admit {
    Write,
    WriteAfter(u32),
    Drop,
}

/// Module and line.
type Place = (&'static str, Option<u32>);

#[derive(Default)]
struct Caps {
    keys: Vec<Cap>,
}

struct Cap {
    place: Place,
    minute_began: Instant,
    lines: u32,
}

impl Caps {
    fn admit(&mut self, place: Place, now: Instant) -> Admit {
        let Some(cap) = self.keys.iter_mut().find(|cap| cap.place == place) else {
            if self.keys.len() >= LOG_KEYS_MAX {
                return Admit::Drop;
            }
            self.keys.push(Cap {
                place,
                minute_began: now,
                lines: 1,
            });
            return Admit::Write;
        };
        if now.duration_since(cap.minute_began).as_secs() >= 60 {
            let missed = cap.lines.saturating_sub(LOG_LINES_PER_MINUTE_MAX);
            (cap.minute_began, cap.lines) = (now, 1);
            return match missed {
                0 => Admit::Write,
                missed => Admit::WriteAfter(missed),
            };
        }
        cap.lines = cap.lines.saturating_add(1);
        match cap.lines <= LOG_LINES_PER_MINUTE_MAX {
            true => Admit::Write,
            false => Admit::Drop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_place_gets_so_many_lines_a_minute() {
        let mut caps = Caps::default();
        let start = Instant::now();
        for _ in 0..LOG_LINES_PER_MINUTE_MAX {
            assert_eq!(caps.admit(("a", Some(1)), start), Admit::Write);
        }
        assert_eq!(caps.admit(("a", Some(1)), start), Admit::Drop);
        assert_eq!(caps.admit(("a", Some(2)), start), Admit::Write);
        let later = start + Duration::from_secs(60);
        assert_eq!(caps.admit(("a", Some(1)), later), Admit::WriteAfter(1));
        assert_eq!(caps.admit(("a", Some(1)), later), Admit::Write);
    }

    #[test]
    fn keys_are_bounded() {
        let mut caps = Caps::default();
        for n in 0..LOG_KEYS_MAX {
            assert_eq!(
                caps.admit(("a", Some(n as u32)), Instant::now()),
                Admit::Write
            );
        }
        assert_eq!(caps.admit(("b", None), Instant::now()), Admit::Drop);
    }

    #[test]
    fn a_line_is_one_line() {
        let mut text = "12:00 EHLO a\r\nforged\x1b[2J".to_string();
        one_line(&mut text, 6);
        assert_eq!(text, "12:00 EHLO a  forged [2J");
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(utc(1_795_186_991), "2026-11-20T15:03:11Z");
    }
}
