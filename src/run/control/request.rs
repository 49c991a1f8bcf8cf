//! What may be asked over the control socket, one JSON object a line, and what comes back: a line for each row of a
//! list, then one that ends the answer.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroize;

/// A password in a request; wiped when it is dropped.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// One request. Names and addresses are as a person typed them; lists go on behind `after` (0: from the first row).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case", deny_unknown_fields)]
#[allow(missing_docs)] // The verbs and words of the command line, explained by their `--help`.
pub enum Request {
    DomainAdd {
        name: String,
        mirror: Option<String>,
    },
    DomainList {
        after: u64,
    },
    DomainRemove {
        name: String,
    },
    AccountAdd {
        name: String,
        password: Secret,
        quota_bytes: Option<u64>,
    },
    AccountList {
        after: u64,
    },
    /// Whether there is such an account: asked before a person types a password for it.
    AccountFind {
        name: String,
    },
    AccountRemove {
        name: String,
        aliases: OnAliases,
    },
    AccountPassword {
        name: String,
        password: Secret,
    },
    AccountEnable {
        name: String,
    },
    AccountDisable {
        name: String,
    },
    AccountQuota {
        name: String,
        quota_bytes: Option<u64>,
    },
    AccountOwner {
        name: String,
    },
    AliasAdd {
        alias: String,
        targets: Vec<String>,
    },
    AliasList {
        after: u64,
    },
    AliasRemove {
        alias: String,
        targets: Vec<String>,
    },
    AliasReject {
        address: String,
    },
    QueueList {
        after: u64,
    },
    QueueShow {
        id: u64,
    },
    QueueDrop {
        id: u64,
    },
    ReportsList {
        after: u64,
    },
    /// `after`: rows of the report to pass over.
    ReportsShow {
        id: u64,
        after: u64,
    },
    ReportsSent {
        after: u64,
    },
    ReportsPending {
        after: u64,
    },
    MailExpunged {
        account: String,
    },
    MailUndelete {
        account: String,
        /// Email ids in hex; all of the account's when empty.
        emails: Vec<String>,
    },
}

/// What `account remove` does with aliases that lead to the account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnAliases {
    /// It refuses.
    Refuse,
    /// They lose this target.
    Drop,
}

/// What was done or found.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Answer {
    /// At most `CONTROL_ROWS_MAX`, each an object that fits into a line.
    pub rows: Vec<Value>,
    /// The rest of it.
    pub end: End,
}

/// The line that ends an answer.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct End {
    /// What else changed by it, in words for a person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// There are more rows: ask again with this as `after`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// How many messages or recipients it concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

/// One line of an answer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// One of a list.
    Row(Value),
    /// It was done.
    Done(End),
    /// It was not done; why, for a person.
    Error(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_objects_with_a_verb() {
        let text = r#"{"verb":"alias-add","alias":"a@b.test","targets":["c@b.test"]}"#;
        let request: Request = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&request).unwrap(), text);
        for wrong in [
            r#"{"verb":"alias-add","alias":"a@b.test"}"#,
            r#"{"verb":"alias-list","after":0,"more":1}"#,
            r#"{"verb":"reboot"}"#,
            "[]",
        ] {
            assert!(serde_json::from_str::<Request>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn answers_end_with_done_or_error() {
        let done = serde_json::to_string(&Line::Done(End::default())).unwrap();
        assert_eq!(done, r#"{"done":{}}"#);
        let error: Line = serde_json::from_str(r#"{"error":"no"}"#).unwrap();
        assert_eq!(error, Line::Error("no".into()));
    }

    #[test]
    fn a_password_is_not_shown() {
        let request = Request::AccountPassword {
            name: "a@b.test".into(),
            password: Secret("hunter2".into()),
        };
        assert!(!format!("{request:?}").contains("hunter2"));
    }
}
