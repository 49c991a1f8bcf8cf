//! What a refusal of another server means and what its sender or the box's owner can do, in plain words.
//!
//! A table of what large providers and blocklists are known to say; more special lines first. Where nothing matches,
//! the enhanced status (RFC 3463) says something.

use crate::wire::smtp::Answer;

/// When a line of the table holds.
struct Line {
    /// The server's name ends in one of these; empty: any server.
    hosts: &'static [&'static str],
    /// One of these stands in the answer, status included, in lower case.
    says: &'static [&'static str],
    /// What to tell.
    hint: &'static str,
}

const GOOGLE: &[&str] = &["google.com", "googlemail.com"];
const MICROSOFT: &[&str] = &["outlook.com", "hotmail.com", "office365.us"];
const YAHOO: &[&str] = &["yahoodns.net", "yahoo.com", "aol.com"];
const ANY: &[&str] = &[];

const NEW_ADDRESS: &str = "The receiving server limits mail from this box's address because it knows little good of it yet. \
                           It is tried again by itself; send little at first, and mail that people answer.";
const AUTHENTICATE: &str = "The receiving server wants SPF and DKIM of the sender's domain to pass. \
                            Look at the domain's DNS records (`pillarbox domain list`) and publish what is missing.";
const POINTER: &str = "The box's address has no name in the DNS that leads back to it. \
                       Ask your provider to set the PTR record to the box's name.";
const CONTENT: &str = "The receiving server takes the message for spam or unwanted content. \
                       Write it differently, without unusual links or attachments, or reach the person another way.";

const TABLE: &[Line] = &[
    Line {
        hosts: GOOGLE,
        says: &["5.7.25", "4.7.25", "ptr record"],
        hint: POINTER,
    },
    Line {
        hosts: GOOGLE,
        says: &["5.7.26", "4.7.26", "4.7.27", "5.7.27", "4.7.30", "5.7.30"],
        hint: AUTHENTICATE,
    },
    Line {
        hosts: GOOGLE,
        says: &["4.7.29", "5.7.29"],
        hint: "The receiving server takes mail over TLS only. A route without TLS is in the way.",
    },
    Line {
        hosts: GOOGLE,
        says: &["4.7.28", "unusual rate", "rate limited"],
        hint: NEW_ADDRESS,
    },
    Line {
        hosts: GOOGLE,
        says: &["5.2.2", "4.2.2", "over quota", "out of storage"],
        hint: "The recipient's mailbox is full. Only they can make room.",
    },
    Line {
        hosts: GOOGLE,
        says: &["5.7.0 this message was blocked", "security"],
        hint: "An attachment or link of the message is of a kind that this provider never takes. \
               Send it as a link to a file instead.",
    },
    Line {
        hosts: GOOGLE,
        says: &[
            "low reputation",
            "likely unsolicited",
            "likely suspicious",
            "5.7.1",
        ],
        hint: CONTENT,
    },
    Line {
        hosts: MICROSOFT,
        says: &["5.7.515", "5.7.509"],
        hint: AUTHENTICATE,
    },
    Line {
        hosts: MICROSOFT,
        says: &[
            "s3140",
            "s3150",
            "s3142",
            "block list",
            "banned sending ip",
            "5.7.606",
            "5.7.511",
        ],
        hint: "Microsoft has the box's address or its network on a list of its own. Ask for its removal at \
               https://sender.office.com or https://olcsupport.office.com; a smart host helps meanwhile.",
    },
    Line {
        hosts: MICROSOFT,
        says: &[
            "4.7.650",
            "4.7.651",
            "4.7.500",
            "rp-001",
            "rp-002",
            "rp-003",
            "rate limited",
        ],
        hint: NEW_ADDRESS,
    },
    Line {
        hosts: MICROSOFT,
        says: &["5.4.1", "5.1.10", "access denied"],
        hint: "The address does not exist there, or its organisation takes no mail from outside. Check the address.",
    },
    Line {
        hosts: YAHOO,
        says: &["[ts", "[tss", "temporarily deferred"],
        hint: NEW_ADDRESS,
    },
    Line {
        hosts: YAHOO,
        says: &["5.7.9", "policy reasons", "not accepted for policy"],
        hint: AUTHENTICATE,
    },
    Line {
        hosts: YAHOO,
        says: &[
            "dd requested mail action",
            "dd this user",
            "mailbox not found",
            "not a yahoo",
        ],
        hint: "The address does not exist there. Check it.",
    },
    Line {
        hosts: ANY,
        says: &["pbl.spamhaus", "query/pbl"],
        hint: "The box's address belongs to a network from which no mail servers are expected (Spamhaus PBL). \
               Remove it at https://check.spamhaus.org, or send through a smart host.",
    },
    Line {
        hosts: ANY,
        says: &["spamhaus", "zen.", "[bl21]", "[bl23]"],
        hint: "The box's address is on a list of Spamhaus. https://check.spamhaus.org says why and how to be removed; \
               find out first whether an account or another machine behind the address sends spam.",
    },
    Line {
        hosts: ANY,
        says: &[
            "barracuda",
            "b.barracudacentral",
            "spamcop",
            "sorbs",
            "uceprotect",
            "blocklist",
            "blacklist",
            "rbl",
            "dnsbl",
        ],
        hint: "The box's address is on a blocklist that the receiving server asks; the answer names it, and its site \
               says how to be removed.",
    },
    Line {
        hosts: ANY,
        says: &["greylist", "graylist", "greylisting", "try again later"],
        hint: "The receiving server lets unknown servers wait on purpose. It is tried again by itself in some minutes.",
    },
    Line {
        hosts: ANY,
        says: &[
            "reverse dns",
            "ptr",
            "cannot find your hostname",
            "cannot find your reverse",
            "5.7.25",
        ],
        hint: POINTER,
    },
    Line {
        hosts: ANY,
        says: &[
            "dmarc",
            "5.7.26",
            "5.7.23",
            "spf ",
            "spf:",
            "not authenticated",
        ],
        hint: AUTHENTICATE,
    },
    Line {
        hosts: ANY,
        says: &["spam", "unsolicited", "junk", "content rejected"],
        hint: CONTENT,
    },
    Line {
        hosts: ANY,
        says: &[
            "relay access denied",
            "relaying denied",
            "relay not permitted",
            "not permitted to relay",
        ],
        hint: "The server does not take mail for this domain, although the DNS names it. \
               Tell the recipient, by other means, that the MX record of their domain is wrong.",
    },
    Line {
        hosts: ANY,
        says: &["starttls", "5.7.10", "encryption required"],
        hint: "The receiving server takes mail over TLS only.",
    },
];

