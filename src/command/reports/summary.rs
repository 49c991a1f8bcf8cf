//! Many reports in a few words.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Sources that are named of a domain.
const SOURCES_SHOWN: usize = 10;

/// What reports of some days say.
#[derive(Default)]
pub struct Summary {
    domains: BTreeMap<String, Domain>,
    /// Reports of reporters that proved nothing: in no sum.
    unproven: u64,
}

#[derive(Default)]
struct Domain {
    reports: u64,
    reporters: BTreeSet<String>,
    mail: Sums,
    tls: Sums,
    /// Messages and why, by source.
    sources: BTreeMap<String, (u64, String)>,
    /// Sessions, by host and reason.
    sessions: BTreeMap<(String, String), u64>,
}

#[derive(Clone, Copy, Default)]
struct Sums {
    passed: u64,
    failed: u64,
}

/// Adds up the rows of `ReportsList` that end after `from` (seconds since 1970).
pub fn of(rows: &[Value], from: i64) -> Summary {
    let mut summary = Summary::default();
    for row in rows
        .iter()
        .filter(|row| row["end-secs"].as_i64() > Some(from))
    {
        if row["proven"] != json!(true) {
            summary.unproven += 1;
            continue;
        }
        let word = |member: &str| row[member].as_str().unwrap_or_default().to_owned();
        let count = |member: &str| row[member].as_u64().unwrap_or(0);
        let domain = summary.domains.entry(word("domain")).or_default();
        domain.reports += 1;
        domain.reporters.insert(word("reporter"));
        let is_tls = row["kind"] == json!("tls");
        // One message of a failure report is in an aggregate report too.
        let sums = match is_tls {
            true => &mut domain.tls,
            false => &mut domain.mail,
        };
        if row["kind"] != json!("failure") {
            sums.passed = sums.passed.saturating_add(count("passed"));
            sums.failed = sums.failed.saturating_add(count("failed"));
        }
        let failures = row["failures"].as_array().map_or(&[][..], Vec::as_slice);
        failures
            .iter()
            .for_each(|failure| domain.add(failure, is_tls));
    }
    summary
}

impl Domain {
    fn add(&mut self, failure: &Value, is_tls: bool) {
        let word = |member: &str| failure[member].as_str().unwrap_or_default().to_owned();
        let count = failure["count"].as_u64().unwrap_or(0);
        if is_tls {
            let sessions = self
                .sessions
                .entry((word("source"), word("why")))
                .or_default();
            *sessions = sessions.saturating_add(count);
            return;
        }
        let (messages, why) = self.sources.entry(word("source")).or_default();
        *messages = messages.saturating_add(count);
        if why.is_empty() {
            *why = word("why");
        }
    }

    /// Sources with most failed messages first.
    fn ranked(&self) -> Vec<(&String, u64, &String)> {
        let mut ranked: Vec<_> = self
            .sources
            .iter()
            .map(|(source, (messages, why))| (source, *messages, why))
            .collect();
        ranked.sort_by_key(|(_, messages, _)| std::cmp::Reverse(*messages));
        ranked
    }

    fn text(&self, name: &str, out: &mut String) -> std::fmt::Result {
        let reporters: Vec<&str> = self.reporters.iter().map(String::as_str).collect();
        let shown = reporters
            .iter()
            .take(4)
            .copied()
            .collect::<Vec<_>>()
            .join(", ");
        let more = match reporters.len() {
            0..=4 => "",
            _ => " and others",
        };
        writeln!(
            out,
            "{name}: {} of {shown}{more}",
            counted(self.reports, "report")
        )?;
        let mail = &self.mail;
        if mail.passed + mail.failed > 0 || !self.sources.is_empty() {
            writeln!(
                out,
                "  {} passed, {} failed",
                counted(mail.passed, "message"),
                mail.failed
            )?;
        }
        let ranked = self.ranked();
        for (source, messages, why) in ranked.iter().take(SOURCES_SHOWN) {
            let messages = counted(*messages, "message");
            writeln!(out, "  {source} sent {messages} as you that failed: {why}")?;
        }
        if ranked.len() > SOURCES_SHOWN {
            writeln!(
                out,
                "  and {} further sources",
                ranked.len() - SOURCES_SHOWN
            )?;
        }
        let tls = &self.tls;
        if tls.passed + tls.failed > 0 {
            writeln!(
                out,
                "  TLS: {} succeeded, {} failed",
                counted(tls.passed, "session"),
                tls.failed
            )?;
        }
        for ((host, why), sessions) in self.sessions.iter().take(SOURCES_SHOWN) {
            let with = if host.is_empty() { "this box" } else { host };
            writeln!(
                out,
                "  TLS with {with} failed in {}: {why}",
                counted(*sessions, "session")
            )?;
        }
        Ok(())
    }
}

