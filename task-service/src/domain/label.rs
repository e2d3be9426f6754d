//! Labels: the client's own categories.

use std::collections::BTreeMap;

use shared::error::Invalid;

use super::{characters, folded::composed};

/// A set of up to 20 labels, each one line of 1 to 50 code points with a visible character. Labels
/// that are canonically equivalent are the same label.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, sqlx::Type)]
#[sqlx(transparent, no_pg_array)]
pub(crate) struct Labels(Vec<String>);

impl Labels {
    const MAX: usize = 20;
    /// A control character, so that no label contains it.
    const SEPARATOR: &str = "\u{1f}";

    /// Trims outer white space, removes duplicates, of which the first is kept, and sorts by code
    /// points.
    pub(crate) fn parse(labels: &[String]) -> Result<Self, Invalid> {
        let mut by_form = BTreeMap::new();
        for label in labels {
            let label = characters::parse_line(label)?;
            if label.chars().count() > 50 {
                return Err("must have at most 50 characters each".into());
            }
            by_form.entry(composed(&label)).or_insert(label);
        }
        if by_form.len() > Self::MAX {
            return Err("must be at most 20".into());
        }
        let mut labels: Vec<_> = by_form.into_values().collect();
        labels.sort_unstable();
        Ok(Self(labels))
    }

    /// The labels as one text, so that one array parameter can hold those of several tasks: nested
    /// arrays must be rectangular in PostgreSQL.
    pub(crate) fn joined(&self) -> String {
        self.0.join(Self::SEPARATOR)
    }

    /// The labels in the form in which they are compared (Normalization Form C).
    pub(crate) fn composed(&self) -> Vec<String> {
        self.0.iter().map(|label| composed(label)).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.iter().map(String::len).sum()
    }
}

impl From<Labels> for Vec<String> {
    fn from(Labels(labels): Labels) -> Self {
        labels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(labels: &[&str]) -> Result<Vec<String>, Invalid> {
        let labels: Vec<_> = labels.iter().map(ToString::to_string).collect();
        Labels::parse(&labels).map(Into::into)
    }

    #[test]
    fn labels_are_a_sorted_set() {
        assert_eq!(parse(&["b", "a", "B", "b"]).unwrap(), ["B", "a", "b"]);
        assert_eq!(parse(&[" a\n", "a"]).unwrap(), ["a"]);
        assert_eq!(parse(&[]).unwrap(), [""; 0]);
    }

    #[test]
    fn of_equivalent_labels_the_first_is_kept() {
        for labels in [["Käse", "Ka\u{308}se"], ["Ka\u{308}se", "Käse"], ["\u{212b}", "\u{c5}"]] {
            assert_eq!(parse(&labels).unwrap(), labels[..1]);
        }
        assert_eq!(parse(&["a", "ä", "ﬁ", "fi"]).unwrap(), ["a", "fi", "ä", "ﬁ"]);
    }

    #[test]
    fn labels_follow_each_rule() {
        let numbered: Vec<_> = (0..21).map(|n| format!("label {n}")).collect();
        let numbered: Vec<_> = numbered.iter().map(String::as_str).collect();
        assert!(parse(&numbered[..20]).is_ok());
        assert!(parse(&["🧀".repeat(50).as_str()]).is_ok());
        for bad in [
            &numbered[..],
            &[""],
            &["a", "b\nc"],
            &["\u{1f}"],
            &["\u{200d}"],
            &["x".repeat(51).as_str()],
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
