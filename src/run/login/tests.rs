use super::*;
use crate::limits::LOGIN_FAILURES_MAX;
use crate::run::password::Hasher;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

type Accounts = Arc<Mutex<HashMap<String, Credential>>>;

const HOME: &str = "192.0.2.1";

struct Fixture {
    login: Login,
    accounts: Accounts,
    lookups: Arc<AtomicUsize>,
    start: Instant,
}

impl Fixture {
    fn new(users: &[(&str, &str)]) -> Fixture {
        let mut hasher = Hasher::new().unwrap();
        let credential = |(n, (user, password)): (usize, &(&str, &str))| {
            let credential = Credential {
                account: AccountId(n as u64 + 1),
                name: Address::parse(user).unwrap(),
                phc: hasher.create(password.as_bytes()).unwrap(),
                version: 1,
                disabled: false,
            };
            (user.to_string(), credential)
        };
        let accounts: Accounts = Arc::new(Mutex::new(
            users.iter().enumerate().map(credential).collect(),
        ));
        let lookups = Arc::new(AtomicUsize::new(0));
        let (known, counted) = (accounts.clone(), lookups.clone());
        let login = Login::over(Box::new(move |user| {
            counted.fetch_add(1, Ordering::Relaxed);
            let found = known.lock().unwrap().get(&*user).cloned();
            Box::pin(async move { Ok(found) })
        }));
        Fixture {
            login,
            accounts,
            lookups,
            start: Instant::now(),
        }
    }

    /// One attempt `secs` after the start.
    async fn at(
        &self,
        secs: u64,
        peer: &str,
        user: &str,
        password: &str,
    ) -> Result<LoggedIn, LoginRefused> {
        let now = self.start + Duration::from_secs(secs);
        self.login
            .verify(peer.parse().unwrap(), user, password.as_bytes(), now)
            .await
    }

    fn change(&self, user: &str, change: impl FnOnce(&mut Credential)) {
        let mut accounts = self.accounts.lock().unwrap();
        let credential = accounts.get_mut(user).unwrap();
        credential.version += 1;
        change(credential);
        self.login
            .credential_changed(credential.account, credential.version);
    }
}

fn refusal(result: Result<LoggedIn, LoginRefused>) -> LoginRefused {
    result.expect_err("the login must be refused")
}

#[tokio::test(flavor = "current_thread")]
async fn an_address_fails_five_times_a_minute() {
    let box_ = Fixture::new(&[("ana@a.test", "right")]);
    for n in 0..LOGIN_FAILURES_MAX {
        // Unknown users and real ones count alike, also from the other addresses of a /64.
        let (peer, user) = [("2001:db8::1", "ana@a.test"), ("2001:db8::2", "nobody")][n % 2];
        assert_eq!(
            refusal(box_.at(0, peer, user, "wrong").await),
            LoginRefused::Wrong,
            "{n}"
        );
    }
    let looked = box_.lookups.load(Ordering::Relaxed);
    assert_eq!(
        refusal(box_.at(1, "2001:db8::3", "ana@a.test", "right").await),
        LoginRefused::TryLater
    );
    assert_eq!(
        box_.lookups.load(Ordering::Relaxed),
        looked,
        "refused before anything is looked at"
    );
    assert!(
        box_.at(1, "2001:db8:0:1::1", "ana@a.test", "right")
            .await
            .is_ok()
    );
    assert!(
        box_.at(61, "2001:db8::3", "ana@a.test", "right")
            .await
            .is_ok()
    );
}

#[tokio::test(flavor = "current_thread")]
async fn an_account_fails_five_times_a_minute_and_is_known_where_it_logged_in() {
    let box_ = Fixture::new(&[("ana@a.test", "right"), ("ben@a.test", "ben's")]);
    assert!(box_.at(0, HOME, "ana@a.test", "right").await.is_ok());
    for n in 0..LOGIN_FAILURES_MAX {
        let peer = format!("198.51.100.{n}");
        assert_eq!(
            refusal(box_.at(0, &peer, "ana@a.test", "wrong").await),
            LoginRefused::Wrong
        );
    }
    assert_eq!(
        refusal(box_.at(1, "198.51.100.9", "ana@a.test", "right").await),
        LoginRefused::TryLater
    );
    assert!(
        box_.at(1, HOME, "ana@a.test", "right").await.is_ok(),
        "remembered there"
    );
    assert_eq!(
        refusal(box_.at(1, HOME, "ana@a.test", "wrong").await),
        LoginRefused::TryLater
    );
    assert!(
        box_.at(1, "198.51.100.9", "ben@a.test", "ben's")
            .await
            .is_ok()
    );
    assert!(
        box_.at(61, "198.51.100.9", "ana@a.test", "right")
            .await
            .is_ok()
    );
}

#[tokio::test(flavor = "current_thread")]
async fn four_failures_are_forgiven() {
    let box_ = Fixture::new(&[("ana@a.test", "right")]);
    for _ in 0..LOGIN_FAILURES_MAX - 1 {
        assert!(box_.at(0, HOME, "ana@a.test", "wrong").await.is_err());
    }
    for _ in 0..10 {
        assert!(
            box_.at(0, HOME, "ana@a.test", "right").await.is_ok(),
            "right ones do not count"
        );
    }
    assert_eq!(
        refusal(box_.at(0, HOME, "ana@a.test", "wrong").await),
        LoginRefused::Wrong
    );
    assert_eq!(
        refusal(box_.at(0, HOME, "ana@a.test", "right").await),
        LoginRefused::TryLater
    );
}

