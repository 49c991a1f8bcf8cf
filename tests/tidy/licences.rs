//! What the dependencies ask of whoever passes the binary on.

use super::fail_if_any;
use super::sources::root;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

/// Licences that ask for no more than a notice.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    // The list of certificate authorities, as data: its text goes along, nothing else.
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

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
fn expressions_are_read_as_spdx_says() {
    assert!(permissive("MIT OR GPL-3.0-only"));
    assert!(permissive("(Apache-2.0 OR MIT) AND BSD-3-Clause"));
    assert!(permissive("MIT/Apache-2.0"));
    assert!(permissive("Apache-2.0 WITH LLVM-exception OR MPL-2.0"));
    assert!(!permissive("MIT AND GPL-3.0-only"));
    assert!(!permissive("MPL-2.0"));
    assert!(!permissive(""));
}
