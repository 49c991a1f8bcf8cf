//! Style as a test: the walls between the rooms, sizes, names, licences. Each check says what to do.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What each room may see besides itself. A room that is not listed may see everything.
const WALLS: &[(&str, &[&str])] = &[
    ("limits", &[]),
    ("wire", &["limits"]),
    ("session", &["wire", "limits"]),
    ("policy", &["wire", "limits"]),
    ("store", &["wire", "limits"]),
    ("net", &["wire", "limits"]),
    ("config", &["wire", "limits"]),
    ("appliance", &["wire", "limits", "config"]),
    (
        "run",
        &[
            "wire", "limits", "session", "policy", "store", "net", "config",
        ],
    ),
];

/// Longer than `LINES_MAX`, each with its reason.
const LONG_FILES: &[(&str, &str)] = &[];
const LINES_MAX: usize = 600;

/// Files that exist for `unsafe`, each with its reason.
const UNSAFE_FILES: &[(&str, &str)] = &[
    (
        "src/net/inherit.rs",
        "takes descriptors that the supervisor hands over by number",
    ),
    (
        "src/run/block_memory.rs",
        "the block of memory for password hashing is mapped and unmapped",
    ),
];

/// What stands at the top of the repository besides dot-files.
const TOP: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "board",
    "cross",
    "image",
    "src",
    "tests",
];

