//! How a SEARCH is decided: the keys that the index answers become sets at once, the rest is asked message by message,
//! the cheap questions first.

use crate::limits::SEARCH_RANGES_MAX;
use crate::wire::imap::command::Numbers;
use crate::wire::imap::date::Day;
use crate::wire::imap::flag::Flags;
use crate::wire::imap::search::{DateHow, DateOf, EnvelopeField, Key, SearchReturn};
use crate::wire::imap::uid_set::UidSet;
use std::cmp::Ordering;

/// A key whose set-like parts are sets already.
#[derive(Clone, PartialEq, Debug)]
pub enum Node {
    /// Of the view's UIDs these, and whatever else is in the set.
    Set(UidSet),
    /// A question to one message.
    Ask(Ask),
    /// Each; the cheapest first.
    And(Vec<Node>),
    /// Any; the cheapest first.
    Or(Vec<Node>),
    /// Not.
    Not(Box<Node>),
}

/// A question to one message, in the order of its cost.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Ask {
    /// Its row: a flag is set or not.
    Flag(Flags, bool),
    /// Its row: larger than.
    Larger(u64),
    /// Its row: smaller than.
    Smaller(u64),
    /// Its row: INTERNALDATE.
    Internal(DateTest),
    /// Its summary: the Date field.
    Sent(DateTest),
    /// Its summary: an ENVELOPE field.
    Envelope(u8, Box<str>),
    /// Its header block.
    Header(Box<str>, Box<str>),
    /// Its body.
    Body(Box<str>),
    /// All of it.
    Text(Box<str>),
}

/// A comparison of days.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct DateTest {
    order: i8,
    day: i64,
}

impl DateTest {
    fn new(how: DateHow, day: Day) -> DateTest {
        let order = match how {
            DateHow::Before => -1,
            DateHow::On => 0,
            DateHow::Since => 1,
        };
        DateTest { order, day: day.0 }
    }
    /// Whether a moment (seconds since 1970, already moved into the zone that counts) passes.
    pub fn holds(self, secs: i64) -> bool {
        let order = Day::of_secs(secs).0.cmp(&self.day);
        match self.order {
            -1 => order == Ordering::Less,
            0 => order == Ordering::Equal,
            _ => order != Ordering::Less,
        }
    }
}

/// The fields by the number in [`Ask::Envelope`].
pub const ENVELOPE_FIELDS: [EnvelopeField; 5] = [
    EnvelopeField::Bcc,
    EnvelopeField::Cc,
    EnvelopeField::From,
    EnvelopeField::Subject,
    EnvelopeField::To,
];

/// What the index answers at once.
pub trait Index {
    /// What goes wrong.
    type Error;
    /// All UIDs of the view.
    fn all(&self) -> &UidSet;
    /// The UIDs of a leaf key (flags, keywords, recent, UIDs, sequence numbers), others beside those of the view do
    /// no harm; None for keys that it does not answer.
    fn set(&mut self, key: &Key) -> Result<Option<UidSet>, Self::Error>;
    /// The flag of this keyword; None when no message has it.
    fn keyword(&self, name: &str) -> Option<Flags>;
    /// Says that the plan would hold more than `SEARCH_RANGES_MAX`.
    fn too_much(&self) -> Self::Error;
}

/// Turns keys into nodes. Depth is bounded by the parser, what the sets hold by `SEARCH_RANGES_MAX`.
pub fn plan<I: Index>(key: &Key, index: &mut I) -> Result<Node, I::Error> {
    planned(key, index, &mut 0)
}

