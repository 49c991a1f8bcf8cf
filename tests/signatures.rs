//! Signed messages of others: the ARC validation suite and dkimpy's samples, each with the outcome that it must have.

#[path = "authentic/signatures.rs"]
mod signatures;

use pillarbox::policy::authentic::canned::Canned;
use pillarbox::wire::dns::{Answer, Kind, Record};
use saphyr::{LoadableYamlNode, Yaml};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// A file of the shared test data. Without it a line says so; under CI it is a failure.
fn testdata(file: &str) -> Option<Vec<u8>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/testdata");
    let folder = env::var_os("PILLARBOX_TESTDATA").map_or(beside, PathBuf::from);
    let octets = fs::read(folder.join(file)).ok();
    if octets.is_none() {
        let told = format!(
            "no {file} below {}; PILLARBOX_TESTDATA names the folder",
            folder.display()
        );
        assert!(env::var_os("CI").is_none(), "{told}");
        eprintln!("{told}");
    }
    octets
}

fn with_key(dns: Canned, name: &str, record: &[u8]) -> Canned {
    let answer = Answer::insecure(vec![Record::Txt(record.trim_ascii_end().into())]);
    dns.with(name, Kind::Txt, answer)
}

fn crlf(text: &[u8]) -> Vec<u8> {
    let lines: Vec<&[u8]> = text
        .split(|octet| *octet == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .collect();
    lines.join(&b"\r\n"[..])
}

#[test]
fn every_case_of_the_arc_suite() {
    let Some(text) = testdata("arc/validate.yml") else {
        return;
    };
    let text = String::from_utf8(text).expect("UTF-8");
    let (mut cases, mut wrong) = (0, Vec::new());
    for group in Yaml::load_from_str(&text).expect("YAML") {
        let mut dns = Canned::default();
        for (name, record) in pairs(&group, "txt-records") {
            dns = with_key(dns, name, record.as_str().expect("a text").as_bytes());
        }
        for (name, case) in pairs(&group, "tests") {
            cases += 1;
            let message = case["message"].as_str().expect("a message");
            let told = signatures::check(&dns, &crlf(message.as_bytes()), None, 7);
            // Without a result the suite has a chain that its last sealer found broken.
            let expected = case["cv"].as_str().filter(|cv| !cv.is_empty());
            let expected = expected.unwrap_or("Fail").to_ascii_lowercase();
            if told["arc"]["outcome"] != expected
                || (told["arc"]["sets"] == 0) != (expected == "none")
            {
                wrong.push(format!("{name}: {} instead of {expected}", told["arc"]));
            }
        }
    }
    assert_eq!(cases, 105, "cases of the suite");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn pairs<'a>(group: &'a Yaml<'a>, key: &str) -> impl Iterator<Item = (&'a str, &'a Yaml<'a>)> {
    let map = group[key].as_mapping().expect("a mapping");
    map.iter()
        .map(|(name, value)| (name.as_str().expect("a name"), value))
}

const RFC_8463_KEY: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

/// Outcome and reason of each signature of one of dkimpy's samples.
fn sample(file: &str, keys: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
    let read = |file: &str| testdata(&format!("dkim/dkimpy-samples/{file}"));
    let mut dns = Canned::default();
    for (name, file) in keys {
        let record = match *file {
            RFC_8463_KEY => file.as_bytes().to_vec(),
            file => read(file)?,
        };
        dns = with_key(dns, name, &record);
    }
    let told = signatures::check(&dns, &crlf(&read(file)?), None, 11);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let each = told["dkim"].as_array().expect("a list").iter();
    Some(
        each.map(|one| (text(&one["outcome"]), text(&one["reason"])))
            .collect(),
    )
}

#[test]
fn samples_of_dkimpy() {
    let pass = || ("pass".to_string(), String::new());
    let permanent = |reason: &str| ("permerror".to_string(), reason.to_string());
    let ed25519 = ("brisbane._domainkey.football.example.com", RFC_8463_KEY);
    let rsa = |file| ("test._domainkey.football.example.com", file);
    let both = "rfc6376.signed.msg";
    for (file, keys, expected) in [
        (both, vec![ed25519, rsa("test.txt")], vec![pass(), pass()]),
        (
            both,
            vec![rsa("test2.txt")],
            vec![permanent("there is no key"), pass()],
        ),
        (
            "rfc6376.signed.rsa.msg",
            vec![rsa("test.txt")],
            vec![pass()],
        ),
        (
            "rfc6376.signed.rsa.msg",
            vec![rsa("badk.txt")],
            vec![permanent("the key's kind is not known")],
        ),
        (
            "rfc6376.signed.rsa.msg",
            vec![rsa("badversion.txt")],
            vec![permanent("what stands there is no key")],
        ),
        (
            "rfc6376.signed.rsa.msg",
            vec![rsa("test_tlsrpt.txt")],
            vec![permanent("its key is not for mail (s=)")],
        ),
        (
            "ed25519test2.msg",
            vec![("sed._domainkey.test.ex", "eximtest.dns")],
            vec![pass()],
        ),
        (
            "test.message.baddomain",
            vec![],
            vec![permanent("its domain is no domain name")],
        ),
        ("test2.message", vec![], vec![permanent("there is no key")]),
        ("test.message", vec![], vec![]),
    ] {
        if let Some(told) = sample(file, &keys) {
            assert_eq!(told, expected, "{file} {keys:?}");
        }
    }
    // One bit of the key is another.
    if let Some(told) = sample("rfc6376.signed.rsa.msg", &[rsa("test_bad.txt")]) {
        assert_ne!(told, [pass()]);
    }
}
