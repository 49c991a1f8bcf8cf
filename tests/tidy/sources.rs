//! The repository's files as text, and which words in them are code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Rust files below a directory, with their text; paths relative to the repository.
pub fn sources(directory: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![root().join(directory)];
    while let Some(next) = open.pop() {
        let Ok(entries) = fs::read_dir(&next) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") && !path.ends_with("node_modules") {
                open.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let name = path
                    .strip_prefix(root())
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_string();
                found.insert(name, fs::read_to_string(path).unwrap());
            }
        }
    }
    found
}

/// The code without what is for tests alone, without comments and with texts emptied, so that words are code.
pub fn code(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("#[cfg(test)]") {
            // One item for tests, whole; what is indented belongs to the code around it. Its lines stay, empty.
            let mut before_item = true;
            for next in std::iter::once(line).chain(lines.by_ref()) {
                kept.push('\n');
                let one_line = next.ends_with(';') || next.ends_with('}');
                if matches!(next, "}" | "};")
                    || (before_item && !next.starts_with("#[") && one_line)
                {
                    break;
                }
                before_item &= next.starts_with("#[");
            }
            continue;
        }
        let line = without_texts(line);
        kept.push_str(line.split("//").next().unwrap_or_default());
        kept.push('\n');
    }
    kept
}

pub fn without_texts(line: &str) -> String {
    let (mut kept, mut inside, mut escaped) = (String::new(), false, false);
    for c in line.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if inside => escaped = true,
            '"' => inside = !inside,
            _ if !inside => kept.push(c),
            _ => {}
        }
    }
    kept
}

/// `src/wire/imap/flag.rs` -> `wire`
pub fn room(file: &str) -> &str {
    let inner = file.strip_prefix("src/").unwrap_or(file);
    inner.split(['/', '.']).next().unwrap_or(inner)
}

/// Rooms that a code names by `crate::ROOM` or `use crate::{ROOM::..., ROOM}`.
pub fn rooms_named(code: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (at, word) in code.match_indices("crate::") {
        let rest = &code[at + word.len()..];
        match rest.strip_prefix('{') {
            Some(list) => named.extend(first_words(list)),
            None => named.extend(rest.split(|c: char| !is_word(c)).next().map(str::to_string)),
        }
    }
    named
}

/// The first word of each member of a list of paths, up to its closing bracket.
fn first_words(list: &str) -> Vec<String> {
    let (mut depth, mut words, mut fresh) = (0, Vec::new(), true);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            c if fresh && is_word(c) => {
                fresh = false;
                words.extend(
                    list[at..]
                        .split(|c: char| !is_word(c))
                        .next()
                        .map(str::to_string),
                );
            }
            _ => {}
        }
    }
    words
}

pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Files under version control; without git (an unpacked archive) the Rust sources.
pub fn tracked() -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root())
        .output();
    match listed {
        Ok(output) if output.status.success() => output
            .stdout
            .split(|b| *b == 0)
            .filter(|name| !name.is_empty() && !name.starts_with(b"tests/fuzz/corpus"))
            .map(|name| root().join(String::from_utf8_lossy(name).as_ref()))
            .collect(),
        _ => sources("src")
            .keys()
            .map(|name| root().join(name))
            .collect(),
    }
}
