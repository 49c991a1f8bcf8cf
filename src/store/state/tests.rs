use super::*;
use crate::limits::{ALIAS_DEPTH_MAX, ALIAS_TARGETS_MAX};
use crate::wire::address::Domain;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// A state in a directory of its own, removed with it.
struct Fixture {
    writer: StateWriter,
    reader: StateReader,
    dir: PathBuf,
}

impl Fixture {
    fn new() -> Fixture {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir =
            std::env::temp_dir().join(format!("pillarbox-state-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let writer = StateWriter::open(&dir).unwrap();
        let reader = StateReader::open(&dir).unwrap();
        Fixture {
            writer,
            reader,
            dir,
        }
    }

    /// One line of a case file that changes something.
    fn change(&mut self, line: &str) -> Result<StateDone, String> {
        let words: Vec<&str> = words(line);
        let change = match words.as_slice() {
            ["domain", name] => StateChange::DomainAdd {
                name: domain(name),
                mirror: None,
            },
            ["domain", name, "mirror", of] => StateChange::DomainAdd {
                name: domain(name),
                mirror: Some(domain(of)),
            },
            ["remove", "domain", name] => StateChange::DomainRemove { name: domain(name) },
            ["account", name] => account(name),
            ["remove", "account", name] => StateChange::AccountRemove {
                name: address(name),
                aliases: Dependents::Refuse,
            },
            ["drop", "account", name] => StateChange::AccountRemove {
                name: address(name),
                aliases: Dependents::Drop,
            },
            ["alias", alias, targets @ ..] => StateChange::AliasAdd {
                alias: address(alias),
                targets: targets.iter().map(|t| address(t)).collect(),
            },
            ["remove", "alias", alias, targets @ ..] => StateChange::AliasRemove {
                alias: address(alias),
                targets: targets.iter().map(|t| address(t)).collect(),
            },
            ["reject", name] => StateChange::AliasReject {
                address: address(name),
            },
            _ => panic!("case line {line:?}"),
        };
        self.writer.apply(change)
    }

    fn ask(&mut self, name: &str) -> String {
        match self.reader.resolve(&address(name)).unwrap() {
            Resolution::NotOurs => "not-ours".into(),
            Resolution::Unknown => "unknown".into(),
            Resolution::RejectListed => "rejected".into(),
            Resolution::Known(targets) => targets.iter().map(shown).collect::<Vec<_>>().join(" "),
        }
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn shown(target: &Target) -> String {
    match target {
        Target::Remote(address) => format!(">{address}"),
        Target::Account {
            name, detail: None, ..
        } => name.to_string(),
        Target::Account {
            name,
            detail: Some(detail),
            ..
        } => format!("{name}+{detail}"),
    }
}

/// Splits at spaces outside quotes.
fn words(line: &str) -> Vec<&str> {
    let mut quoted = false;
    line.split(|c: char| {
        quoted ^= c == '"';
        c == ' ' && !quoted
    })
    .filter(|w| !w.is_empty())
    .collect()
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap_or_else(|e| panic!("{text}: {}", e.0))
}

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

fn account(name: &str) -> StateChange {
    StateChange::AccountAdd {
        name: address(name),
        phc: format!("hash of {name}").into(),
        quota_bytes: None,
        created_secs: 1_700_000_000,
    }
}

#[test]
fn case_files() {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases/resolve");
    let mut questions = 0;
    for entry in std::fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let mut state = Fixture::new();
        for (number, line) in text.lines().enumerate() {
            let at = format!("{}:{}: {line}", path.display(), number + 1);
            run_line(&mut state, line, &at);
            questions += usize::from(line.starts_with(['?', '!']));
        }
    }
    assert!(questions > 50, "only {questions} questions were found");
}

fn run_line(state: &mut Fixture, line: &str, at: &str) {
    if line.is_empty() || line.starts_with('#') {
    } else if let Some(rest) = line.strip_prefix("? ") {
        let (name, answer) = rest.split_once(" = ").unwrap();
        assert_eq!(state.ask(name), answer, "{at}");
    } else if let Some(rest) = line.strip_prefix("! ") {
        let (change, text) = rest.split_once(" = ").unwrap();
        let refusal = state.change(change).expect_err(at);
        assert!(refusal.contains(text), "{at}: {refusal}");
    } else if let Some(separator) = line.strip_prefix("separator ") {
        let separator = (separator != "none").then(|| separator.chars().next().unwrap());
        state.reader.set_detail_separator(separator);
    } else {
        state.change(line).unwrap_or_else(|e| panic!("{at}: {e}"));
    }
}

#[test]
fn an_alias_has_at_most_so_many_targets() {
    let mut state = Fixture::new();
    state.change("domain a.test").unwrap();
    state.change("account a@a.test").unwrap();
    let targets = |n: usize| -> String { (0..n).map(|i| format!(" t{i}@far.test")).collect() };
    for (name, n) in [
        ("under", ALIAS_TARGETS_MAX - 1),
        ("full", ALIAS_TARGETS_MAX),
    ] {
        state
            .change(&format!("alias {name}@a.test{}", targets(n)))
            .unwrap();
        assert_eq!(words(&state.ask(&format!("{name}@a.test"))).len(), n);
    }
    let over = format!("alias over@a.test{}", targets(ALIAS_TARGETS_MAX + 1));
    assert!(state.change(&over).unwrap_err().contains("32 are the most"));
    assert_eq!(
        state.ask("over@a.test"),
        "unknown",
        "a refused change leaves nothing"
    );
    // One more through another alias is one too many as well, also when the inner one grows later.
    assert!(
        state
            .change("alias both@a.test full@a.test a@a.test")
            .is_err()
    );
    state
        .change("alias both@a.test under@a.test a@a.test")
        .unwrap();
    assert!(state.change("alias under@a.test more@far.test").is_err());
}

#[test]
fn a_chain_of_aliases_is_bounded_from_both_ends() {
    let mut state = Fixture::new();
    state.change("domain a.test").unwrap();
    state.change("account c0@a.test").unwrap();
    for n in 1..=ALIAS_DEPTH_MAX {
        state
            .change(&format!("alias c{n}@a.test c{}@a.test", n - 1))
            .unwrap();
    }
    assert_eq!(
        state.ask(&format!("c{ALIAS_DEPTH_MAX}@a.test")),
        "c0@a.test"
    );
    let over = format!("alias over@a.test c{ALIAS_DEPTH_MAX}@a.test");
    assert!(
        state
            .change(&over)
            .unwrap_err()
            .contains("more than 8 times")
    );
    // Growing at the far end is refused for the sake of those that lead there.
    state.change("alias tail@a.test c0@a.test").unwrap();
    assert!(state.change("alias c1@a.test tail@a.test").is_err());
}

#[test]
fn owns_what_it_gets() {
    let mut state = Fixture::new();
    for line in [
        "domain a.test",
        "domain b.test mirror a.test",
        "domain c.test",
        "account ana@a.test",
        "account ben@a.test",
        "alias team@a.test ana@a.test ben@a.test",
        "alias *@c.test ben@a.test",
        "alias fwd@a.test x@far.test",
        "reject old@a.test",
        "account carl@c.test",
    ] {
        state.change(line).unwrap();
    }
    let id =
        |state: &mut Fixture, name: &str| state.reader.credential(name).unwrap().unwrap().account;
    let (ana, ben) = (id(&mut state, "ana@a.test"), id(&mut state, "ben@a.test"));
    for (name, ana_owns, ben_owns) in [
        ("ana@a.test", true, false),
        ("ANA+x@b.test", true, false),
        ("team@a.test", true, true),
        ("anything@c.test", false, true),
        ("carl@c.test", false, false),
        ("postmaster@c.test", true, false),
        ("fwd@a.test", false, false),
        ("old@a.test", false, false),
        ("ana@far.test", false, false),
    ] {
        assert_eq!(
            state.reader.owns(ana, &address(name)).unwrap(),
            ana_owns,
            "ana, {name}"
        );
        assert_eq!(
            state.reader.owns(ben, &address(name)).unwrap(),
            ben_owns,
            "ben, {name}"
        );
    }
}

#[test]
fn the_roles_at_the_name_of_the_box_lead_to_its_owner() {
    let mut state = Fixture::new();
    state.change("domain a.test").unwrap();
    let hostname = Domain::parse("mail.a.test").unwrap();
    let resolved = |state: &mut Fixture, name: &str| {
        state.reader.resolve_on(&hostname, &address(name)).unwrap()
    };
    let nobody = resolved(&mut state, "postmaster@mail.a.test");
    assert_eq!(nobody, Resolution::NotOurs, "there is no owner");
    state.change("account ana@a.test").unwrap();
    let owner = state.reader.postmaster().unwrap();
    assert!(matches!(owner, Resolution::Known(_)));
    for local in ["postmaster", "Abuse", "mailer-daemon", "root+x"] {
        let found = resolved(&mut state, &format!("{local}@MAIL.a.test"));
        assert_eq!(found, owner, "{local}");
    }
    for name in ["ana@mail.a.test", "postmaster@else.test"] {
        assert_eq!(resolved(&mut state, name), Resolution::NotOurs, "{name}");
    }
    // Once it is a domain, its own addresses decide.
    state.change("domain mail.a.test").unwrap();
    state.change("account root@mail.a.test").unwrap();
    assert_ne!(resolved(&mut state, "root@mail.a.test"), owner);
    assert_eq!(resolved(&mut state, "ana@mail.a.test"), Resolution::Unknown);
}

#[test]
fn credentials() {
    let mut state = Fixture::new();
    for line in [
        "domain bücher.test",
        "domain b.test mirror bücher.test",
        "account Ana@bücher.test",
        "alias al@bücher.test ana@bücher.test",
    ] {
        state.change(line).unwrap();
    }
    for user in [
        "Ana",
        "ana",
        "ana@xn--bcher-kva.test",
        "ANA@BÜCHER.test",
        "ana@b.test",
    ] {
        let found = state
            .reader
            .credential(user)
            .unwrap()
            .unwrap_or_else(|| panic!("{user}"));
        assert_eq!((found.version, found.disabled), (1, false));
        assert_eq!(found.name.to_string(), "Ana@xn--bcher-kva.test");
    }
    for user in [
        "",
        "@",
        "al",
        "al@b.test",
        "ana+x",
        "ana@",
        "nobody",
        "ana@other.test",
        "*",
    ] {
        assert!(state.reader.credential(user).unwrap().is_none(), "{user}");
    }
}

#[test]
fn versions_grow_and_ids_are_not_reused() {
    let mut state = Fixture::new();
    state.change("domain a.test").unwrap();
    state.change("account ana@a.test").unwrap();
    let name = address("ana@a.test");
    let versions: Vec<u64> = [
        StateChange::AccountPassword {
            name: name.clone(),
            phc: "new".into(),
        },
        StateChange::AccountAccess {
            name: name.clone(),
            access: Access::Disabled,
        },
        StateChange::AccountAccess {
            name: name.clone(),
            access: Access::Disabled,
        },
        StateChange::AccountAccess {
            name: name.clone(),
            access: Access::Enabled,
        },
    ]
    .into_iter()
    .map(|change| match state.writer.apply(change).unwrap() {
        StateDone::Account { version, .. } => version,
        other => panic!("{other:?}"),
    })
    .collect();
    assert_eq!(versions, [2, 3, 3, 4]);
    let before = state.reader.credential("ana").unwrap().unwrap();
    assert_eq!(&*before.phc, "new");

    state.change("remove account ana@a.test").unwrap();
    assert!(state.reader.credential("ana").unwrap().is_none());
    assert_eq!(state.reader.removals().unwrap(), [before.account]);
    state
        .writer
        .apply(StateChange::AccountRemoved {
            account: before.account,
        })
        .unwrap();
    assert!(state.reader.removals().unwrap().is_empty());
    state.change("account ana@a.test").unwrap();
    assert!(state.reader.credential("ana").unwrap().unwrap().account > before.account);
}

#[test]
fn lists() {
    let mut state = Fixture::new();
    for line in [
        "domain a.test",
        "domain b.test mirror a.test",
        "account ana@a.test",
        "account ben@a.test",
        "alias team@a.test ana+x@a.test o@far.test",
        "reject old@a.test",
        "alias *@a.test ben@a.test",
    ] {
        state.change(line).unwrap();
    }
    state
        .writer
        .apply(StateChange::AccountOwner {
            name: address("ben@a.test"),
        })
        .unwrap();
    let domains = state.reader.domains(0, 9).unwrap();
    assert_eq!((domains[0].accounts, domains[0].aliases), (2, 2));
    assert_eq!(domains[1].mirror_of.as_deref(), Some("a.test"));
    let accounts = state.reader.accounts(AccountId(0), 9).unwrap();
    assert_eq!(
        accounts.iter().map(|a| a.owner).collect::<Vec<_>>(),
        [false, true]
    );
    assert_eq!(
        state
            .reader
            .account(&address("ana@b.test"))
            .unwrap()
            .as_ref(),
        Some(&accounts[0])
    );
    let aliases: Vec<String> = state
        .reader
        .aliases(0, 9)
        .unwrap()
        .iter()
        .map(|a| format!("{} {} {}", a.address, a.rejected, a.targets.join(",")))
        .collect();
    assert_eq!(
        aliases,
        [
            "team@a.test false ana+x@a.test,o@far.test",
            "old@a.test true ",
            "*@a.test false ben@a.test"
        ]
    );
    let ids: Vec<u64> = (state.reader.aliases(0, 2).unwrap().iter())
        .map(|a| a.id)
        .collect();
    let rest = state.reader.aliases(ids[1], 9).unwrap();
    assert_eq!((ids.len(), rest.len()), (2, 1));
    let after = accounts[0].account;
    assert_eq!(state.reader.accounts(after, 9).unwrap().len(), 1);
    assert_eq!(state.reader.domains(domains[1].id, 9).unwrap().len(), 0);
}

#[test]
fn what_was_answered_is_there_after_reopening_and_other_files_are_refused() {
    let mut state = Fixture::new();
    state.change("domain a.test").unwrap();
    state.change("account ana@a.test").unwrap();
    drop(std::mem::replace(
        &mut state.writer,
        StateWriter::open(&state.dir).unwrap(),
    ));
    assert_eq!(state.ask("ana@a.test"), "ana@a.test");

    let newer = Fixture::new();
    newer.dir_sql("PRAGMA user_version = 7");
    let text = StateWriter::open(&newer.dir).err().unwrap().0;
    assert!(text.contains("format version 7"), "{text}");

    let strange = Fixture::new();
    let other = strange.dir.join("sub");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("state.sqlite"), vec![7u8; 8192]).unwrap();
    assert!(
        StateWriter::open(&other)
            .err()
            .unwrap()
            .0
            .contains("backup")
    );
}

impl Fixture {
    fn dir_sql(&self, sql: &str) {
        let db = rusqlite::Connection::open(self.dir.join("state.sqlite")).unwrap();
        db.execute_batch(sql).unwrap();
    }
}

#[test]
fn every_commit_is_flushed() {
    let state = Fixture::new();
    assert_eq!(state.writer.synchronous(), 2, "FULL");
}
