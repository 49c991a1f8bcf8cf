//! Dialogues with servers of every kind: what we say, and what becomes of each recipient.

use super::*;

fn terms(tls: Tls) -> Terms {
    Terms {
        hostname: "box.test".into(),
        tls,
        login: None,
    }
}

fn message(recipients: &[&str]) -> Event<'static> {
    Event::Message(Box::new(Message {
        sender: Some(Address::parse("anna@box.test").unwrap()),
        recipients: recipients
            .iter()
            .map(|address| Recipient {
                address: Address::parse(address).unwrap(),
                notify: 0,
                orcpt: None,
            })
            .collect(),
        bytes: 100,
        eight_bit: false,
        long_lines: false,
        utf8_header: false,
        envid: None,
        ret_full: None,
    }))
}

/// A dialogue as text: `S: ` lines go in, what we say is compared with the `C: ` lines; `! ` lines are actions.
struct Talk {
    relay: Relay,
    out: Vec<u8>,
    action: Action,
}

impl Talk {
    fn new(terms: Terms) -> Talk {
        let mut relay = Relay::new(terms);
        let action = relay.step(Event::Connected, &mut Vec::new());
        Talk {
            relay,
            out: Vec::new(),
            action,
        }
    }

    fn says(mut self, lines: &[&str]) -> Talk {
        for line in lines {
            assert_eq!(self.action, Action::Read, "before {line:?}");
            self.action = self.relay.step(Event::Line(line.as_bytes()), &mut self.out);
        }
        self
    }

    fn hears(mut self, text: &str) -> Talk {
        let said = String::from_utf8(std::mem::take(&mut self.out)).unwrap();
        assert_eq!(said, text.replace('\n', "\r\n"));
        self
    }

    fn then(mut self, event: Event<'_>) -> Talk {
        self.action = self.relay.step(event, &mut self.out);
        self
    }

    /// Checks the fates, in short, and goes on.
    fn fates(mut self, expected: &[&str]) -> Talk {
        let Action::Fates(fates) = &self.action else {
            panic!("no fates but {:?}", self.action);
        };
        let short: Vec<String> = fates.iter().map(short).collect();
        assert_eq!(short, expected);
        self.action = self.relay.after_fates(&mut self.out);
        self
    }

    fn closed(&self, stage: Option<Stage>) {
        let Action::Close(trouble) = &self.action else {
            panic!("not closed but {:?}", self.action);
        };
        assert_eq!(trouble.as_ref().map(|trouble| trouble.stage), stage);
    }
}

fn short(fate: &Fate) -> String {
    let kind = |trouble: &Trouble| match &trouble.kind {
        TroubleKind::Said(answer) => format!("{:?} {}", trouble.stage, answer.code),
        other => format!("{:?} {other:?}", trouble.stage),
    };
    match fate {
        Fate::Delivered { .. } => "delivered".into(),
        Fate::Deferred {
            trouble,
            uncertain: true,
        } => format!("uncertain {}", kind(trouble)),
        Fate::Deferred { trouble, .. } => format!("deferred {}", kind(trouble)),
        Fate::Failed(trouble) => format!("failed {}", kind(trouble)),
        Fate::TooMany => "too many".into(),
    }
}

/// A server with these keywords, ready for a message.
fn ready(keywords: &[&str]) -> Talk {
    let mut talk = Talk::new(terms(Tls::Opportunistic)).says(&["220 mx"]);
    talk = talk.hears("EHLO box.test\n");
    for keyword in keywords {
        talk = talk.says(&[&format!("250-{keyword}")]);
    }
    talk.says(&["250 HELP"])
}

#[test]
fn a_message_without_extensions() {
    let talk = ready(&[]).then(message(&["b@b.de", "c@b.de"]));
    let talk = talk.hears("MAIL FROM:<anna@box.test>\n").says(&["250 ok"]);
    let talk = talk.hears("RCPT TO:<b@b.de>\n").says(&["250 ok"]);
    let talk = talk.hears("RCPT TO:<c@b.de>\n").says(&["550 5.1.1 who?"]);
    let talk = talk.hears("DATA\n").says(&["354 go"]);
    let how = How {
        framing: Framing::Dots,
        seven_bit: false,
    };
    assert_eq!(talk.action, Action::SendContent(how));
    let talk = talk.then(Event::ContentSent).says(&["250 2.0.0 taken"]);
    let talk = talk.fates(&["delivered", "failed Rcpt 550"]);
    assert_eq!(talk.action, Action::NextMessage);
    let talk = talk.then(Event::NoMore).hears("QUIT\n").says(&["221 bye"]);
    talk.closed(None);
}

