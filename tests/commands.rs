//! The commands on a box, by the built binary: the same session once on the data directory alone and once over the
//! control socket of a running server. Both must say the same.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A line of the session: arguments, standard input, whether it works, and words of what it says.
struct Said {
    line: &'static str,
    input: &'static str,
    works: bool,
    words: &'static [&'static str],
}

const fn ok(line: &'static str, words: &'static [&'static str]) -> Said {
    Said {
        line,
        input: "",
        works: true,
        words,
    }
}

const fn fails(line: &'static str, words: &'static [&'static str]) -> Said {
    Said {
        line,
        input: "",
        works: false,
        words,
    }
}

const fn typed(line: &'static str, input: &'static str, words: &'static [&'static str]) -> Said {
    Said {
        line,
        input,
        works: true,
        words,
    }
}

const SESSION: &[Said] = &[
    ok("domain add a.test", &["a.test is a domain of this box"]),
    ok("account list --json", &["[]"]),
    fails("domain add 192.0.2.1", &["like example.org"]),
    fails(
        "account add ana@other.test --generate",
        &["pillarbox domain add other.test"],
    ),
    ok(
        "domain add bücher.test --mirror a.test",
        &["bücher.test mirrors a.test"],
    ),
    fails("domain add xn--bcher-kva.test", &["already"]),
    ok(
        "domain list",
        &["xn--bcher-kva.test (bücher.test)", "MIRRORS"],
    ),
    ok(
        "account add Ana@a.test --generate",
        &["is ready", "password: ", "owner of this box"],
    ),
    typed(
        "account add ben@a.test --password-stdin --quota 2G",
        "ben's password\n",
        &["is ready"],
    ),
    typed(
        "account password ben@bücher.test --password-stdin",
        "another\n",
        &["its sessions have ended"],
    ),
    ok(
        "account password ben@a.test --generate --json",
        &["\"ok\":true", "\"password\":\""],
    ),
    // Before anybody is asked for a password.
    fails(
        "account password nobody@a.test",
        &["there is no account nobody@a.test"],
    ),
    fails(
        "account disable nobody@a.test",
        &["there is no account nobody@a.test"],
    ),
    fails(
        "account add carl@a.test",
        &["--password-stdin or --generate"],
    ),
    fails(
        "account add carl@a.test --generate --password-stdin",
        &["give one of"],
    ),
    fails(
        "account add ANA@a.test --generate",
        &["is an account already"],
    ),
    ok("account disable ben@a.test", &["may not log in any more"]),
    ok(
        "account list",
        &["Ana@a.test", "owner", "ben@a.test", "disabled", "2.0 GiB"],
    ),
    ok("account enable ben@a.test", &["may log in"]),
    ok("account quota ben@a.test none", &["is none now"]),
    fails("account quota ben@a.test much", &["is no size"]),
    ok("account owner ben@a.test", &["ben@a.test is the owner"]),
    ok(
        "alias add team@a.test ana@a.test ben@a.test",
        &["leads to ana@a.test, ben@a.test"],
    ),
    ok("alias add *@a.test ana@a.test", &["*@a.test leads to"]),
    ok("alias reject old@a.test", &["is refused from now on"]),
    fails(
        "alias add loop@a.test loop@a.test",
        &["lead back to itself"],
    ),
    fails("alias add out@a.test me@far.test", &["does not relay"]),
    fails(
        "alias add team@a.test",
        &["usage: pillarbox alias add ADDRESS TARGET..."],
    ),
    ok(
        "alias list --json",
        &[
            "\"rejected\":true",
            "\"targets\":[\"Ana@a.test\",\"ben@a.test\"]",
        ],
    ),
    ok("alias remove old@a.test", &["is removed"]),
    ok("queue list", &["the queue is empty"]),
    fails("queue show 7", &["no queue entry 7"]),
    fails("queue drop seven", &["no queue id"]),
    ok(
        "mail expunged ana@a.test",
        &["nothing that could come back"],
    ),
    ok("mail undelete ana@a.test --all", &["0 messages are back"]),
    ok(
        "mail undelete ana@a.test 00000000000000000000000000000001",
        &["0 messages are back", "1 could not come back"],
    ),
    fails(
        "mail undelete ana@a.test",
        &["usage: pillarbox mail undelete"],
    ),
    fails("account remove ben@a.test", &["--yes"]),
    fails("account remove ben@a.test --yes", &["team@a.test"]),
    ok(
        "account remove ben@a.test --yes --drop-aliases",
        &["0 messages", "team@a.test lost this target", "owner"],
    ),
    fails("domain remove a.test", &["has accounts (Ana@a.test)"]),
    ok(
        "domain remove bücher.test",
        &["is no domain of this box any more"],
    ),
    fails("account frobnicate x", &["account --help"]),
];

#[test]
fn on_the_data_directory_and_over_the_socket_alike() {
    let direct = Box_::new("direct");
    let direct = session(&direct);
    let mut online = Box_::new("online");
    online.serve();
    assert_eq!(direct, session(&online));
}

#[test]
fn the_index_is_made_anew_only_when_no_server_runs() {
    let mut of = Box_::new("rebuild");
    let (works, text) = of.command("store rebuild", "");
    assert!(!works && text.contains("holds no store"), "{text}");
    let (works, text) = of.command("account list", "");
    assert!(!works && text.contains("holds no box yet"), "{text}");
    assert!(!of.data.exists(), "a misspelt directory is not made");
    assert!(of.command("domain add a.test", "").0);
    assert!(of.command("account add ana@a.test --generate", "").0);
    let (works, text) = of.command("store rebuild", "");
    assert!(works && text.contains("made anew from the log"), "{text}");
    let (works, text) = of.command("store check", "");
    assert!(works && text.contains("checked "), "{text}");
    of.serve();
    let (works, text) = of.command("store rebuild", "");
    assert!(!works && text.contains("stop it first"), "{text}");
}

#[test]
fn config_check_names_the_lines_of_users_and_certificates() {
    let of = Box_::new("check");
    let mut config = std::fs::read_to_string(of.config()).unwrap();
    config.insert_str(0, "user = \"no-such-user-here\"\n");
    config.push_str("[[certificate]]\nchain = \"c.pem\"\nkey = \"k.pem\"\n");
    std::fs::write(of.config(), &config).unwrap();
    let (works, text) = of.command("config check", "");
    let line = config.lines().position(|line| line == "[[certificate]]");
    let certificate = format!("box.toml:{}: ", line.unwrap() + 1);
    assert!(
        !works && text.contains("box.toml:1: there is no user"),
        "{text}"
    );
    assert!(
        text.contains(&certificate) && text.contains("c.pem does not exist"),
        "{text}"
    );
}

#[test]
fn two_at_once_are_told_who_has_the_store() {
    let mut online = Box_::new("lock");
    online.serve();
    std::fs::remove_file(online.data.join("control.sock")).unwrap();
    let (works, text) = online.command("domain list", "");
    assert!(!works && text.contains("in use by process"), "{text}");
}

#[test]
fn what_a_box_keeps_is_for_its_user_alone() {
    let of = Box_::new("modes");
    let made = |line: &str| {
        let mut shell = Command::new("sh");
        let status = shell
            .args(["-c", "umask 022 && exec \"$0\" \"$@\""])
            .arg(env!("CARGO_BIN_EXE_pillarbox"))
            .args(line.split(' '))
            .arg("--config")
            .arg(of.config())
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{line}");
    };
    made("domain add a.test");
    made("account add ana@a.test --generate");
    let mut paths = vec![of.data.clone()];
    let mut seen = 0;
    while let Some(path) = paths.pop() {
        let found = std::fs::symlink_metadata(&path).unwrap();
        let mode = found.permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", path.display());
        seen += 1;
        if found.is_dir() {
            paths.extend(path.read_dir().unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    assert!(seen > 5, "{seen}");
}

/// What every line said, without what chance made.
fn session(of: &Box_) -> Vec<String> {
    let mut transcript = Vec::new();
    for said in SESSION {
        let (works, text) = of.command(said.line, said.input);
        assert_eq!(works, said.works, "{}: {text}", said.line);
        for words in said.words {
            assert!(
                text.contains(words),
                "{}: no {words:?} in {text}",
                said.line
            );
        }
        let chance = text.contains("password") || text.contains("SINCE");
        transcript.push(if chance { said.line.to_owned() } else { text });
    }
    transcript
}

struct Box_ {
    root: PathBuf,
    data: PathBuf,
    server: Option<Child>,
}

impl Box_ {
    fn new(name: &str) -> Box_ {
        let root =
            std::env::temp_dir().join(format!("pillarbox-commands-{}-{name}", std::process::id()));
        let data = root.join("data");
        std::fs::create_dir_all(&root).unwrap();
        let config = "hostname = \"box.test\"\ndata = \"data\"\n[listen]\nsmtp = []\n\
             submissions = []\nsubmission = []\nimap = []\nimaps = []\n[limits]\nimap_connections_max = 10\n";
        std::fs::write(root.join("box.toml"), config).unwrap();
        Box_ {
            root,
            data,
            server: None,
        }
    }

    fn config(&self) -> PathBuf {
        self.root.join("box.toml")
    }

    /// Starts the server and waits for its socket.
    fn serve(&mut self) {
        let mut server = pillarbox(&["serve", "--config"])
            .arg(self.config())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while !Path::exists(&self.data.join("control.sock")) {
            assert!(server.try_wait().unwrap().is_none(), "the server ended");
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "no control socket after a minute"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        self.server = Some(server);
    }

    /// Runs one command: whether it worked, and all that it said.
    fn command(&self, line: &str, input: &str) -> (bool, String) {
        // In a session of its own there is no terminal that could be asked for a password.
        let mut child = Command::new("setsid")
            .arg("--wait")
            .arg(env!("CARGO_BIN_EXE_pillarbox"))
            .args(line.split(' '))
            .arg("--config")
            .arg(self.config())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that does not read has closed its end already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    }
}

impl Drop for Box_ {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

fn pillarbox(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pillarbox"));
    command.args(arguments);
    command
}
