//! Labels: the client's own categories.

use std::collections::BTreeSet;

use shared::error::Invalid;

/// A set of up to 20 labels of 1 to 50 code points each, without control characters.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, sqlx::Type)]
#[sqlx(transparent, no_pg_array)]
pub(crate) struct Labels(Vec<String>);

impl Labels {
    const MAX: usize = 20;
    /// A control character, so that no label contains it.
    const SEPARATOR: &str = "\u{1f}";

    /// Sorts the labels by code points and removes duplicates.
    pub(crate) fn parse(labels: Vec<String>) -> Result<Self, Invalid> {
        if !labels.iter().all(|label| (1..=50).contains(&label.chars().count())) {
            return Err("must have 1 to 50 characters each".into());
        }
        if labels.iter().flat_map(|label| label.chars()).any(char::is_control) {
            return Err("must not contain control characters".into());
        }
        let labels: BTreeSet<_> = labels.into_iter().collect();
        if labels.len() > Self::MAX {
            return Err("must be at most 20".into());
        }
        Ok(Self(labels.into_iter().collect()))
    }

    /// The labels as one text, so that one array parameter can hold those of several tasks: nested
    /// arrays must be rectangular in PostgreSQL.
    pub(crate) fn joined(&self) -> String {
        self.0.join(Self::SEPARATOR)
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
        Labels::parse(labels.iter().map(ToString::to_string).collect()).map(Into::into)
    }

    #[test]
    fn labels_are_a_sorted_set() {
        assert_eq!(parse(&["b", "a", "B", "b"]).unwrap(), ["B", "a", "b"]);
        assert_eq!(parse(&[]).unwrap(), [""; 0]);
    }

    #[test]
    fn labels_follow_each_rule() {
        let numbered: Vec<_> = (0..21).map(|n| format!("label {n}")).collect();
        let numbered: Vec<_> = numbered.iter().map(String::as_str).collect();
        assert!(parse(&numbered[..20]).is_ok());
        assert!(parse(&["🧀".repeat(50).as_str()]).is_ok());
        for bad in [&numbered[..], &[""], &["a", "b\n"], &["\u{1f}"], &["x".repeat(51).as_str()]] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
