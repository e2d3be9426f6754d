//! What people write: titles, descriptions, and the text that a search looks for.

use shared::error::Invalid;

/// A title: 1 to 200 code points, no control characters.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub(crate) struct Title(String);

impl Title {
    pub(crate) fn parse(text: String) -> Result<Self, Invalid> {
        if !(1..=200).contains(&text.chars().count()) {
            return Err("must have 1 to 200 characters".into());
        }
        if text.chars().any(char::is_control) {
            return Err("must not contain control characters".into());
        }
        Ok(Self(text))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Title> for String {
    fn from(Title(text): Title) -> Self {
        text
    }
}

/// A description: up to 10,000 code points; of the control characters only newline and tab.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub(crate) struct Description(String);

impl Description {
    pub(crate) fn parse(text: String) -> Result<Self, Invalid> {
        if text.chars().count() > 10_000 {
            return Err("must have at most 10,000 characters".into());
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
            return Err("must not contain control characters but newline and tab".into());
        }
        Ok(Self(text))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Description> for String {
    fn from(Description(text): Description) -> Self {
        text
    }
}

/// Text without its case, as it is searched and searched for: equal for two texts that differ in
/// case only, in any script.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, sqlx::Type)]
#[sqlx(transparent)]
pub(crate) struct Folded(String);

impl Folded {
    pub(crate) fn of(text: &str) -> Self {
        // By way of capitals, since one may have several small letters: ς and σ; and to them from
        // small letters, since one small letter may have several capitals: ẞ and SS.
        let small = text.chars().flat_map(char::to_lowercase);
        Self(small.flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect())
    }

    /// Reads what a search looks for: 1 to 200 code points that a task may hold.
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        if !(1..=200).contains(&text.chars().count()) {
            return Err("must have 1 to 200 characters".into());
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
            return Err("must not contain control characters but newline and tab".into());
        }
        Ok(Self::of(text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_title_follows_each_rule() {
        for good in ["x", " ", "Käse 🧀 für 日本", &"🧀".repeat(200)] {
            assert!(Title::parse(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "a\nb", "a\tb", "a\0b", "\u{7f}", "\u{85}", &"x".repeat(201)] {
            assert!(Title::parse(bad.to_owned()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_description_follows_each_rule() {
        for good in ["", "two\n\tlines", &"é".repeat(10_000)] {
            assert!(Description::parse(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["a\0b", "a\rb", "\u{1b}[31m", &"x".repeat(10_001)] {
            assert!(Description::parse(bad.to_owned()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn folding_forgets_the_case_and_nothing_else() {
        for (one, other) in [
            ("Käse", "KÄSE"),
            ("Ὀδυσσεύς", "ὈΔΥΣΣΕΎΣ"),
            ("straße", "STRASSE"),
            ("straße", "STRAẞE"),
        ] {
            assert_eq!(Folded::of(one), Folded::of(other));
        }
        assert_ne!(Folded::of("a"), Folded::of("ä"));
        assert_eq!(Folded::of("100%_\\"), Folded("100%_\\".into()));
    }

    proptest! {
        #[test]
        fn what_parses_is_kept_byte_for_byte(text in any::<String>()) {
            if let Ok(title) = Title::parse(text.clone()) {
                prop_assert_eq!(&String::from(title), &text);
            }
            if let Ok(description) = Description::parse(text.clone()) {
                prop_assert_eq!(&String::from(description), &text);
            }
        }
    }
}
