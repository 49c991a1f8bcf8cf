//! "Did you mean": the known word nearest to a misspelt one.

/// The known word with the fewest single edits (Levenshtein), if they are few enough to be a misspelling.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (word.chars().count() / 3).clamp(1, 4);
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

fn distance(a: &str, b: &str) -> usize {
    // Words are configuration keys and verbs; anything longer is no misspelling of one.
    let (a, b): (Vec<char>, Vec<char>) =
        (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for ((to, left), pair) in b.iter().zip(row[1..].iter()).zip(row.iter()) {
            let insert = next.last().map_or(0, |n| n + 1);
            next.push(insert.min(left + 1).min(pair + usize::from(from != to)));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspellings_are_found_and_strangers_are_not() {
        let known = ["hostname", "data", "listen", "smtp", "smtps"];
        assert_eq!(nearest("hostnme", known), Some("hostname"));
        assert_eq!(nearest("host_name", known), Some("hostname"));
        assert_eq!(nearest("dta", known), Some("data"));
        assert_eq!(nearest("smtp", known), Some("smtp"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
