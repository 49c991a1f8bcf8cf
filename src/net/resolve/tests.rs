//! The resolver against servers in this process: a root on 127.0.0.1, others beside it on the same port. Nothing is
//! signed here (tests/dns does that), so most lookups are made with a clock that is not set.

use super::*;
use crate::limits::{DNS_ALIASES_MAX, DNS_UNREACHABLE_SECS};
use crate::wire::dns::Kind;
use hickory_resolver::proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, CNAME, NS, SOA};
use hickory_resolver::proto::rr::{Name as WireName, RData, Record as WireRecord};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

/// What a server does with a query: messages to send, one after the other.
type Answers = Arc<dyn Fn(&Message) -> Vec<Message> + Send + Sync>;

/// Servers on one port.
struct World {
    port: u16,
    asked: Arc<AtomicUsize>,
}

impl World {
    /// With a root that refers everything to 127.0.0.2 and 127.0.0.3.
    async fn new() -> World {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let asked = Arc::default();
        let world = World {
            port: socket.local_addr().unwrap().port(),
            asked,
        };
        world.run(socket, Arc::new(|query| vec![root(query)])).await;
        world
    }

    /// A server on 127.0.0.`last`.
    async fn serve(
        &self,
        last: u8,
        answers: impl Fn(&Message) -> Vec<Message> + Send + Sync + 'static,
    ) {
        let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, last), self.port))
            .await
            .unwrap();
        self.run(socket, Arc::new(answers)).await;
    }

    async fn run(&self, socket: UdpSocket, answers: Answers) {
        let listener = TcpListener::bind(socket.local_addr().unwrap())
            .await
            .unwrap();
        let (asked, over_tcp) = (self.asked.clone(), answers.clone());
        tokio::spawn(async move {
            let mut buffer = [0; 2048];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                asked.fetch_add(1, Relaxed);
                let query = Message::from_vec(&buffer[..length]).unwrap();
                for answer in answers(&query) {
                    let _ = socket.send_to(&answer.to_vec().unwrap(), from).await;
                }
            }
        });
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let length = stream.read_u16().await.unwrap();
                let mut octets = vec![0; usize::from(length)];
                stream.read_exact(&mut octets).await.unwrap();
                let query = Message::from_vec(&octets).unwrap();
                for mut answer in over_tcp(&query) {
                    answer.metadata.truncation = false;
                    let octets = answer.to_vec().unwrap();
                    stream.write_u16(octets.len() as u16).await.unwrap();
                    stream.write_all(&octets).await.unwrap();
                }
            }
        });
    }

    /// A resolver of this world; None: the clock is not set.
    fn resolver(&self, clock: Option<Arc<AtomicBool>>) -> Resolver {
        let mut setup = Setup::new(Source::Recurse {
            roots: vec![SocketAddr::from(([127, 0, 0, 1], self.port))],
            anchors: String::new(),
            ipv6: false,
            private_servers: true,
        });
        setup.clock_is_sane =
            Arc::new(move || clock.as_ref().is_some_and(|sane| sane.load(Relaxed)));
        Resolver::with(setup).unwrap()
    }

    fn asked(&self) -> usize {
        self.asked.load(Relaxed)
    }
}

fn answer(query: &Message) -> Message {
    let mut answer = Message::query().into_response();
    answer.metadata.id = query.metadata.id;
    answer.metadata.message_type = MessageType::Response;
    answer.metadata.authoritative = true;
    answer.queries = query.queries.clone();
    answer
}

fn asked(query: &Message) -> &Query {
    &query.queries[0]
}

fn name(text: &str) -> WireName {
    WireName::from_ascii(format!("{text}.")).unwrap()
}

fn record(owner: &WireName, ttl: u32, data: RData) -> WireRecord {
    WireRecord::from_rdata(owner.clone(), ttl, data)
}

fn a(last: u8) -> RData {
    RData::A(A::new(192, 0, 2, last))
}