#[test]
fn commands_leave_together_where_they_may() {
    let talk = ready(&["PIPELINING", "CHUNKING", "SIZE 1000", "DSN"]);
    let talk = talk.then(message(&["b@b.de", "c@b.de"]));
    let talk = talk
        .hears("MAIL FROM:<anna@box.test> SIZE=100\nRCPT TO:<b@b.de>\nRCPT TO:<c@b.de>\n")
        .says(&["250 ok", "250 ok", "451 4.2.1 later"]);
    let talk = talk.hears("BDAT 100 LAST\n");
    let how = How {
        framing: Framing::Chunk,
        seven_bit: false,
    };
    assert_eq!(talk.action, Action::SendContent(how));
    let talk = talk.then(Event::ContentSent).says(&["250 ok"]);
    talk.fates(&["delivered", "deferred Rcpt 451"]);
}

#[test]
fn nobody_taken_no_content() {
    let talk = ready(&["PIPELINING"]).then(message(&["b@b.de", "c@b.de"]));
    let talk = talk.says(&["250 ok", "550 no", "450 later"]);
    let said = String::from_utf8(talk.out.clone()).unwrap();
    assert!(said.ends_with("RSET\r\n"), "{said}");
    let talk = talk.says(&["250 ok"]);
    let talk = talk.fates(&["failed Rcpt 550", "deferred Rcpt 450"]);
    assert_eq!(
        talk.action,
        Action::NextMessage,
        "the connection is good for more"
    );
}

#[test]
fn mail_refused_is_everybody_refused() {
    for (keywords, answers) in [
        (
            &["PIPELINING"][..],
            &["550 5.7.1 not you", "503 x", "503 x"][..],
        ),
        (&[], &["550 5.7.1 not you"]),
    ] {
        let talk = ready(keywords).then(message(&["b@b.de", "c@b.de"]));
        let talk = talk.says(answers).says(&["250 reset"]);
        talk.fates(&["failed Mail 550", "failed Mail 550"]);
    }
}

/// Whatever happens at whatever point: never "delivered" without the answer, uncertain only behind the dot.
#[test]
fn a_cut_at_every_point() {
    let script = ["250 ok", "250 ok", "354 go"];
    for cut in 0..=script.len() {
        for event in [Event::Closed, Event::TooSlow] {
            let silent = matches!(event, Event::TooSlow);
            let mut talk = ready(&[]).then(message(&["b@b.de"]));
            for line in script.iter().take(cut) {
                talk = talk.says(&[line]);
            }
            let stage = ["Mail", "Rcpt", "Data", "Content"][cut];
            let kind = if silent { "Silence" } else { "Closed" };
            let talk = talk
                .then(event)
                .fates(&[&format!("deferred {stage} {kind}")]);
            talk.closed(None);
        }
    }
    let talk = ready(&[]).then(message(&["b@b.de"])).says(&script);
    let talk = talk.then(Event::ContentSent).then(Event::Closed);
    talk.fates(&["uncertain End Closed"]).closed(None);
    let talk = ready(&[]).then(message(&["b@b.de"])).says(&script);
    let talk = talk
        .then(Event::ContentSent)
        .says(&["421 4.3.2 going down"]);
    talk.fates(&["deferred End 421"]).closed(None);
    let talk = ready(&[]).then(message(&["b@b.de"])).says(&script);
    let talk = talk.then(Event::ContentBroken);
    talk.fates(&["deferred Content OurDisk"]).closed(None);
}

#[test]
fn servers_that_speak_nonsense() {
    let talk = Talk::new(terms(Tls::Opportunistic)).says(&["hello"]);
    talk.closed(Some(Stage::Greeting));
    let talk = ready(&[])
        .then(message(&["b@b.de"]))
        .says(&["250-a", "550 b"]);
    talk.fates(&["deferred Mail Fault(CodesDiffer)"])
        .closed(None);
    // 250 to DATA: nothing was taken.
    let talk = ready(&[]).then(message(&["b@b.de"]));
    let talk = talk.says(&["250 ok", "250 ok", "250 what"]);
    talk.fates(&["deferred Data 250"]).closed(None);
    let talk = Talk::new(terms(Tls::Opportunistic)).says(&["554 no"]);
    talk.closed(Some(Stage::Greeting));
}

