//! Every file of tests/fuzz/corpus through the property of its fuzz target, and seeded mutations of them: the fuzzers'
//! properties hold in every run of the tests, without a fuzzer. `FUZZ_ROUNDS` (mutations a target) makes it longer,
//! `FUZZ_SEED` different.

#[path = "fuzz/targets.rs"]
mod targets;

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::{env, fs};
use targets::{TARGETS, Target};

/// Mutations a target, unless FUZZ_ROUNDS says otherwise.
const ROUNDS: u64 = 2_000;
/// Longest mutated input, octets.
const INPUT_BYTES_MAX: usize = 8_192;

#[test]
fn the_corpus_holds() {
    for &target in TARGETS {
        let corpus = corpus(target.0);
        assert!(
            !corpus.is_empty(),
            "tests/fuzz/corpus/{} has no files",
            target.0
        );
        corpus.iter().for_each(|input| holds(target, input));
    }
}

#[test]
fn mutations_of_the_corpus_hold() {
    let number = |name: &str| {
        env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let words = dictionary();
    for &target in TARGETS {
        let corpus = corpus(target.0);
        let mut dice = Dice(number("FUZZ_SEED").unwrap_or(1) | 1 << 63);
        for _ in 0..number("FUZZ_ROUNDS").unwrap_or(ROUNDS) {
            holds(target, &mutate(&corpus, &words, &mut dice));
        }
    }
}

fn holds((name, property): Target, input: &[u8]) {
    if catch_unwind(|| property(input)).is_err() {
        let shown: String = input.iter().map(|octet| format!("{octet:02x}")).collect();
        panic!("target {name} fails on the octets {shown}");
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    files(&root().join("tests/fuzz/corpus").join(name))
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    paths.sort();
    paths
        .iter()
        .map(|path| fs::read(path).expect("a readable file"))
        .collect()
}

/// Words that mean something to a parser: our own, and those of the shared dictionaries where they are.
fn dictionary() -> Vec<Vec<u8>> {
    let own: [&[u8]; 26] = [
        b"\r\n",
        b"\n",
        b"\r",
        b"--",
        b"--b",
        b"--b--\r\n",
        b"\r\n\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n",
        b"Content-Type: message/rfc822\r\n\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"; charset=utf-16",
        b"=?utf-8?q?",
        b"=?iso-2022-jp?b?",
        b"?=",
        b"=\r\n",
        b"==",
        b"(",
        b")",
        b"\"",
        b"\\",
        b"<@a,@b:c@d>",
        b"a:b@c;",
        b"{3}\r\n",
        b"{3+}\r\n",
        b"\xe2\x84\xaa",
        b"\0",
    ];
    let shared = env::var_os("PILLARBOX_TESTDATA")
        .map_or_else(|| root().join("../shared/testdata"), PathBuf::from);
    let mut words: Vec<Vec<u8>> = own.iter().map(|word| word.to_vec()).collect();
    for file in files(&shared.join("fuzz")) {
        words.extend(file.split(|&octet| octet == b'\n').filter_map(entry));
    }
    words
}

/// One line of a dictionary: `"text"` or `name="text"` with `\xNN`, `\\` and `\"`.
fn entry(line: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(line).ok()?;
    let text = text.trim().strip_suffix('"')?;
    let mut rest = text
        .split_once('"')
        .filter(|(name, _)| !name.starts_with('#'))?
        .1
        .as_bytes();
    let mut word = Vec::new();
    while let Some((&octet, after)) = rest.split_first() {
        rest = after;
        match (octet, after) {
            (b'\\', [b'x', high, low, after @ ..]) => {
                let digits = [*high, *low];
                word.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
                rest = after;
            }
            (b'\\', [escaped, after @ ..]) => {
                word.push(*escaped);
                rest = after;
            }
            _ => word.push(octet),
        }
    }
    Some(word)
}

/// xorshift: the same numbers in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

fn mutate(corpus: &[Vec<u8>], words: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut input = corpus[dice.below(corpus.len())].clone();
    for _ in 0..=dice.below(8) {
        let at = dice.below(input.len() + 1);
        let end = (at + dice.below(40)).min(input.len());
        match dice.below(6) {
            0 => {
                let word = &words[dice.below(words.len())];
                input.splice(at..at, word.iter().copied());
            }
            1 => drop(input.drain(at..end)),
            2 => {
                let piece = input[at..end].repeat(1 + dice.below(20));
                input.splice(at..at, piece);
            }
            3 => {
                let other = &corpus[dice.below(corpus.len())];
                let from = dice.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            4 => input.insert(at, dice.below(256) as u8),
            _ => {
                if let Some(octet) = input.get_mut(at) {
                    *octet ^= 1 << dice.below(8);
                }
            }
        }
    }
    input.truncate(INPUT_BYTES_MAX);
    input
}