/// Licences that ask for no more than a notice.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Names that say nothing.
const EMPTY_NAMES: &[&str] = &[
    "util", "utils", "helper", "helpers", "manager", "handler", "common", "misc",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Rust files below a directory, with their text; paths relative to the repository.
fn sources(directory: &str) -> BTreeMap<String, String> {
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

/// The code before the tests, without comments and with texts emptied, so that words are code.
fn code(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        // A module at the end; an item for tests in the middle of a file counts as code.
        if line.starts_with("#[cfg(test)]")
            && lines.clone().take(2).any(|next| next.contains("mod tests"))
        {
            break;
        }
        let line = without_texts(line);
        kept.push_str(line.split("//").next().unwrap_or_default());
        kept.push('\n');
    }
    kept
}

fn without_texts(line: &str) -> String {
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
fn room(file: &str) -> &str {
    let inner = file.strip_prefix("src/").unwrap_or(file);
    inner.split(['/', '.']).next().unwrap_or(inner)
}

/// Rooms that a code names by `crate::ROOM` or `use crate::{ROOM::..., ROOM}`.
fn rooms_named(code: &str) -> BTreeSet<String> {
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

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn fail_if_any(what_to_do: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{what_to_do}:\n  {}", wrong.join("\n  "));
}

#[test]
fn rooms_see_only_what_they_may() {
    let mut wrong = Vec::new();
    let known: BTreeSet<&str> = WALLS
        .iter()
        .map(|(room, _)| *room)
        .chain(["command"])
        .collect();
    for (file, text) in sources("src") {
        let room = room(&file);
        let Some((_, may)) = WALLS.iter().find(|(name, _)| *name == room) else {
            continue;
        };
        for named in rooms_named(&code(&text)) {
            if known.contains(named.as_str()) && named != room && !may.contains(&named.as_str()) {
                wrong.push(format!("{file} sees {named}"));
            }
        }
    }
    fail_if_any(
        "a wall is crossed; move the code, or pass the value as an argument (see src/lib.rs)",
        &wrong,
    );
}

#[test]
fn pure_rooms_read_no_clock_file_socket_or_chance() {
    let outside = [
        "std::fs",
        "std::net::Tcp",
        "std::net::Udp",
        "tokio::",
        "SystemTime::now",
        "Instant::now",
        "std::env",
        "rusqlite",
        "ring::rand",
        "log::",
    ];
    let mut wrong = Vec::new();
    for (file, text) in sources("src") {
        if !["wire", "session", "policy", "limits"].contains(&room(&file)) {
            continue;
        }
        let code = code(&text);
        wrong.extend(
            outside
                .iter()
                .filter(|word| code.contains(**word))
                .map(|word| format!("{file}: {word}")),
        );
    }
    fail_if_any(
        "pure code gets time, chance and bytes as arguments and never logs",
        &wrong,
    );
}

#[test]
fn only_the_store_touches_the_disk_and_only_net_the_sockets() {
    let mut wrong = Vec::new();
    for (file, text) in sources("src") {
        let code = code(&text);
        let room = room(&file);
        if room != "store" && code.contains("rusqlite") {
            wrong.push(format!("{file}: rusqlite"));
        }
        if room != "net" && code.contains("TcpListener::bind") {
            wrong.push(format!("{file}: TcpListener::bind"));
        }
        if room == "net" && code.contains("std::fs") {
            wrong.push(format!("{file}: std::fs"));
        }
    }
    fail_if_any("this belongs into another room", &wrong);
}

#[test]
fn files_are_short() {
    let mut wrong = Vec::new();
    for (file, text) in sources("src").into_iter().chain(sources("tests")) {
        let (lines, listed) = (
            text.lines().count(),
            LONG_FILES.iter().any(|(name, _)| *name == file),
        );
        if lines > LINES_MAX && !listed {
            wrong.push(format!(
                "{file} has {lines} lines; split it by purity and state"
            ));
        }
        if lines <= LINES_MAX && listed {
            wrong.push(format!("{file} is short now; take it off LONG_FILES"));
        }
    }
    fail_if_any("files have at most 600 lines", &wrong);
}

#[test]
fn every_file_says_what_it_is() {
    let files = sources("src");
    let wrong: Vec<String> = files
        .iter()
        .filter(|(file, text)| !text.starts_with("//! ") && !is_test(file))
        .map(|(file, _)| file.clone())
        .collect();
    fail_if_any(
        "the first line is a `//!` sentence on what the file is for",
        &wrong,
    );
}

/// A module of tests that stands in a file of its own.
fn is_test(file: &str) -> bool {
    file.ends_with("tests.rs") || file.contains("/tests/")
}

#[test]
fn nothing_is_left_unfinished() {
    // Put together here so that this file does not find itself.
    let words: Vec<String> = ["todo", "unimplemented", "dbg"]
        .iter()
        .map(|word| format!("{word}!("))
        .collect();
    let mut wrong = Vec::new();
    for (file, text) in sources("src").into_iter().chain(sources("tests")) {
        for (number, line) in text.lines().enumerate() {
            let line = without_texts(line);
            wrong.extend(
                words
                    .iter()
                    .filter(|word| line.contains(word.as_str()))
                    .map(|word| format!("{file}:{}: {word}", number + 1)),
            );
        }
    }
    fail_if_any("finish it or take it out", &wrong);
}

#[test]
fn code_of_the_server_does_not_unwrap() {
    let mut wrong = Vec::new();
    for (file, text) in sources("src") {
        if is_test(&file) {
            continue;
        }
        for (number, line) in code(&text).lines().enumerate() {
            if line.contains(".unwrap()") {
                wrong.push(format!("{file}:{}", number + 1));
            }
        }
    }
    fail_if_any(
        "unwrap is for tests; answer the error, or `expect` with the reason why it cannot happen",
        &wrong,
    );
}

#[test]
fn unsafe_stands_in_files_of_its_own_with_its_argument() {
    let mut wrong = Vec::new();
    for (file, text) in sources("src") {
        let listed = UNSAFE_FILES.iter().any(|(name, _)| *name == file);
        let used = code(&text)
            .split(|c: char| !is_word(c))
            .any(|word| word == "unsafe");
        match (used, listed) {
            (true, false) => wrong.push(format!(
                "{file} uses unsafe; move it into a file of its own and list it here"
            )),
            (true, true) if !text.contains("SAFETY:") => {
                wrong.push(format!("{file} lacks its `SAFETY:` argument"))
            }
            (false, true) if root().join(&file).exists() => wrong.push(format!(
                "{file} has no unsafe any more; take it off UNSAFE_FILES"
            )),
            _ => {}
        }
    }
    fail_if_any("unsafe", &wrong);
}

#[test]
fn names_say_something() {
    let mut wrong = Vec::new();
    for (file, text) in sources("src") {
        let parts: Vec<&str> = file.split(['/', '.']).collect();
        wrong.extend(
            parts
                .iter()
                .filter(|part| EMPTY_NAMES.contains(part))
                .map(|part| format!("{file}: {part}")),
        );
        for line in code(&text).lines() {
            if line.contains("fn get_") {
                wrong.push(format!("{file}: {}", line.trim()));
            }
        }
    }
    fail_if_any(
        "choose a name that says what it holds or does (no util, no get_)",
        &wrong,
    );
}

#[test]
fn every_limit_is_used() {
    let limits: String = sources("src")
        .iter()
        .filter(|(file, _)| room(file) == "limits")
        .map(|(_, text)| text.as_str())
        .collect();
    let others: String = sources("src")
        .iter()
        .map(|(file, text)| {
            if room(file) == "limits" {
                String::new()
            } else {
                code(text)
            }
        })
        .collect();
    let own = code(&limits);
    let mut wrong = Vec::new();
    for line in own.lines() {
        let Some(rest) = line.trim_start().strip_prefix("pub const ") else {
            continue;
        };
        let name = rest.split(':').next().unwrap_or_default().trim();
        let word = |text: &str| {
            text.split(|c: char| !is_word(c))
                .filter(|w| *w == name)
                .count()
        };
        // In limits itself: its definition, and a use in a sum or an assertion.
        if word(&others) == 0 && word(&own) < 2 {
            wrong.push(name.to_string());
        }
    }
    fail_if_any("a bound that nothing checks is none", &wrong);
}

#[test]
fn the_top_level_is_known() {
    let mut wrong = Vec::new();
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // What a build or a trial leaves behind is ignored by git.
        let ours = TOP.contains(&name.as_str())
            || name.starts_with('.')
            || ["target", "try-box"].contains(&name.as_str());
        if !ours {
            wrong.push(name);
        }
    }
    fail_if_any("the top level holds the rooms and nothing else", &wrong);
}

#[test]
fn no_path_of_one_machine_is_written_down() {
    // Put together here so that this file does not find itself.
    let words: Vec<String> = ["/root", "/work", "/home/", "/tmp/w", "/tmp/t"]
        .iter()
        .map(|start| match start.ends_with('/') {
            true => start.to_string(),
            false => format!("{start}/"),
        })
        .collect();
    let mut wrong = Vec::new();
    for file in tracked() {
        if file.ends_with("tests/tidy.rs") {
            continue;
        }
        // What is no text is a corpus.
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        let shown = file
            .strip_prefix(root())
            .unwrap_or(&file)
            .display()
            .to_string();
        for (number, line) in text.lines().enumerate() {
            wrong.extend(
                words
                    .iter()
                    .filter(|word| line.contains(word.as_str()))
                    .map(|word| format!("{shown}:{}: {word}", number + 1)),
            );
        }
    }
    fail_if_any(
        "paths are relative to the repository, or made by the test",
        &wrong,
    );
}

/// Files under version control; without git (an unpacked archive) the Rust sources.
fn tracked() -> Vec<PathBuf> {
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

#[test]
fn every_dependency_has_its_reason() {
    let text = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let (mut section, mut wrong) = ("", Vec::new());
    for line in text.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section.ends_with("dependencies]") && line.contains(" = ") && !line.contains('#')
        {
            wrong.push(line.to_string());
        }
    }
    fail_if_any(
        "say in a comment on its line why a dependency is worth having",
        &wrong,
    );
}

#[test]
fn dependencies_ask_for_a_notice_at_most() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_string());
    // What is built into the program for Linux, and what builds it: not the tests' own tools.
    let output = Command::new(cargo)
        .args(["metadata", "--locked", "--offline", "--format-version", "1"])
        .args(["--filter-platform", "x86_64-unknown-linux-musl"])
        .current_dir(root())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata: {error}");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages: BTreeMap<&str, &serde_json::Value> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["id"].as_str().unwrap(), p))
        .collect();
    let wrong: Vec<String> = used(&metadata)
        .into_iter()
        .map(|id| packages[id])
        .filter(|package| !permissive(package["license"].as_str().unwrap_or_default()))
        .map(|package| format!("{} {}", package["name"], package["license"]))
        .collect();
    fail_if_any(
        "the licence asks for more than MIT or Apache-2.0 do; use another crate",
        &wrong,
    );
}