fn root(query: &Message) -> Message {
    let mut said = answer(query);
    let test = name("test");
    if !test.zone_of(&asked(query).name) {
        said.answers.push(record(
            &WireName::root(),
            600,
            RData::NS(NS(name("ns.root"))),
        ));
        return said;
    }
    said.metadata.authoritative = false;
    for (host, last) in [("ns1.test", 2), ("ns2.test", 3)] {
        said.authorities
            .push(record(&test, 600, RData::NS(NS(name(host)))));
        said.additionals
            .push(record(&name(host), 600, RData::A(A::new(127, 0, 0, last))));
    }
    said
}

/// What a server of `test` knows: every name has an address, those that begin with `no` do not exist.
fn zone(query: &Message) -> Message {
    let mut said = answer(query);
    let Query {
        name: owner,
        query_type,
        ..
    } = asked(query).clone();
    let text = owner.to_ascii().to_lowercase();
    let soa = SOA::new(name("ns1.test"), name("h.test"), 1, 1, 1, 1, 30);
    let soa = record(&name("test"), 60, RData::SOA(soa));
    if text.starts_with("no") {
        said.metadata.response_code = ResponseCode::NXDomain;
        said.authorities.push(soa);
    } else if let Some(n) = text
        .strip_prefix("alias")
        .and_then(|rest| rest.strip_suffix(".test."))
    {
        let next = match n.parse::<u32>().unwrap() {
            0 => "host.test".to_string(),
            n => format!("alias{}.test", n - 1),
        };
        said.answers
            .push(record(&owner, 50, RData::CNAME(CNAME(name(&next)))));
    } else if query_type == hickory_resolver::proto::rr::RecordType::A {
        said.answers.push(record(&owner, 100, a(7)));
    } else {
        said.authorities.push(soa);
    }
    said
}

fn question(text: &str) -> Question {
    Question::new(Name::parse(text).unwrap(), Kind::A)
}

fn address(answer: &Answer) -> Option<Ipv4Addr> {
    match answer.records() {
        [Record::A(ip)] => Some(*ip),
        _ => None,
    }
}

fn trouble(answer: &Answer) -> TroubleKind {
    match &answer.outcome {
        Outcome::Trouble(trouble) => trouble.kind,
        other => panic!("{other:?}"),
    }
}

const SEVEN: Option<Ipv4Addr> = Some(Ipv4Addr::new(192, 0, 2, 7));

#[tokio::test]
async fn answers_are_remembered_and_their_time_runs() {
    let world = World::new().await;
    for last in [2, 3] {
        world.serve(last, |query| vec![zone(query)]).await;
    }
    let resolver = world.resolver(None);
    let first = resolver.lookup(question("host.test")).await;
    assert_eq!((address(&first), first.ttl_secs), (SEVEN, 100));
    assert_eq!(
        first.security,
        Security::Indeterminate,
        "the clock is not set"
    );
    let gone = resolver.lookup(question("nothing.test")).await;
    assert_eq!((gone.outcome, gone.ttl_secs), (Outcome::NoSuchName, 30));
    let nothing = Question {
        kind: Kind::Mx,
        ..question("host.test")
    };
    assert_eq!(resolver.lookup(nothing).await.outcome, Outcome::NoData);
    let alias = resolver.lookup(question("alias0.test")).await;
    assert_eq!(
        (address(&alias), alias.ttl_secs),
        (SEVEN, 50),
        "the least of the chain"
    );
    let asked = world.asked();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(25)).await;
    // A paused clock may jump to a timer of a task that ends.
    let left = |answer: Answer| answer.ttl_secs;
    assert!((70..=75).contains(&left(resolver.lookup(question("HOST.test.")).await)));
    assert!((1..=5).contains(&left(resolver.lookup(question("nothing.test")).await)));
    assert_eq!(world.asked(), asked);
    tokio::time::advance(Duration::from_secs(75)).await;
    tokio::time::resume();
    assert_eq!(resolver.lookup(question("host.test")).await.ttl_secs, 100);
    assert_eq!(world.asked(), asked + 1, "straight to the zone's servers");
    resolver.lookup_past_cache(question("host.test")).await;
    assert_eq!(world.asked(), asked + 2);
    assert_eq!(resolver.counts().hits.load(Relaxed), 2);
}

