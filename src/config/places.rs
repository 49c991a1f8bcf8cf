//! Where a file names what is known to be wrong only once the machine is looked at: users and certificates.

use super::read::line_of;
use std::path::Path;
use toml::de::DeTable;

/// Lines of a configuration file, counted from 1.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Places {
    /// Of `user`.
    pub user: Option<usize>,
    /// Of each `[[certificate]]`, in order.
    pub certificates: Vec<usize>,
}

impl Places {
    /// Looks through a file; what cannot be found there has no line.
    pub fn of(file: &Path) -> Places {
        std::fs::read_to_string(file)
            .map_or_else(|_| Places::default(), |text| Places::in_text(&text))
    }

    fn in_text(text: &str) -> Places {
        let (document, _) = DeTable::parse_recoverable(text);
        let table = document.get_ref();
        let certificates = table
            .get("certificate")
            .and_then(|value| value.get_ref().as_array());
        Places {
            user: table.get("user").map(|value| line_of(text, &value.span())),
            certificates: certificates
                .into_iter()
                .flat_map(|list| list.iter())
                .map(|item| line_of(text, &item.span()))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_certificates_have_lines() {
        let text = "hostname = \"a.b.test\"\n\nuser = \"x\"\n[[certificate]]\nchain = \"c\"\nkey = \"k\"\n\n[[certificate]]\n";
        let found = Places::in_text(text);
        assert_eq!((found.user, found.certificates), (Some(3), vec![4, 8]));
        assert_eq!(Places::in_text("").user, None);
        assert_eq!(
            Places::of(Path::new("/nowhere/box.toml")),
            Places::default()
        );
    }
}