#[tokio::test(flavor = "current_thread")]
async fn attempts_side_by_side_do_not_pass_the_limit_together() {
    let box_ = Fixture::new(&[("ana@a.test", "right")]);
    let peers: Vec<String> = (0..12).map(|n| format!("203.0.113.{n}")).collect();
    let mut wrong = 0;
    let attempts: Vec<_> = peers
        .iter()
        .map(|p| Box::pin(box_.at(0, p, "ana@a.test", "wrong")))
        .collect();
    for answer in all(attempts).await {
        wrong += usize::from(refusal(answer) == LoginRefused::Wrong);
    }
    assert_eq!(wrong, LOGIN_FAILURES_MAX);
    let same: Vec<_> = (0..12)
        .map(|_| Box::pin(box_.at(61, HOME, "nobody", "wrong")))
        .collect();
    let wrong = all(same)
        .await
        .into_iter()
        .filter(|a| matches!(a, Err(LoginRefused::Wrong)))
        .count();
    assert_eq!(wrong, LOGIN_FAILURES_MAX);
}

#[tokio::test(flavor = "current_thread")]
async fn a_client_may_open_many_connections_at_once() {
    let box_ = Fixture::new(&[("ana@a.test", "right")]);
    let attempts: Vec<_> = (0..100)
        .map(|_| Box::pin(box_.at(0, HOME, "ana@a.test", "right")))
        .collect();
    assert!(all(attempts).await.iter().all(Result::is_ok));
}

#[tokio::test(flavor = "current_thread")]
async fn the_wait_list_is_short() {
    let box_ = Fixture::new(&[]);
    let peers: Vec<String> = (0..LOGIN_WAITING_MAX + 3)
        .map(|n| format!("203.0.113.{n}"))
        .collect();
    let users: Vec<String> = (0..peers.len()).map(|n| format!("user{n}")).collect();
    let attempts: Vec<_> = peers
        .iter()
        .zip(&users)
        .map(|(p, u)| Box::pin(box_.at(0, p, u, "wrong")))
        .collect();
    let answers = all(attempts).await;
    let later = answers
        .iter()
        .filter(|a| matches!(a, Err(LoginRefused::TryLater)))
        .count();
    assert_eq!(later, 3);
}

#[tokio::test(flavor = "current_thread")]
async fn a_changed_password_ends_sessions_and_is_in_force_at_once() {
    let box_ = Fixture::new(&[("ana@a.test", "old")]);
    let mut session = box_.at(0, HOME, "ana@a.test", "old").await.unwrap();
    assert!(!session.watch.is_revoked());
    let phc = box_
        .login
        .new_password(Zeroizing::new(b"new".to_vec()))
        .await
        .unwrap();
    box_.change("ana@a.test", |c| c.phc = phc);
    session.watch.revoked().await;
    assert_eq!(
        refusal(box_.at(1, HOME, "ana@a.test", "old").await),
        LoginRefused::Wrong
    );
    let session = box_.at(1, HOME, "ana@a.test", "new").await.unwrap();
    assert_eq!((session.version, session.watch.is_revoked()), (2, false));
}

#[tokio::test(flavor = "current_thread")]
async fn a_disabled_account_says_so_only_to_the_right_password() {
    let box_ = Fixture::new(&[("ana@a.test", "right")]);
    let session = box_.at(0, HOME, "ana@a.test", "right").await.unwrap();
    box_.change("ana@a.test", |c| c.disabled = true);
    assert!(session.watch.is_revoked());
    assert_eq!(
        refusal(box_.at(1, HOME, "ana@a.test", "right").await),
        LoginRefused::Disabled
    );
    assert_eq!(
        refusal(box_.at(1, HOME, "ana@a.test", "wrong").await),
        LoginRefused::Wrong
    );
    box_.change("ana@a.test", |c| c.disabled = false);
    assert!(box_.at(1, HOME, "ana@a.test", "right").await.is_ok());
}

#[tokio::test(flavor = "current_thread")]
async fn a_password_that_is_too_long_is_wrong() {
    let longest = "x".repeat(PASSWORD_BYTES_MAX);
    let box_ = Fixture::new(&[("ana@a.test", &longest)]);
    assert!(box_.at(0, HOME, "ana@a.test", &longest).await.is_ok());
    assert_eq!(
        refusal(box_.at(0, HOME, "ana@a.test", &format!("{longest}x")).await),
        LoginRefused::Wrong
    );
    assert_eq!(
        refusal(box_.at(0, HOME, "ana@a.test", &longest[1..]).await),
        LoginRefused::Wrong
    );
}

#[test]
fn addresses_by_what_a_stranger_can_choose() {
    let key = |text: &str| address_key(text.parse().unwrap());
    assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1:2:3"));
    assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
    assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
    assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    assert_ne!(key("::1"), key("0.0.0.0"));
}

/// Polls all of them until all are done, in order.
async fn all<F: Future + Unpin>(mut futures: Vec<F>) -> Vec<F::Output> {
    let mut done: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(move |context| {
        for (future, done) in futures.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(output) = Pin::new(future).poll(context)
            {
                *done = Some(output);
            }
        }
        match done.iter().all(Option::is_some) {
            true => std::task::Poll::Ready(done.iter_mut().filter_map(Option::take).collect()),
            false => std::task::Poll::Pending,
        }
    })
    .await
}

#[test]
fn a_strangers_name_is_one_short_line_of_the_log() {
    let most = "a".repeat(LOG_NAME_CHARS_MAX);
    assert_eq!(shown(&most), format!("\"{most}\""));
    assert_eq!(shown(&format!("{most}a")), format!("\"{most}\""));
    assert_eq!(shown("x\n1 smtp \u{1b}[2J"), r#""x\n1 smtp \u{1b}[2J""#);
}