#[tokio::test]
async fn equal_questions_are_one_and_outlive_their_asker() {
    let world = World::new().await;
    let times = Arc::new(AtomicUsize::new(0));
    for last in [2, 3] {
        let times = times.clone();
        // Silent the first time: there is time for all of them to come.
        world
            .serve(last, move |query| match times.fetch_add(1, Relaxed) {
                0 => Vec::new(),
                _ => vec![zone(query)],
            })
            .await;
    }
    let resolver = world.resolver(None);
    let ask = || {
        let resolver = resolver.clone();
        tokio::spawn(async move { resolver.lookup(question("host.test")).await })
    };
    let first = ask();
    while times.load(Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    let others: Vec<_> = (0..20).map(|_| ask()).collect();
    tokio::task::yield_now().await;
    first.abort();
    for other in others {
        assert_eq!(address(&other.await.unwrap()), SEVEN);
    }
    assert_eq!(times.load(Relaxed), 2, "one query, and once again");
    assert_eq!(resolver.counts().lookups.load(Relaxed), 1);
}

#[tokio::test]
async fn questions_under_way_are_bounded() {
    let world = World::new().await;
    for last in [2, 3] {
        world.serve(last, |_| Vec::new()).await;
    }
    let resolver = world.resolver(None);
    let ask = |n: usize| {
        let resolver = resolver.clone();
        tokio::spawn(async move { resolver.lookup(question(&format!("h{n}.test"))).await })
    };
    let waiting: Vec<_> = (0..DNS_QUESTIONS_MAX).map(ask).collect();
    while lock(&resolver.shared.under_way).len() < DNS_QUESTIONS_MAX {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        trouble(&ask(DNS_QUESTIONS_MAX).await.unwrap()),
        TroubleKind::Busy
    );
    assert!(
        waiting.iter().all(|task| !task.is_finished()),
        "up to the bound they wait"
    );
    for task in &waiting {
        task.abort();
    }
}

#[tokio::test]
async fn the_next_server_is_asked_where_one_is_silent_or_lame() {
    let refused = |query: &Message| {
        let mut said = answer(query);
        said.metadata.response_code = ResponseCode::Refused;
        vec![said]
    };
    let silent = |_: &Message| Vec::new();
    let upward = |query: &Message| {
        let mut said = answer(query);
        said.metadata.authoritative = false;
        said.authorities
            .push(record(&WireName::root(), 1, RData::NS(NS(name("ns.root")))));
        vec![said]
    };
    let bad: [Answers; 3] = [Arc::new(refused), Arc::new(silent), Arc::new(upward)];
    for bad in bad {
        let world = World::new().await;
        world.serve(2, move |query| bad(query)).await;
        world.serve(3, |query| vec![zone(query)]).await;
        let resolver = world.resolver(None);
        for host in ["a.test", "b.test", "c.test"] {
            assert_eq!(address(&resolver.lookup(question(host)).await), SEVEN);
        }
    }
}

#[tokio::test]
async fn forged_answers_are_ignored() {
    let world = World::new().await;
    let forge = |query: &Message| {
        let forged = |change: fn(&mut Message)| {
            let mut said = zone(query);
            said.answers
                .iter_mut()
                .for_each(|record| record.data = a(66));
            change(&mut said);
            said
        };
        vec![
            forged(|said| said.metadata.id ^= 1),
            forged(|said| said.queries[0].name = name("other.test")),
            forged(|said| said.metadata.message_type = MessageType::Query),
            zone(query),
        ]
    };
    for last in [2, 3] {
        world.serve(last, forge).await;
    }
    let found = world.resolver(None).lookup(question("host.test")).await;
    assert_eq!(address(&found), SEVEN);
}

#[tokio::test]
async fn a_name_in_another_case_or_cut_short_is_asked_over_tcp() {
    let lower = |query: &Message| {
        let mut said = zone(query);
        said.queries[0].name = name("a-name-with-many-letters.test");
        vec![said]
    };
    let short = |query: &Message| {
        let mut said = zone(query);
        said.answers.clear();
        said.metadata.truncation = true;
        vec![said]
    };
    for answers in [Arc::new(lower) as Answers, Arc::new(short)] {
        let world = World::new().await;
        for last in [2, 3] {
            let answers = answers.clone();
            world.serve(last, move |query| answers(query)).await;
        }
        let found = world
            .resolver(None)
            .lookup(question("a-name-with-many-letters.test"))
            .await;
        // Cut short over TCP too, it has nothing: what counts is that it is asked there and believed.
        let nodata = matches!(found.outcome, Outcome::NoData);
        assert!(address(&found) == SEVEN || nodata, "{found:?}");
    }
}

#[tokio::test]
async fn aliases_are_followed_up_to_a_bound() {
    let world = World::new().await;
    for last in [2, 3] {
        world.serve(last, |query| vec![zone(query)]).await;
    }
    let resolver = world.resolver(None);
    for (aliases, found) in [
        (DNS_ALIASES_MAX - 1, true),
        (DNS_ALIASES_MAX, true),
        (DNS_ALIASES_MAX + 1, false),
    ] {
        let got = resolver
            .lookup(question(&format!("alias{}.test", aliases - 1)))
            .await;
        match found {
            true => assert_eq!(address(&got), SEVEN),
            false => assert_eq!(trouble(&got), TroubleKind::TooMuchWork),
        }
    }
}

#[tokio::test]
async fn a_root_that_is_out_of_reach_is_noticed_and_its_return_too() {
    let port = UdpSocket::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let nowhere = World {
        port,
        asked: Arc::default(),
    };
    let resolver = nowhere.resolver(None);
    let got = resolver.lookup(question("host.test")).await;
    assert_eq!(trouble(&got), TroubleKind::Unreachable, "{got:?}");
    while resolver.state() == State::Untried {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(matches!(resolver.state(), State::Unreachable(_)));
    let asked = resolver.counts().queries.load(Relaxed);
    let got = resolver.lookup(question("other.test")).await;
    assert_eq!(trouble(&got), TroubleKind::Unreachable);
    assert_eq!(
        resolver.counts().queries.load(Relaxed),
        asked,
        "nobody waits"
    );
    let back = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    nowhere.run(back, Arc::new(|query| vec![root(query)])).await;
    for last in [2, 3] {
        nowhere.serve(last, |query| vec![zone(query)]).await;
    }
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(DNS_UNREACHABLE_SECS + 1)).await;
    tokio::time::resume();
    assert_eq!(
        address(&resolver.lookup(question("host.test")).await),
        SEVEN
    );
    while resolver.state() != State::Good {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_name_without_an_answer_is_no_lost_forwarder() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let forwarder = Forwarder {
        address: silent.local_addr().unwrap(),
        tls_name: None,
    };
    let resolver = Resolver::new(Source::Forward {
        servers: vec![forwarder],
        anchors: String::new(),
        authorities: String::new(),
    })
    .unwrap();
    // What a name's servers withhold must not turn off everybody's checks.
    let answer = resolver.lookup(question("slow.test")).await;
    assert_eq!(trouble(&answer), TroubleKind::Timeout);
    // The root's keys say that the forwarder is gone.
    while resolver.state() == State::Untried {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let answer = resolver.lookup(question("b.test")).await;
    assert_eq!(trouble(&answer), TroubleKind::Unreachable);
}

#[tokio::test]
async fn a_root_without_the_right_keys_is_not_genuine() {
    let world = World::new().await;
    for last in [2, 3] {
        world.serve(last, |query| vec![zone(query)]).await;
    }
    let clock = Arc::new(AtomicBool::new(false));
    let resolver = world.resolver(Some(clock.clone()));
    let host = question("host.test");
    assert_eq!(address(&resolver.lookup(host.clone()).await), SEVEN);
    while resolver.state() != State::Good {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    clock.store(true, Relaxed);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(DNS_UNREACHABLE_SECS + 1)).await;
    tokio::time::resume();
    let got = resolver.lookup(host.clone()).await;
    assert!(
        got.is_trouble(),
        "what was taken unchecked is not believed now: {got:?}"
    );
    while !matches!(resolver.state(), State::NotGenuine(_)) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let other = resolver.lookup(question("other.test")).await;
    assert_eq!(
        trouble(&other),
        TroubleKind::Unreachable,
        "ours, not the name's"
    );
}

#[tokio::test]
async fn time_servers_are_found_whatever_signatures_say() {
    let world = World::new().await;
    for last in [2, 3] {
        world.serve(last, |query| vec![zone(query)]).await;
    }
    let mut setup = Setup::new(Source::Recurse {
        roots: vec![SocketAddr::from(([127, 0, 0, 1], world.port))],
        anchors: String::new(),
        ipv6: false,
        private_servers: true,
    });
    setup.unvalidated = vec![Name::parse("ntp.test").unwrap()];
    let resolver = Resolver::with(setup).unwrap();
    let got = resolver.lookup(question("a.ntp.test")).await;
    assert_eq!(
        (address(&got), got.security),
        (SEVEN, Security::Indeterminate)
    );
    assert!(resolver.lookup(question("a.other.test")).await.is_trouble());
}

#[tokio::test]
async fn servers_on_private_addresses_are_asked_only_where_that_is_configured() {
    let world = World::new().await;
    let resolver = Resolver::new(Source::Recurse {
        roots: vec![SocketAddr::from((IpAddr::from([127, 0, 0, 1]), world.port))],
        anchors: String::new(),
        ipv6: false,
        private_servers: false,
    });
    assert!(
        resolver
            .unwrap()
            .lookup(question("host.test"))
            .await
            .is_trouble()
    );
    assert_eq!(world.asked(), 0);
}

#[tokio::test]
async fn given_answers_are_all_there_is() {
    let given = vec![(
        question("box.test"),
        Answer::insecure(vec![Record::A([192, 0, 2, 7].into())]),
    )];
    let resolver = Resolver::new(Source::Nobody(given)).unwrap();
    assert_eq!(address(&resolver.lookup(question("box.test")).await), SEVEN);
    let mx = Question {
        kind: Kind::Mx,
        ..question("box.test")
    };
    assert_eq!(resolver.lookup(mx).await.outcome, Outcome::NoData);
    assert_eq!(
        resolver.lookup(question("else.test")).await.outcome,
        Outcome::NoSuchName
    );
    assert_eq!(resolver.state(), State::Good);
}

#[tokio::test]
async fn a_question_fits_its_share_of_memory() {
    let world = World::new().await;
    let resolver = world.resolver(None);
    let From::Ask(asker) = &resolver.shared.from else {
        panic!("it recurses");
    };
    let host = question("host.test");
    let task = size_of_val(&asker.ask(&host, Checking::On));
    let look = size_of_val(&resolver.lookup(host.clone()));
    // The rest is what it waits for: see the test in `iterate`.
    assert!(task <= 3_600, "{task}");
    assert!(look < 1_024, "{look}");
    let work = Arc::new(work::Work::new(Arc::default()));
    let leap = size_of_val(&validate::not_signed(asker, &work, Vec::new()));
    // On the heap, while the check before it is over.
    assert!(leap <= 3_400, "{leap}");
}
