//! What `try` prints: a page for a person, or one line of JSON for a program.

use super::Ready;
use std::fmt::Write;
use std::net::SocketAddr;

/// Memory of this process as the kernel counts it, KiB.
pub struct Memory {
    /// Proportional set size.
    pub pss_kib: u64,
    /// Anonymous and shared memory: what is really held, no file cache.
    pub held_kib: u64,
}

/// Reads the kernel's own sum of all mappings; None where it does not tell.
pub fn memory() -> Option<Memory> {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").ok()?;
    let field = |name: &str| -> Option<u64> {
        let line = rollup.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    let held = field("Anonymous:")? + field("Pss_Shmem:").unwrap_or(0);
    Some(Memory {
        pss_kib: field("Pss:")?,
        held_kib: held,
    })
}

/// `host:port` of each service, as `--json` gives them.
pub fn json(ready: &Ready) -> String {
    let at = |address: SocketAddr| address.to_string();
    serde_json::json!({
        "smtp": at(ready.smtp),
        "submission": at(ready.submission),
        "submissions": at(ready.submissions),
        "imap": at(ready.imap),
        "imaps": at(ready.imaps),
        "account": ready.account,
        "password": ready.password,
        "certificate": ready.certificate,
        "data": ready.data,
        "pid": std::process::id(),
    })
    .to_string()
}

/// The page for a person.
pub fn page(ready: &Ready) -> String {
    let mut page = String::new();
    let mut line = |text: String| {
        page.push_str(&text);
        page.push('\n');
    };
    let Ready {
        account, password, ..
    } = ready;
    let certificate = ready.certificate.display();
    line(String::new());
    line(format!(
        "A whole mail server is running in {}",
        ready.data.display()
    ));
    line(String::new());
    for (what, took) in &ready.steps {
        line(format!("  {:>7.1} ms  {what}", took.as_secs_f64() * 1000.0));
    }
    if let Some(memory) = memory() {
        let mib = |kib: u64| kib as f64 / 1024.0;
        line(format!(
            "  this process uses {:.1} MiB (PSS), {:.1} MiB of it held for itself",
            mib(memory.pss_kib),
            mib(memory.held_kib)
        ));
    }
    line(String::new());
    line(format!("  account      {account}"));
    line(format!("  password     {password}"));
    line(format!("  certificate  {certificate}"));
    let services = [
        ("smtp", ready.smtp, "mail from elsewhere, STARTTLS"),
        (
            "submission",
            ready.submission,
            "your mail program sends, STARTTLS",
        ),
        (
            "submissions",
            ready.submissions,
            "the same, TLS from the start",
        ),
        ("imap", ready.imap, "your mail program reads, STARTTLS"),
        ("imaps", ready.imaps, "the same, TLS from the start"),
    ];
    for (name, address, what) in services {
        line(format!("  {name:<12} {:<18} {what}", address.to_string()));
    }
    line(String::new());
    line("Send it a message (swaks):".into());
    line(format!(
        "  swaks --server {} --tls --to {account} --from me@example.org",
        ready.smtp
    ));
    line("Send as the account, and read INBOX (curl):".into());
    line(format!(
        "  printf 'From: {account}\\r\\nTo: {account}\\r\\nSubject: hello\\r\\n\\r\\nhi\\r\\n' | \\\n    curl --cacert {certificate} --user '{account}:{password}' --mail-from {account} --mail-rcpt {account} \\\n    --upload-file - smtps://localhost:{}",
        ready.submissions.port()
    ));
    line(format!(
        "  curl --cacert {certificate} --user '{account}:{password}' 'imaps://localhost:{}/INBOX;UID=1'",
        ready.imaps.port()
    ));
    line("Thunderbird (Account Settings, add an account, manual configuration):".into());
    line(format!(
        "  incoming IMAP 127.0.0.1 port {}, SSL/TLS; outgoing SMTP 127.0.0.1 port {}, SSL/TLS;",
        ready.imaps.port(),
        ready.submissions.port()
    ));
    line(format!(
        "  normal password, user name {account}; confirm the exception for the certificate made here."
    ));
    line(String::new());
    line("Ctrl-C ends it; the next run finds the same mail.".into());
    page
}

/// The welcome message; `identity` makes its Message-ID, `date` is RFC 5322.
pub fn welcome(account: &str, message_id: &str, date: &str) -> String {
    let mut text = String::new();
    let _ = write!(
        text,
        "From: Pillarbox <postmaster@box.test>\r\nTo: <{account}>\r\nSubject: Welcome to your own mail server\r\n\
         Date: {date}\r\nMessage-ID: {message_id}\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
         Hello,\r\n\r\n\
         this message came in through SMTP with STARTTLS, was written to the log on your disk and flushed\r\n\
         before the server said \"250\", and you are reading it through IMAP. That is all there is to it:\r\n\
         one process, one data directory.\r\n\r\n\
         Next: the file README.md says how to run it for real.\r\n"
    );
    text
}
