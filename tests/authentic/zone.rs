//! Canned answers from zones written down as JSON (or YAML): `{"a.test": [{"TXT": "v=spf1 -all"}, {"MX": [10, "b.test"]},
//! {"CNAME": "c.test"}, "TIMEOUT"]}`. Characters of texts are octets (U+00FF is 0xFF); a text may be a list of strings.

use pillarbox::policy::authentic::canned::Canned;
use pillarbox::wire::dns::{Answer, Kind, Name, Record, TroubleKind};
use serde_json::{Map, Value};

const KINDS: [Kind; 5] = [Kind::A, Kind::Aaaa, Kind::Mx, Kind::Txt, Kind::Ptr];
const ALIASES_MAX: usize = 8;

/// Answers to every question about the names of the zone; names that cannot be asked are left out.
pub fn canned(zone: &Map<String, Value>) -> Canned {
    let mut canned = Canned::default();
    for name in zone.keys() {
        if Name::parse_spaced(name).is_some() {
            for kind in KINDS {
                canned = canned.with(name, kind, answer(zone, name, kind, 0));
            }
        }
    }
    canned
}

fn answer(zone: &Map<String, Value>, name: &str, kind: Kind, aliases: usize) -> Answer {
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut entries = zone
        .iter()
        .filter(|(known, _)| known.eq_ignore_ascii_case(name));
    let Some((_, entries)) = entries.next() else {
        return Answer::no_such_name();
    };
    let entries: Vec<&Value> = entries.as_array().into_iter().flatten().collect();
    let of = |key: &str| {
        entries
            .iter()
            .filter_map(|entry| entry.get(key))
            .collect::<Vec<_>>()
    };
    if let [Value::String(to), ..] = of("CNAME")[..] {
        if aliases == ALIASES_MAX {
            return Answer::trouble(TroubleKind::TooMuchWork, "a loop of aliases");
        }
        return answer(zone, to, kind, aliases + 1);
    }
    // Suites of SPF write each record as type 99, which nobody asks for any more: it stands for TXT unless that is
    // written too.
    let values = match (kind, of("TXT")) {
        (Kind::Txt, texts) if texts.is_empty() => of("SPF"),
        (Kind::Txt, texts) => texts.into_iter().filter(|text| *text != "NONE").collect(),
        (Kind::Aaaa, _) => of("AAAA"),
        (Kind::Mx, _) => of("MX"),
        (Kind::Ptr, _) => of("PTR"),
        _ => of("A"),
    };
    if values.is_empty() && entries.iter().any(|entry| **entry == "TIMEOUT") {
        return Answer::trouble(TroubleKind::Timeout, "nobody answered");
    }
    let records = values.into_iter().map(|value| record(kind, value));
    Answer::insecure(records.collect())
}

fn record(kind: Kind, value: &Value) -> Record {
    let text = || value.as_str().expect("a text");
    match kind {
        Kind::A => Record::A(text().parse().expect("an IPv4 address")),
        Kind::Aaaa => Record::Aaaa(text().parse().expect("an IPv6 address")),
        Kind::Ptr => Record::Ptr(Name::parse(text()).expect("a name")),
        Kind::Mx => Record::Mx {
            preference: value[0].as_u64().expect("a preference") as u16,
            exchange: Name::parse(value[1].as_str().expect("a name")),
        },
        _ => Record::Txt(octets(value).into()),
    }
}

fn octets(value: &Value) -> Vec<u8> {
    match value {
        Value::Array(strings) => strings.iter().flat_map(octets).collect(),
        value => {
            let text = value.as_str().expect("a text").chars();
            text.map(|c| u8::try_from(c).expect("an octet")).collect()
        }
    }
}