#[test]
fn tls_as_the_policy_wants_it() {
    let talk = ready(&["STARTTLS", "DSN"])
        .hears("STARTTLS\n")
        .says(&["220 go"]);
    assert_eq!(talk.action, Action::StartTls);
    let talk = talk.then(Event::TlsReady).hears("EHLO box.test\n");
    // What was said in plain text is forgotten.
    let talk = talk.says(&["250 mx"]).then(message(&["b@b.de"]));
    assert!(!talk.relay.capabilities().dsn);
    let refused = ready(&["STARTTLS"]).says(&["454 not now"]);
    assert_eq!(refused.action, Action::NextMessage);

    let required = || Talk::new(terms(Tls::Required)).says(&["220 mx"]);
    required().says(&["250 mx"]).closed(Some(Stage::Hello));
    required().says(&["502 what?"]).closed(Some(Stage::Hello));
    let talk = required().says(&["250-mx", "250 STARTTLS", "454 not now"]);
    talk.closed(Some(Stage::StartTls));

    let talk = Talk::new(terms(Tls::Never)).says(&["220 mx", "250-mx", "250 STARTTLS"]);
    assert_eq!(talk.action, Action::NextMessage);
}

#[test]
fn old_servers_are_asked_by_helo() {
    let talk = Talk::new(terms(Tls::Opportunistic)).says(&["220 mx", "500 what?"]);
    let talk = talk
        .hears("EHLO box.test\nHELO box.test\n")
        .says(&["250 mx"]);
    assert_eq!(talk.action, Action::NextMessage);
}

#[test]
fn logins_only_under_tls() {
    let login = |tls| Terms {
        login: Some(Login {
            user: "user".into(),
            password: Zeroizing::new("pencil".into()),
            nonce: "rOprNGfwEbeRWgbNEkqO".into(),
        }),
        ..terms(tls)
    };
    let plain = Talk::new(login(Tls::Opportunistic)).says(&["220 x", "250-x", "250 AUTH PLAIN"]);
    plain.hears("EHLO box.test\n").closed(Some(Stage::Login));

    let offer = |mechanisms: &str| {
        let line = format!("250 AUTH {mechanisms}");
        let talk = Talk::new(login(Tls::Implicit)).says(&["220 x", "250-x", &line]);
        let said = String::from_utf8(talk.out.clone()).unwrap();
        (talk, said.replace("EHLO box.test\r\n", ""))
    };
    let (talk, said) = offer("LOGIN PLAIN");
    assert_eq!(said, "AUTH PLAIN AHVzZXIAcGVuY2ls\r\n");
    assert_eq!(talk.says(&["235 hi"]).action, Action::NextMessage);
    let (talk, said) = offer("LOGIN");
    assert_eq!(said, "AUTH LOGIN\r\n");
    let talk = talk.says(&["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"]);
    assert!(talk.out.ends_with(b"dXNlcg==\r\ncGVuY2ls\r\n"));
    talk.says(&["535 5.7.8 no"]).closed(Some(Stage::Login));
    offer("GSSAPI").0.closed(Some(Stage::Login));

    // RFC 7677's example, in base64.
    let (talk, said) = offer("PLAIN SCRAM-SHA-256");
    assert_eq!(
        said,
        "AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=\r\n"
    );
    let first = "334 cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRiRrMCxzPVcyMlphSjBTTlk3c29Fc1VFamI2Z1E9PSxpPTQwOTY=";
    let talk = talk.says(&[
        first,
        "334 dj02cnJpVFJCaTIzV3BSUi93dHVwK21NaFVaVW4vZEI1bkxUSlJzamw5NUc0PQ==",
    ]);
    assert_eq!(talk.says(&["235 hi"]).action, Action::NextMessage);
    // A server that does not know the password.
    let (talk, _) = offer("SCRAM-SHA-256");
    talk.says(&[first, "334 dj0wMDAw"])
        .closed(Some(Stage::Login));
    let (talk, _) = offer("SCRAM-SHA-256");
    talk.says(&[first, "235 welcome"])
        .closed(Some(Stage::Login));
}

