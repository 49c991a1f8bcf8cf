use super::*;

fn parse(text: &str) -> Result<Config, Vec<Mistake>> {
    Config::parse(text, Path::new("/etc/pillarbox"))
}

fn mistakes(text: &str) -> Vec<(usize, String)> {
    let list = parse(text).unwrap_err();
    list.into_iter()
        .map(|m| (m.line.unwrap_or(0), m.text))
        .collect()
}

#[test]
fn the_example_says_the_defaults() {
    let hostname = Domain::parse("mail.example.org").unwrap();
    assert_eq!(parse(&example::text()).unwrap(), Config::new(hostname));
}

#[test]
fn the_example_parses_with_every_commented_key_switched_on() {
    let text: String = example::text()
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(key)
                if key.starts_with("[[")
                    || key.split_once(" = ").is_some_and(|(k, _)| !k.contains(' ')) =>
            {
                key
            }
            _ => line,
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let config = parse(&text).unwrap();
    assert_eq!(config.user.as_deref(), Some("pillarbox"));
    assert_eq!(config.certificates.len(), 1);
}

#[test]
fn every_mistake_is_named_with_its_line_in_one_run() {
    let text = "hostnme = \"a.test\"\n\
                data = 7\n\
                [listen]\n\
                smtp = [\"0.0.0.0:25\", \"localhost\"]\n\
                [limits]\n\
                message_bytes_max = \"50 MB\"\n\
                imap_connections_max = 0\n\
                colour = 1\n";
    let found = mistakes(text);
    let expect = [
        (1, "did you mean `hostname`?"),
        (2, "`data` is a text in quotes, not integer"),
        (4, "localhost is no address with a port"),
        (6, "`message_bytes_max` is a size"),
        (7, "`imap_connections_max` is a whole number from 1"),
        (8, "unknown key `colour` in [limits]; there are"),
        (0, "`hostname` is missing"),
    ];
    for (at, part) in expect {
        assert!(
            found
                .iter()
                .any(|(line, text)| *line == at && text.contains(part)),
            "{part}: {found:#?}"
        );
    }
    assert_eq!(found.len(), expect.len(), "{found:#?}");
}

#[test]
fn broken_toml_is_said_with_its_line() {
    let found = mistakes("hostname = \"a.test\"\n[listen\nsmtp = 1\n");
    assert_eq!(found[0].0, 2);
    assert!(found[0].1.contains("no TOML"), "{found:?}");
}

#[test]
fn hostnames_must_be_known_to_the_world() {
    for wrong in [
        "localhost",
        "box",
        "192.0.2.1",
        "[192.0.2.1]",
        "mail.local",
        "a b.test",
        "",
    ] {
        let found = mistakes(&format!("hostname = \"{wrong}\""));
        assert!(
            found[0].1.contains("full name in the DNS"),
            "{wrong}: {found:?}"
        );
    }
}

#[test]
fn relative_paths_begin_at_the_file() {
    let config = parse("hostname = \"a.b.test\"\ndata = \"mail\"\n").unwrap();
    assert_eq!(config.data, Path::new("/etc/pillarbox/mail"));
}

#[test]
fn a_port_belongs_to_one_service() {
    let found = mistakes("hostname = \"a.b.test\"\n[listen]\nimap = [\"0.0.0.0:25\"]\n");
    let text = "0.0.0.0:25 stands here and under `smtp`";
    assert!(found[0].0 == 3 && found[0].1.contains(text), "{found:?}");
    let twice = "hostname = \"a.b.test\"\n[listen]\nsmtp = [\"[::]:25\",\"[::]:25\"]\n";
    let found = mistakes(twice);
    assert!(
        found[0].0 == 3 && found[0].1.contains("stands twice here"),
        "{found:?}"
    );
}

#[test]
fn limits_above_the_ceiling_name_the_largest_term() {
    let found = mistakes("hostname = \"a.b.test\"\n[limits]\nimap_connections_max = 2000\n");
    assert!(
        found[0].1.contains("memory_bytes_max is 48 MiB"),
        "{found:?}"
    );
    assert!(found[0].1.contains("imap_connections_max"), "{found:?}");
    assert_eq!(found[0].0, 2, "the section's line");
    let roomy = "hostname = \"a.b.test\"\n[limits]\nimap_connections_max = 2000\nmemory_bytes_max = \"2 GiB\"\n";
    assert!(parse(roomy).is_ok());
}

#[test]
fn the_default_worst_case_fits_48_mib() {
    let config = Config::new(Domain::parse("a.b.test").unwrap());
    assert_eq!(config.memory_excess(), None);
    assert!(config.memory_bytes_max <= 48 << 20);
    assert!(config.imap_connections_max >= 200 && config.smtp_connections_max >= 50);
}
