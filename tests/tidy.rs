//! Style as a test: the walls between the rooms, sizes, names, licences. Each check says what to do.

#[path = "tidy/licences.rs"]
mod licences;
#[path = "tidy/sources.rs"]
mod sources;

use sources::{code, is_word, room, rooms_named, root, sources, tracked, without_texts};
use std::collections::BTreeSet;
use std::fs;

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

/// Names that say nothing.
const EMPTY_NAMES: &[&str] = &[
    "util", "utils", "helper", "helpers", "manager", "handler", "common", "misc",
];

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

#[test]
fn the_checks_can_fail() {
    let named = rooms_named(
        "use crate::{store::{Change, Done}, wire::address};\nlet x = crate::net::conn::Conn;",
    );
    assert_eq!(named, ["net", "store", "wire"].map(str::to_string).into());
    assert_eq!(
        code(
            "#[cfg(test)]\nmod tests;\nlet a = \"crate::store\"; // crate::net\n#[cfg(test)]\nmod x {\n crate::run\n}\nlet b"
        ),
        "\n\nlet a = ; \n\n\n\n\nlet b\n"
    );
    assert_eq!(room("src/wire/imap/flag.rs"), "wire");
    assert_eq!(room("src/limits.rs"), "limits");
}