/// `held`: ranges of the sets that stay in the plan.
fn planned<I: Index>(key: &Key, index: &mut I, held: &mut usize) -> Result<Node, I::Error> {
    if let Some(set) = index.set(key)? {
        return Ok(Node::Set(set));
    }
    let field = |f: &EnvelopeField| ENVELOPE_FIELDS.iter().position(|e| e == f).unwrap_or(0) as u8;
    Ok(match key {
        Key::And(keys) => joined(keys.iter(), UidSet::intersection, Node::And, index, held)?,
        Key::Or(a, b) => joined(
            [&**a, &**b].into_iter(),
            UidSet::union,
            Node::Or,
            index,
            held,
        )?,
        Key::Not(inner) => match planned(inner, index, held)? {
            Node::Set(set) => Node::Set(index.all().difference(&set)),
            node => Node::Not(Box::new(node)),
        },
        Key::Date(DateOf::Internal, how, day) => {
            Node::Ask(Ask::Internal(DateTest::new(*how, *day)))
        }
        Key::Date(DateOf::Sent, how, day) => Node::Ask(Ask::Sent(DateTest::new(*how, *day))),
        Key::Larger(bytes) => Node::Ask(Ask::Larger(*bytes)),
        Key::Smaller(bytes) => Node::Ask(Ask::Smaller(*bytes)),
        Key::Envelope(f, text) => Node::Ask(Ask::Envelope(field(f), text.clone())),
        Key::Header(name, text) => Node::Ask(Ask::Header(name.clone(), text.clone())),
        // Every text contains the empty one.
        Key::Body(text) | Key::Text(text) if text.is_empty() => Node::Set(index.all().clone()),
        Key::Body(text) => Node::Ask(Ask::Body(text.clone())),
        Key::Text(text) => Node::Ask(Ask::Text(text.clone())),
        Key::Flag(flag, set) => Node::Ask(Ask::Flag(*flag, *set)),
        Key::Keyword(name, set) => match index.keyword(name) {
            Some(flag) => Node::Ask(Ask::Flag(flag, *set)),
            None if *set => Node::Set(UidSet::new()),
            None => Node::Set(index.all().clone()),
        },
        // `Index::set` has answered these; were it wrong, nobody would be found.
        Key::All | Key::Recent(_) | Key::Uid(_) | Key::Sequence(_) => Node::Set(UidSet::new()),
    })
}

/// AND or OR: sets become one set as they come, so that a long command holds one at a time.
fn joined<'k, I: Index>(
    keys: impl Iterator<Item = &'k Key>,
    merge: fn(&UidSet, &UidSet) -> UidSet,
    join: fn(Vec<Node>) -> Node,
    index: &mut I,
    held: &mut usize,
) -> Result<Node, I::Error> {
    let (mut sets, mut rest) = (None::<UidSet>, Vec::new());
    for key in keys {
        match planned(key, index, held)? {
            Node::Set(set) => sets = Some(sets.map_or_else(|| set.clone(), |s| merge(&s, &set))),
            node => rest.push(node),
        }
    }
    if rest.is_empty() {
        return Ok(Node::Set(sets.unwrap_or_default()));
    }
    if let Some(set) = sets {
        *held += set.ranges().len();
        if *held > SEARCH_RANGES_MAX {
            return Err(index.too_much());
        }
        rest.push(Node::Set(set));
    }
    rest.sort_by_key(Node::cost);
    Ok(join(rest))
}

impl Node {
    fn cost(&self) -> u32 {
        match self {
            Node::Set(_) => 0,
            Node::Ask(Ask::Flag(..) | Ask::Larger(_) | Ask::Smaller(_) | Ask::Internal(_)) => 1,
            Node::Ask(Ask::Sent(_) | Ask::Envelope(..)) => 2,
            Node::Ask(Ask::Header(..)) => 3,
            Node::Ask(Ask::Body(_) | Ask::Text(_)) => 4,
            Node::And(nodes) | Node::Or(nodes) => nodes.iter().map(Node::cost).max().unwrap_or(0),
            Node::Not(node) => node.cost(),
        }
    }

    /// Whether a question is asked that a message's row does not answer.
    pub fn needs_summaries(&self) -> bool {
        self.cost() > 1
    }

    /// Calls `each` with every text that is looked for.
    pub fn each_text(&self, each: &mut impl FnMut(&str)) {
        match self {
            Node::Ask(
                Ask::Envelope(_, text) | Ask::Header(_, text) | Ask::Body(text) | Ask::Text(text),
            ) => each(text),
            Node::Set(_) | Node::Ask(_) => {}
            Node::And(nodes) | Node::Or(nodes) => {
                nodes.iter().for_each(|node| node.each_text(each))
            }
            Node::Not(node) => node.each_text(each),
        }
    }

