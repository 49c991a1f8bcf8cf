//! Rows for people: columns as wide as their widest cell.

use serde_json::Value;

/// A column: its title, and the text of a row.
pub type Column = (&'static str, fn(&Value) -> String);

/// The table, or `empty` when there is no row.
pub fn table(rows: &[Value], columns: &[Column], empty: &str) -> String {
    if rows.is_empty() {
        return format!("{empty}\n");
    }
    let titles: Vec<String> = columns
        .iter()
        .map(|(title, _)| (*title).to_owned())
        .collect();
    let mut lines = vec![titles];
    lines.extend(rows.iter().map(|row| {
        columns
            .iter()
            .map(|(_, text)| printable(&text(row)))
            .collect()
    }));
    let widths: Vec<usize> = (0..columns.len())
        .map(|n| {
            lines
                .iter()
                .filter_map(|line| line.get(n))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut out = String::new();
    for line in &lines {
        let cells = line
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:<width$}"));
        out.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        out.push('\n');
    }
    out
}

/// A member as text; arrays with commas.
pub fn text(row: &Value, member: &str) -> String {
    match &row[member] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items = items.iter().map(|item| {
                item.as_str()
                    .map_or_else(|| item.to_string(), str::to_owned)
            });
            items.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// Octets for people.
pub fn octets(row: &Value, member: &str) -> String {
    let Some(octets) = row[member].as_u64() else {
        return String::new();
    };
    match octets {
        0..1024 => format!("{octets} B"),
        1024..1_048_576 => format!("{:.1} KiB", octets as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", octets as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", octets as f64 / 1_073_741_824.0),
    }
}

/// Seconds since 1970 as UTC, to the minute.
pub fn time(secs: i64) -> String {
    let (days, of_day) = (secs.div_euclid(86_400), secs.rem_euclid(86_400));
    // Days to a civil date by eras of 400 years, which have 146,097 days; years begin in March.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}Z",
        of_day / 3600,
        of_day / 60 % 60
    )
}

/// What strangers sent must not move the cursor of whoever reads it.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_fit_their_widest_cell() {
        let rows = [
            json!({"a": "x", "b": [1, "two"]}),
            json!({"a": "longer\u{1b}", "b": null}),
        ];
        let columns: [Column; 2] = [("name", |r| text(r, "a")), ("rest", |r| text(r, "b"))];
        assert_eq!(
            table(&rows, &columns, ""),
            "name     rest\nx        1, two\nlonger\u{fffd}\n"
        );
        assert_eq!(table(&[], &columns, "nothing"), "nothing\n");
    }

    #[test]
    fn times_are_civil() {
        for (secs, shown) in [
            (0, "1970-01-01 00:00Z"),
            (951_782_399, "2000-02-28 23:59Z"),
            (951_782_400, "2000-02-29 00:00Z"),
            (1_795_132_800, "2026-11-20 00:00Z"),
            (4_107_542_399, "2100-02-28 23:59Z"),
            (-1, "1969-12-31 23:59Z"),
        ] {
            assert_eq!(time(secs), shown);
        }
    }
}