/// Packages reached from ours by normal and build dependencies.
fn used(metadata: &serde_json::Value) -> BTreeSet<&str> {
    let nodes: BTreeMap<&str, &serde_json::Value> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (node["id"].as_str().unwrap(), node))
        .collect();
    let mut seen = BTreeSet::new();
    let mut open = vec![metadata["resolve"]["root"].as_str().unwrap()];
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        for dependency in nodes[id]["deps"].as_array().unwrap() {
            let built_in = dependency["dep_kinds"]
                .as_array()
                .unwrap()
                .iter()
                .any(|kind| kind["kind"] != "dev");
            if built_in {
                open.push(dependency["pkg"].as_str().unwrap());
            }
        }
    }
    assert!(seen.len() > 20, "the graph was not read: {seen:?}");
    seen
}

/// Whether an SPDX expression can be satisfied by our list alone: AND needs all, OR one; OR binds weaker.
fn permissive(expression: &str) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let value = either(&words, &mut at);
    value && at == words.len()
}

fn either(words: &[&str], at: &mut usize) -> bool {
    let mut value = both(words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        value |= both(words, at);
    }
    value
}

fn both(words: &[&str], at: &mut usize) -> bool {
    let mut value = one(words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        value &= one(words, at);
    }
    value
}

fn one(words: &[&str], at: &mut usize) -> bool {
    let Some(word) = words.get(*at) else {
        return false;
    };
    *at += 1;
    if *word == "(" {
        let value = either(words, at);
        *at += 1; // )
        return value;
    }
    if words.get(*at) == Some(&"WITH") {
        // An exception only gives more rights.
        *at += 2;
    }
    LICENCES.contains(word)
}

#[test]
fn the_checks_can_fail() {
    assert!(permissive("MIT OR GPL-3.0-only"));
    assert!(permissive("(Apache-2.0 OR MIT) AND BSD-3-Clause"));
    assert!(permissive("MIT/Apache-2.0"));
    assert!(permissive("Apache-2.0 WITH LLVM-exception OR MPL-2.0"));
    assert!(!permissive("MIT AND GPL-3.0-only"));
    assert!(!permissive("MPL-2.0"));
    assert!(!permissive(""));

    let named = rooms_named(
        "use crate::{store::{Change, Done}, wire::address};\nlet x = crate::net::conn::Conn;",
    );
    assert_eq!(named, ["net", "store", "wire"].map(str::to_string).into());
    assert_eq!(
        code("let a = \"crate::store\"; // crate::net\n#[cfg(test)]\nmod tests {\ncrate::run"),
        "let a = ; \n"
    );
    assert_eq!(room("src/wire/imap/flag.rs"), "wire");
    assert_eq!(room("src/limits.rs"), "limits");
}