    /// The UIDs that can hold: nobody else needs to be asked.
    pub fn candidates(&self, all: &UidSet) -> UidSet {
        match self {
            Node::Set(set) => set.intersection(all),
            Node::Ask(_) | Node::Not(_) => all.clone(),
            Node::And(nodes) => nodes
                .iter()
                .fold(all.clone(), |set, n| set.intersection(&n.candidates(all))),
            Node::Or(nodes) => nodes
                .iter()
                .fold(UidSet::new(), |set, n| set.union(&n.candidates(all))),
        }
    }

    /// Whether the message with this UID passes. `ask` is called as seldom as possible.
    pub fn holds<E>(
        &self,
        uid: u32,
        ask: &mut impl FnMut(&Ask) -> Result<bool, E>,
    ) -> Result<bool, E> {
        match self {
            Node::Set(set) => Ok(set.contains(uid)),
            Node::Ask(question) => ask(question),
            Node::And(nodes) => {
                for node in nodes {
                    if !node.holds(uid, ask)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Node::Or(nodes) => {
                for node in nodes {
                    if node.holds(uid, ask)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Node::Not(node) => Ok(!node.holds(uid, ask)?),
        }
    }
}

/// The untagged answer in pieces of a few octets: `SEARCH 1 2 3` or `ESEARCH (TAG "a") UID COUNT 3 ALL 1:3`, without
/// `* ` and CRLF. It can be as long as the mailbox is large.
pub fn answer<'f>(
    wanted: Option<SearchReturn>,
    tag: &str,
    numbers: Numbers,
    found: &'f UidSet,
) -> impl Iterator<Item = String> + use<'f> {
    let mut head = String::from("SEARCH");
    if let Some(wanted) = wanted {
        head.clear();
        // Writing into a String cannot fail.
        let _ = esearch(&mut head, wanted, tag, numbers, found);
    }
    let plain = wanted.is_none();
    let numbers = found.iter().take_while(move |_| plain);
    let numbers = numbers.map(|n| format!(" {n}"));
    let ranges = match wanted {
        Some(wanted) if wanted.all => found.ranges(),
        _ => &[],
    };
    let ranges = ranges.iter().enumerate().map(|(at, &(first, last))| {
        let before = if at == 0 { " ALL " } else { "," };
        match first == last {
            true => format!("{before}{first}"),
            false => format!("{before}{first}:{last}"),
        }
    });
    std::iter::once(head).chain(numbers).chain(ranges)
}

fn esearch(
    text: &mut String,
    wanted: SearchReturn,
    tag: &str,
    numbers: Numbers,
    found: &UidSet,
) -> std::fmt::Result {
    use std::fmt::Write;
    write!(
        text,
        "ESEARCH (TAG \"{tag}\"){}",
        if numbers == Numbers::Uid { " UID" } else { "" }
    )?;
    if let (true, Some(first)) = (wanted.min, found.first()) {
        write!(text, " MIN {first}")?;
    }
    if let (true, Some(last)) = (wanted.max, found.last()) {
        write!(text, " MAX {last}")?;
    }
    if wanted.count {
        write!(text, " COUNT {}", found.count())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::imap::scan::Scan;

    struct Five(UidSet);
    impl Index for Five {
        type Error = ();
        fn all(&self) -> &UidSet {
            &self.0
        }
        fn set(&mut self, key: &Key) -> Result<Option<UidSet>, ()> {
            Ok(match key {
                Key::All => Some(self.0.clone()),
                Key::Flag(Flags::SEEN, true) => Some(UidSet::range(1, 2)),
                Key::Flag(_, false) => Some(UidSet::range(3, 5)),
                Key::Uid(set) => Some(set.resolve(5)),
                _ => None,
            })
        }
        fn keyword(&self, name: &str) -> Option<Flags> {
            (name == "known").then(|| Flags::keyword(3))
        }
        fn too_much(&self) {}
    }

    /// The UIDs found and how many questions were asked; message n has n octets.
    fn found(text: &str) -> (String, u32) {
        let key = Scan::new(text.as_bytes()).search().unwrap().key;
        let mut index = Five(UidSet::range(1, 5));
        let node = plan(&key, &mut index).unwrap();
        let mut asked = 0;
        let candidates = node.candidates(&index.0);
        let hits = candidates.iter().filter(|uid| {
            let mut ask = |question: &Ask| {
                asked += 1;
                Ok::<bool, ()>(match question {
                    Ask::Larger(n) => u64::from(*uid) > *n,
                    Ask::Smaller(n) => u64::from(*uid) < *n,
                    _ => true,
                })
            };
            node.holds(*uid, &mut ask).unwrap()
        });
        (hits.collect::<UidSet>().to_string(), asked)
    }

    #[test]
    fn keys_mean_what_they_say_and_ask_little() {
        for (text, expected, asked) in [
            ("ALL", "1:5", 0),
            ("SEEN", "1:2", 0),
            ("NOT SEEN", "3:5", 0),
            ("UNSEEN UID 4:9", "4:5", 0),
            ("SEEN LARGER 1", "2", 2),
            ("OR SEEN LARGER 4", "1:2,5", 3),
            ("NOT (LARGER 1 SMALLER 4)", "1,4:5", 9),
            ("TEXT x LARGER 3 SEEN", "", 2),
            ("TEXT \"\" UNSEEN", "3:5", 0),
            ("OR (SEEN LARGER 1) (UID 5 TEXT x)", "2,5", 3),
            ("UID 4:99", "4:5", 0),
            ("NOT UID 4:99", "1:3", 0),
            ("KEYWORD unknown", "", 0),
            ("UNKEYWORD unknown UID 2", "2", 0),
            ("KEYWORD known UID 2:3", "2:3", 2),
            ("FLAGGED UID 1", "1", 1),
        ] {
            assert_eq!(found(text), (expected.into(), asked), "{text}");
        }
    }

    #[test]
    fn what_a_plan_holds_is_bounded() {
        // Each pair keeps a set of many ranges beside a question.
        let gaps = |n: usize| {
            (1..=n)
                .map(|i| (2 * i).to_string())
                .collect::<Vec<_>>()
                .join(",")
        };
        let planned = |ranges: usize, pairs: usize| {
            let set = gaps(ranges);
            let text = vec![format!("(UID {set} LARGER 1)"); pairs].join(" ");
            let key = Scan::new(text.as_bytes()).search().unwrap().key;
            plan(&key, &mut Five(UidSet::range(1, 5))).map(|_| ())
        };
        let each = SEARCH_RANGES_MAX / 100;
        assert_eq!(planned(each, 99), Ok(()));
        assert_eq!(planned(each, 100), Ok(()));
        assert_eq!(planned(each, 101), Err(()));
    }

    #[test]
    fn days_compare_without_their_hours() {
        let test = |how| DateTest::new(how, Day(10));
        let (before, early, late, after) =
            (10 * 86_400 - 1, 10 * 86_400, 11 * 86_400 - 1, 11 * 86_400);
        assert!(test(DateHow::Before).holds(before) && !test(DateHow::Before).holds(early));
        assert!(
            test(DateHow::On).holds(early)
                && test(DateHow::On).holds(late)
                && !test(DateHow::On).holds(after)
        );
        assert!(
            test(DateHow::Since).holds(early)
                && test(DateHow::Since).holds(after)
                && !test(DateHow::Since).holds(before)
        );
    }

    #[test]
    fn answers_are_old_or_extended() {
        let found: UidSet = [2, 3, 9].into_iter().collect();
        assert_eq!(
            answer(None, "a", Numbers::Uid, &found).collect::<String>(),
            "SEARCH 2 3 9"
        );
        let all = SearchReturn {
            min: true,
            max: true,
            all: true,
            count: true,
        };
        assert_eq!(
            answer(Some(all), "a", Numbers::Uid, &found).collect::<String>(),
            "ESEARCH (TAG \"a\") UID MIN 2 MAX 9 COUNT 3 ALL 2:3,9"
        );
        assert_eq!(
            answer(Some(all), "a", Numbers::Sequence, &UidSet::new()).collect::<String>(),
            "ESEARCH (TAG \"a\") COUNT 0"
        );
    }
}