#[test]
fn what_a_server_cannot_take_is_not_sent() {
    let talk = ready(&["SIZE 99"]).then(message(&["b@b.de"]));
    let talk = talk.fates(&["failed Mail TooLarge(99)"]);
    assert_eq!(talk.action, Action::NextMessage);
    let talk = ready(&["SIZE 100"]).then(message(&["b@b.de"]));
    talk.hears("MAIL FROM:<anna@box.test> SIZE=100\n");
    let talk = ready(&["8BITMIME"]).then(message(&["\u{fc}@b.de"]));
    talk.fates(&["failed Mail NoUtf8"]);
    let talk = ready(&["8BITMIME", "SMTPUTF8"]).then(message(&["\u{fc}@b.de"]));
    talk.hears("MAIL FROM:<anna@box.test> SMTPUTF8\n");
}

#[test]
fn seven_bits_where_eight_are_not_taken() {
    let send = |keywords: &[&str], eight_bit: bool, long_lines: bool| {
        let Event::Message(mut message) = message(&["b@b.de"]) else {
            unreachable!()
        };
        (message.eight_bit, message.long_lines) = (eight_bit, long_lines);
        let talk = ready(keywords).then(Event::Message(message));
        let said = String::from_utf8(talk.out.clone()).unwrap();
        let talk = talk.says(&["250 ok", "250 ok"]);
        let talk = match talk.action {
            Action::Read => talk.says(&["354 go"]),
            _ => talk,
        };
        let Action::SendContent(how) = talk.action else {
            panic!("{:?}", talk.action)
        };
        (how.seven_bit, how.framing, said.contains("BODY=8BITMIME"))
    };
    use Framing::{Chunk, Dots};
    assert_eq!(send(&[], true, false), (true, Dots, false));
    assert_eq!(send(&["8BITMIME"], true, false), (false, Dots, true));
    assert_eq!(
        send(&["8BITMIME", "CHUNKING"], true, true),
        (false, Chunk, true)
    );
    assert_eq!(send(&["8BITMIME"], false, true), (true, Dots, false));
    assert_eq!(send(&["CHUNKING"], true, false), (true, Dots, false));
}

#[test]
fn recipients_beyond_the_servers_number_wait() {
    let talk = ready(&["LIMITS RCPTMAX=1"]).then(message(&["b@b.de", "c@b.de"]));
    let talk = talk.says(&["250 ok", "250 ok", "354 go"]);
    let talk = talk.then(Event::ContentSent).says(&["250 ok"]);
    talk.fates(&["delivered", "too many"]);
    for answer in [
        "452 4.5.3 enough",
        "552 too many recipients",
        "452 too many",
    ] {
        let talk = ready(&[]).then(message(&["b@b.de", "c@b.de"]));
        let talk = talk.says(&["250 ok", "250 ok", answer, "354 go"]);
        let talk = talk.then(Event::ContentSent).says(&["250 ok"]);
        talk.fates(&["delivered", "too many"]);
    }
    let talk = ready(&[]).then(message(&["b@b.de"]));
    let talk = talk.says(&["250 ok", "452 4.2.2 full", "250 reset"]);
    talk.fates(&["deferred Rcpt 452"]);
    let talk = ready(&["LIMITS MAILMAX=1"]).then(message(&["b@b.de"]));
    let talk = talk.says(&["250 ok", "250 ok", "354 go"]);
    let talk = talk
        .then(Event::ContentSent)
        .says(&["250 ok"])
        .fates(&["delivered"]);
    assert_eq!(talk.action, Action::Read, "QUIT was said");
}

#[test]
fn dsn_is_passed_on() {
    let Event::Message(mut message) = message(&["b@b.de"]) else {
        unreachable!()
    };
    message.envid = Some("abc".into());
    message.ret_full = Some(false);
    for recipient in &mut message.recipients {
        recipient.notify = 2 | 4;
        recipient.orcpt = Some("rfc822;b@b.de".into());
    }
    let talk = ready(&["DSN", "PIPELINING"]).then(Event::Message(message));
    talk.hears(
        "MAIL FROM:<anna@box.test> RET=HDRS ENVID=abc\n\
         RCPT TO:<b@b.de> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b@b.de\n",
    );
}