impl Summary {
    /// For people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for (name, domain) in &self.domains {
            // Writing to a String does not fail.
            let _ = domain.text(name, &mut out);
        }
        if self.domains.is_empty() {
            out.push_str(
                "no report has come: a DMARC record with rua=mailto:you@your.domain asks for them\n",
            );
        }
        if self.unproven > 0 {
            let _ = writeln!(
                out,
                "not counted: {} whose mail did not prove its domain; `pillarbox reports list` shows them",
                counted(self.unproven, "report")
            );
        }
        out.chars()
            .map(|c| {
                if c.is_control() && c != '\n' {
                    '\u{fffd}'
                } else {
                    c
                }
            })
            .collect()
    }

    /// For machines.
    pub fn json(&self) -> Value {
        let domains: Vec<Value> = self
            .domains
            .iter()
            .map(|(name, domain)| {
                let sources = domain.ranked().into_iter();
                let sources = sources.map(|(source, messages, why)| {
                    json!({ "source": source, "messages": messages, "why": why })
                });
                let sessions = domain.sessions.iter().map(|((host, why), sessions)| {
                    json!({ "host": host, "sessions": sessions, "why": why })
                });
                json!({
                    "domain": name,
                    "reports": domain.reports,
                    "reporters": domain.reporters,
                    "passed": domain.mail.passed,
                    "failed": domain.mail.failed,
                    "sources": sources.collect::<Vec<_>>(),
                    "tls-succeeded": domain.tls.passed,
                    "tls-failed": domain.tls.failed,
                    "tls-failures": sessions.collect::<Vec<_>>(),
                })
            })
            .collect();
        json!({ "domains": domains, "not-proven": self.unproven })
    }
}

/// `1 message`, `2 messages`
fn counted(number: u64, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        more => format!("{more} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(reporter: &str, proven: bool, kind: &str, failures: Value) -> Value {
        json!({ "domain": "example.org", "reporter": reporter, "proven": proven, "kind": kind, "end-secs": 100,
                "passed": 10, "failed": 3, "failures": failures })
    }

    #[test]
    fn plain_words() {
        let failure = json!([{ "source": "192.0.2.7", "count": 2, "why": "no DKIM signature" },
                             { "source": "192.0.2.8", "count": 1, "why": "x\u{1b}" }]);
        let tls = json!([{ "source": "mx.example.org", "count": 3, "why": "certificate-expired" }]);
        let rows = [
            row("a.test", true, "aggregate", failure.clone()),
            row("b.test", true, "aggregate", failure.clone()),
            row("b.test", true, "tls", tls),
            row("evil.test", false, "aggregate", failure.clone()),
        ];
        let text = of(&rows, 0).text();
        for expected in [
            "example.org: 3 reports of a.test, b.test\n",
            "  20 messages passed, 6 failed\n",
            "  192.0.2.7 sent 4 messages as you that failed: no DKIM signature\n",
            "  192.0.2.8 sent 2 messages as you that failed: x\u{fffd}\n",
            "  TLS: 10 sessions succeeded, 3 failed\n",
            "  TLS with mx.example.org failed in 3 sessions: certificate-expired\n",
            "not counted: 1 report whose mail",
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
        assert_eq!(of(&rows, 0).json()["domains"][0]["failed"], 6);
        assert!(of(&rows, 100).text().contains("no report has come"));
    }
}
