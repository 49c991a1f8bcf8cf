//! `pillarbox account add | list | remove | password | enable | disable | quota | owner`.

use super::arguments::{Arguments, Known, misunderstood, size};
use super::ask::{Door, report};
use super::password::{self, NewPassword};
use super::table::{Column, octets, table, text, time};
use super::{Failure, print};
use crate::run::control::{Answer, OnAliases, Request};
use serde_json::json;

/// `--help`.
pub const HELP: &str = "\
usage: pillarbox account add ADDRESS [--generate | --password-stdin] [--quota SIZE]
       pillarbox account list
       pillarbox account remove ADDRESS [--drop-aliases] [--yes]
       pillarbox account password ADDRESS [--generate | --password-stdin]
       pillarbox account disable ADDRESS
       pillarbox account enable ADDRESS
       pillarbox account quota ADDRESS SIZE|none
       pillarbox account owner ADDRESS

An account is a person's login; its address is the login name. Without --generate (which
prints a new password) and --password-stdin, the password is asked for. A new password and
`disable` end the account's sessions at once; a disabled account still receives mail. The
first account is the owner of the box: mail to postmaster and abuse of every domain goes
there. `remove` removes all its mail. SIZE is in octets, or with K, M or G.

options, for every command on a box:
  --config FILE   the box's configuration (default: /etc/pillarbox/pillarbox.toml)
  --data DIR      its data directory instead
  --json          the answer as JSON

example:
  pillarbox account add ana@example.org --generate
  pillarbox account add ben@example.org --password-stdin --quota 2G < password
";

const KNOWN: Known = Known {
    plain: &[
        password::OPTIONS[0],
        password::OPTIONS[1],
        "drop-aliases",
        "yes",
    ],
    valued: &["quota"],
};

const COLUMNS: &[Column] = &[
    ("ACCOUNT", |row| text(row, "account")),
    ("LOGIN", |row| match row["disabled"].as_bool() {
        Some(true) => "disabled".into(),
        _ => "enabled".into(),
    }),
    ("QUOTA", |row| octets(row, "quota-bytes")),
    ("SINCE", |row| {
        time(row["created-secs"].as_i64().unwrap_or(0))
    }),
    ("", |row| match row["owner"].as_bool() {
        Some(true) => "owner".into(),
        _ => String::new(),
    }),
];

/// Runs the verb.
pub fn run(parser: lexopt::Parser) -> Result<(), Failure> {
    let arguments = Arguments::parse(parser, &KNOWN)?;
    let words = arguments.words();
    match words.as_slice() {
        ["add", name] => add(&arguments, name),
        ["password", name] => new_password(&arguments, name),
        ["remove", name] => remove(&arguments, name),
        ["list"] => {
            let rows = Door::open(&arguments)?.ask_all(|after| Request::AccountList { after })?;
            if arguments.json {
                return print(&format!("{}\n", json!(rows)));
            }
            print(&table(
                &rows,
                COLUMNS,
                "no account yet; `pillarbox account add ADDRESS` makes one",
            ))
        }
        ["enable", name] => {
            let request = Request::AccountEnable {
                name: (*name).to_owned(),
            };
            simple(&arguments, request, &format!("{name} may log in"))
        }
        ["disable", name] => {
            let request = Request::AccountDisable {
                name: (*name).to_owned(),
            };
            simple(
                &arguments,
                request,
                &format!("{name} may not log in any more; mail to it is still received"),
            )
        }
        ["quota", name, quota] => {
            let request = Request::AccountQuota {
                name: (*name).to_owned(),
                quota_bytes: size(quota)?,
            };
            simple(
                &arguments,
                request,
                &format!("the quota of {name} is {quota} now"),
            )
        }
        ["owner", name] => {
            let request = Request::AccountOwner {
                name: (*name).to_owned(),
            };
            simple(
                &arguments,
                request,
                &format!("{name} is the owner of this box"),
            )
        }
        words => Err(misunderstood("account", words, HELP)),
    }
}

fn simple(arguments: &Arguments, request: Request, sentence: &str) -> Result<(), Failure> {
    let answer = Door::open(arguments)?.ask(request)?;
    report(arguments, sentence, &answer.end)
}

fn add(arguments: &Arguments, name: &str) -> Result<(), Failure> {
    let quota_bytes = arguments.value("quota").map(size).transpose()?.flatten();
    // The box is opened first: nobody types a password for nothing.
    let mut door = Door::open(arguments)?;
    let new = password::obtain(arguments, name)?;
    let request = Request::AccountAdd {
        name: name.to_owned(),
        password: new.secret.clone(),
        quota_bytes,
    };
    let answer = door.ask(request)?;
    with_password(
        arguments,
        &format!("account {name} is ready"),
        &answer,
        &new,
    )
}

fn new_password(arguments: &Arguments, name: &str) -> Result<(), Failure> {
    let mut door = Door::open(arguments)?;
    door.ask(Request::AccountFind {
        name: name.to_owned(),
    })?;
    let new = password::obtain(arguments, name)?;
    let request = Request::AccountPassword {
        name: name.to_owned(),
        password: new.secret.clone(),
    };
    let answer = door.ask(request)?;
    let sentence = format!("{name} has a new password; its sessions have ended");
    with_password(arguments, &sentence, &answer, &new)
}

fn with_password(
    arguments: &Arguments,
    sentence: &str,
    answer: &Answer,
    new: &NewPassword,
) -> Result<(), Failure> {
    if !new.generated {
        return report(arguments, sentence, &answer.end);
    }
    if arguments.json {
        let mut value = json!(answer.end);
        value["ok"] = true.into();
        value["password"] = new.secret.0.as_str().into();
        return print(&format!("{value}\n"));
    }
    report(
        arguments,
        &format!("{sentence}\npassword: {}", new.secret.0),
        &answer.end,
    )
}

fn remove(arguments: &Arguments, name: &str) -> Result<(), Failure> {
    let question = format!("Remove account {name} and all its mail? It cannot come back.");
    if !arguments.has("yes") && !password::confirmed(&question) {
        return Err(Failure::usage(format!(
            "nothing was changed: removing {name} removes all its mail; say so with --yes"
        )));
    }
    let aliases = match arguments.has("drop-aliases") {
        true => OnAliases::Drop,
        false => OnAliases::Refuse,
    };
    let request = Request::AccountRemove {
        name: name.to_owned(),
        aliases,
    };
    let answer = Door::open(arguments)?.ask(request)?;
    let messages = answer.end.count.unwrap_or(0);
    report(
        arguments,
        &format!("account {name} and its {messages} messages are removed"),
        &answer.end,
    )
}
