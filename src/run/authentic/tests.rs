use super::*;
use crate::limits::AUTHENTIC_CHECKS_MAX;
use crate::wire::dns::{Kind, Name, Record};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn question(name: &str) -> Question {
    Question::new(Name::parse(name).unwrap(), Kind::A)
}

fn canned() -> Arc<Canned> {
    let here = Answer::insecure(vec![Record::A([127, 0, 0, 1].into())]);
    Arc::new(Canned::default().with("box.test", Kind::A, here))
}

#[tokio::test]
async fn what_is_not_written_down() {
    for (names, unknown_is_trouble) in [
        (Names::Canned(canned()), false),
        (Names::Own(canned()), true),
    ] {
        let authentic = Authentic::new(names);
        let asking = authentic.asking(HERE, 1).await;
        assert_eq!(asking.ask(question("box.test")).await.records().len(), 1);
        assert!(!asking.is_ours());
        let answer = asking.ask(question("example.org")).await;
        assert_eq!(answer.is_trouble(), unknown_is_trouble);
        assert_eq!(asking.is_ours(), unknown_is_trouble);
    }
}

#[tokio::test(start_paused = true)]
async fn checks_at_once_are_bounded_and_the_next_ones_know_nothing() {
    let authentic = Authentic::new(Names::Canned(canned()));
    let mut held = Vec::new();
    for n in 0..AUTHENTIC_CHECKS_MAX {
        let asking = authentic.asking(HERE, 1).await;
        assert!(!asking.ask(question("box.test")).await.is_trouble(), "{n}");
        held.push(asking);
    }
    let late = authentic.asking(HERE, 1).await;
    assert!(late.ask(question("box.test")).await.is_trouble());
    assert!(!late.is_ours(), "such a mail may be deferred");
    held.pop();
    let next = authentic.asking(HERE, 1).await;
    assert!(!next.ask(question("box.test")).await.is_trouble());
}

#[test]
fn what_comes_too_late_is_our_trouble_only_without_a_dns() {
    let kind = |state: &State| match late(state).outcome {
        Outcome::Trouble(trouble) => trouble.kind,
        other => panic!("{other:?}"),
    };
    assert_eq!(kind(&State::Good), TroubleKind::Timeout);
    let out_of_reach = State::Unreachable("cut off".into());
    assert_eq!(kind(&out_of_reach), TroubleKind::Unreachable);
}
