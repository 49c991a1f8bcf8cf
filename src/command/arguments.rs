//! The command line of the verbs that work on a box: words, their own options, and `--config`, `--data`, `--json`.

use super::Failure;
use lexopt::Arg::{Long, Short, Value};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Which options a verb knows beside the common ones.
pub struct Known {
    /// Those that are there or not.
    pub plain: &'static [&'static str],
    /// Those with a value.
    pub valued: &'static [&'static str],
}

/// A parsed command line.
#[derive(Default, Debug)]
pub struct Arguments {
    /// What is no option, in order.
    pub words: Vec<String>,
    /// `--config FILE`.
    pub config: Option<PathBuf>,
    /// `--data DIR`.
    pub data: Option<PathBuf>,
    /// `--json`.
    pub json: bool,
    options: BTreeMap<&'static str, String>,
}

impl Arguments {
    /// Parses; what is not known is a usage failure.
    pub fn parse(mut parser: lexopt::Parser, known: &Known) -> Result<Arguments, Failure> {
        let mut arguments = Arguments::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Value(word) => arguments.words.push(text(word)?),
                Long("config") => arguments.config = Some(PathBuf::from(parser.value()?)),
                Long("data") => arguments.data = Some(PathBuf::from(parser.value()?)),
                Long("json") => arguments.json = true,
                Long(name) => match known.find(name) {
                    Some((name, true)) => {
                        let value = text(parser.value()?)?;
                        arguments.options.insert(name, value);
                    }
                    Some((name, false)) => {
                        arguments.options.insert(name, String::new());
                    }
                    None => return Err(Long(name).unexpected().into()),
                },
                Short(letter) => return Err(Short(letter).unexpected().into()),
            }
        }
        if arguments.config.is_some() && arguments.data.is_some() {
            return Err(Failure::usage(
                "--config names the data directory already: give one of --config and --data",
            ));
        }
        Ok(arguments)
    }

    /// Whether an option was given.
    pub fn has(&self, name: &str) -> bool {
        self.options.contains_key(name)
    }

    /// The value of an option.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }

    /// The words as slices, to be matched.
    pub fn words(&self) -> Vec<&str> {
        self.words.iter().map(String::as_str).collect()
    }
}

impl Known {
    fn find(&self, name: &str) -> Option<(&'static str, bool)> {
        let plain = self.plain.iter().map(|known| (*known, false));
        let valued = self.valued.iter().map(|known| (*known, true));
        plain.chain(valued).find(|(known, _)| *known == name)
    }
}

/// What to say when the words make no sense: the first line of `help` that fits, or all of it.
pub fn misunderstood(verb: &str, words: &[&str], help: &str) -> Failure {
    let Some(action) = words.first() else {
        return Failure::usage(help);
    };
    let begins = format!("pillarbox {verb} {action}");
    let fitting: Vec<&str> = help
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.find("pillarbox ").and_then(|at| line.get(at..)))
        .filter(|line| line.starts_with(&begins))
        .collect();
    if fitting.is_empty() {
        return Failure::usage(format!(
            "`{verb} {action}` is not known; `pillarbox {verb} --help` shows what is"
        ));
    }
    Failure::usage(format!("usage: {}", fitting.join("\n       ")))
}

/// Octets as a person writes them: `500M`, `2G`, `1048576`; None for `none`.
pub fn size(text: &str) -> Result<Option<u64>, Failure> {
    if text == "none" {
        return Ok(None);
    }
    let wrong = || {
        Failure::usage(format!(
            "{text:?} is no size: write octets, or a number with K, M or G (`500M`), or `none`"
        ))
    };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text.get(digits.len()..).unwrap_or_default() {
        "" => 1,
        "K" | "k" => 1 << 10,
        "M" | "m" => 1 << 20,
        "G" | "g" => 1 << 30,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(unit).map(Some).ok_or_else(wrong)
}

fn text(word: std::ffi::OsString) -> Result<String, Failure> {
    word.into_string()
        .map_err(|word| Failure::usage(format!("{word:?} is not UTF-8")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: Known = Known {
        plain: &["generate"],
        valued: &["mirror"],
    };

    fn parse(line: &str) -> Result<Arguments, Failure> {
        Arguments::parse(lexopt::Parser::from_args(line.split_whitespace()), &KNOWN)
    }

    #[test]
    fn words_and_options_in_any_order() {
        let got = parse("add --mirror a.test b.test --json --data=/x --generate").unwrap();
        assert_eq!(got.words(), ["add", "b.test"]);
        assert_eq!(got.value("mirror"), Some("a.test"));
        assert!(got.json && got.has("generate") && !got.has("other"));
        assert_eq!(got.data, Some(PathBuf::from("/x")));
        for wrong in [
            "--mirror",
            "--nothing",
            "-x",
            "--generate=1",
            "--config a --data b",
        ] {
            assert_eq!(parse(wrong).unwrap_err().code, 2, "{wrong}");
        }
    }

    #[test]
    fn sizes() {
        for (text, octets) in [
            ("0", 0),
            ("12", 12),
            ("2K", 2048),
            ("500M", 500 << 20),
            ("1g", 1 << 30),
        ] {
            assert_eq!(size(text).unwrap(), Some(octets), "{text}");
        }
        assert_eq!(size("none").unwrap(), None);
        for wrong in ["", "M", "-1", "1.5G", "2T", "99999999999999999G"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_fitting_line_of_the_help_is_shown() {
        let help = "usage: pillarbox x add A\n       pillarbox x remove B\n\nmore\n";
        assert_eq!(
            misunderstood("x", &["remove"], help).text,
            "usage: pillarbox x remove B"
        );
        assert!(misunderstood("x", &["what"], help).text.contains("--help"));
        assert_eq!(misunderstood("x", &[], help).text, help);
    }
}