/// What the status alone says: subject and detail.
const STATUSES: &[((u16, u16), &str)] = &[
    ((1, 1), "The address does not exist there. Check it."),
    (
        (1, 2),
        "The domain does not exist or takes no mail. Check the address.",
    ),
    (
        (1, 3),
        "The receiving server does not understand the address. Check it.",
    ),
    (
        (1, 6),
        "The mailbox has moved. Ask the recipient for the new address.",
    ),
    (
        (1, 10),
        "The domain says that it takes no mail. Check the address.",
    ),
    (
        (2, 1),
        "The mailbox is switched off at the moment. Only the recipient can change that.",
    ),
    (
        (2, 2),
        "The recipient's mailbox is full. Only they can make room.",
    ),
    (
        (2, 3),
        "The message is larger than the recipient may receive. Send a link to a file instead.",
    ),
    (
        (3, 4),
        "The message is larger than the receiving server takes. Send a link to a file instead.",
    ),
    (
        (4, 4),
        "The receiving domain's DNS records are wrong. Tell its owner by other means.",
    ),
    (
        (4, 6),
        "The message goes in circles between servers. Tell the recipient by other means.",
    ),
    (
        (7, 1),
        "The receiving server does not want this message, from this sender or in general; its own words say more.",
    ),
];

/// What to tell, or nothing where the answer must speak for itself. `host`: the server that spoke.
pub fn hint(host: &str, answer: &Answer) -> Option<&'static str> {
    let (host, text) = (
        host.to_ascii_lowercase(),
        answer.to_string().to_ascii_lowercase(),
    );
    let is_host = |name: &&str| {
        host.strip_suffix(name)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let line = TABLE.iter().find(|line| {
        (line.hosts.is_empty() || line.hosts.iter().any(is_host))
            && line.says.iter().any(|said| text.contains(said))
    });
    line.map(|line| line.hint).or_else(|| by_status(answer))
}

fn by_status(answer: &Answer) -> Option<&'static str> {
    let (_, subject, detail) = answer.status?;
    let found = STATUSES
        .iter()
        .find(|(status, _)| *status == (subject, detail));
    found.map(|(_, hint)| *hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::smtp::AnswerReader;

    fn of(host: &str, line: &str) -> &'static str {
        let answer = AnswerReader::default().line(line.as_bytes(), &mut |_| {});
        hint(host, &answer.unwrap().unwrap()).unwrap_or_default()
    }

    #[test]
    fn what_providers_say_is_understood() {
        let gmail = "gmail-smtp-in.l.google.com";
        assert_eq!(
            of(
                gmail,
                "550 5.7.26 Your email has been blocked because the sender is unauthenticated."
            ),
            AUTHENTICATE
        );
        assert_eq!(
            of(
                gmail,
                "550 5.7.25 The IP address sending this message does not have a PTR record"
            ),
            POINTER
        );
        assert_eq!(
            of(
                gmail,
                "421 4.7.28 Gmail has detected an unusual rate of mail"
            ),
            NEW_ADDRESS
        );
        assert!(
            of(
                gmail,
                "550 5.1.1 The email account that you tried to reach does not exist."
            )
            .contains("does not exist")
        );
        let outlook = "box-de.mail.protection.outlook.com";
        assert!(of(outlook, "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. part of their network is on our block list (S3150)").contains("Microsoft"));
        assert_eq!(
            of(
                outlook,
                "451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation."
            ),
            NEW_ADDRESS
        );
        assert_eq!(
            of(
                outlook,
                "550 5.7.515 Access denied, sending domain box.de doesn't meet the required authentication level."
            ),
            AUTHENTICATE
        );
        let yahoo = "mta7.am0.yahoodns.net";
        assert_eq!(
            of(
                yahoo,
                "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume"
            ),
            NEW_ADDRESS
        );
        assert!(of("mx.b.de", "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/pbl").contains("PBL"));
        assert!(of("mx.b.de", "550 blocked using zen.spamhaus.org").contains("Spamhaus"));
        assert!(of("mx.b.de", "450 4.2.0 Greylisted, see http://x").contains("wait on purpose"));
    }

    #[test]
    fn the_status_speaks_where_the_words_do_not() {
        assert!(of("mx.b.de", "452 4.2.2 no").contains("full"));
        assert_eq!(of("mx.b.de", "550 nein"), "");
        // A name that only looks like one of theirs.
        assert_ne!(of("notgoogle.com", "550 5.7.26 x"), "");
        assert!(!of("evilgoogle.com", "421 4.7.28 x").contains("little good"));
    }
}
