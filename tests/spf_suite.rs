//! The test suite of RFC 7208 (openspf.org, 2014.04): every case gives one of its expected results and explanations.
//!
//! The older suite of RFC 4408 is run too. Where the two RFCs differ it allows both results: all of it still holds.

#[path = "authentic/zone.rs"]
mod zone;

use pillarbox::policy::authentic::canned::ready;
use pillarbox::policy::authentic::spf::{Identity, check};
use saphyr::{LoadableYamlNode, Yaml};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::{env, fs};

#[test]
fn every_case_of_rfc7208() {
    holds("rfc7208-tests.yml", 203);
}

#[test]
fn every_case_of_rfc4408() {
    holds("rfc4408-tests.yml", 191);
}

fn holds(file: &str, cases: usize) {
    let Some(text) = suite(file) else {
        return;
    };
    let mut wrong = Vec::new();
    let run = run(&text, &mut |name, told| {
        wrong.push(format!("{name}: {told}"))
    });
    assert_eq!(run, cases, "cases of the suite");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// The text of a suite. Without the corpus a line says so; under CI it is a failure.
fn suite(file: &str) -> Option<String> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/testdata");
    let folder = env::var_os("PILLARBOX_TESTDATA").map_or(beside, PathBuf::from);
    let path = folder.join("spf").join(file);
    let text = fs::read_to_string(&path).ok();
    if text.is_none() {
        let told = format!(
            "no SPF suite at {}; PILLARBOX_TESTDATA names the folder of test data",
            path.display()
        );
        assert!(env::var_os("CI").is_none(), "{told}");
        eprintln!("{told}");
    }
    text
}

/// Runs every case and tells of those with another result; how many there were.
fn run(text: &str, tell: &mut dyn FnMut(&str, String)) -> usize {
    let mut cases = 0;
    for scenario in Yaml::load_from_str(text).expect("YAML") {
        let scenario = json(&scenario);
        let zone = scenario["zonedata"].as_object().expect("zonedata");
        for (name, case) in scenario["tests"].as_object().expect("tests") {
            cases += 1;
            if let Some(told) = differs(case, zone) {
                tell(name, told);
            }
        }
    }
    cases
}

/// What came out instead of what was expected.
fn differs(case: &Value, zone: &Map<String, Value>) -> Option<String> {
    let text = |key: &str| case[key].as_str().unwrap_or_default();
    let (local, domain) = match text("mailfrom").rsplit_once('@') {
        Some(halves) => halves,
        None => ("", text("helo")),
    };
    let identity = Identity {
        client: text("host").parse().expect("an address"),
        helo: text("helo"),
        local,
        domain,
        hostname: "unknown",
        now_seconds: Some(0),
    };
    let found = ready(check(&zone::canned(zone), &identity));
    let expected = match &case["result"] {
        Value::Array(results) => results.clone(),
        result => vec![result.clone()],
    };
    let explanation = match text("explanation") {
        "" | "DEFAULT" => None,
        explanation => Some(explanation),
    };
    let same_result = expected
        .iter()
        .any(|result| result == found.outcome.as_str());
    let same_explanation =
        case.get("explanation").is_none() || found.explanation.as_deref() == explanation;
    (!same_result || !same_explanation)
        .then(|| format!("{found:?} instead of {expected:?} {explanation:?}"))
}

/// The same value as JSON: texts, numbers, lists, maps with texts for keys.
fn json(yaml: &Yaml<'_>) -> Value {
    if let Some(map) = yaml.as_mapping() {
        let pairs = map
            .iter()
            .map(|(key, value)| (key.as_str().expect("a text").to_string(), json(value)));
        return Value::Object(pairs.collect());
    }
    if let Some(list) = yaml.as_sequence() {
        return Value::Array(list.iter().map(json).collect());
    }
    if let Some(number) = yaml.as_integer() {
        return number.into();
    }
    yaml.as_str().map_or(Value::Null, Value::from)
}
