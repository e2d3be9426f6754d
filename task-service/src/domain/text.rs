//! Free text: titles, descriptions, and the text of a search.

use shared::error::Invalid;

/// A title: 1 to 200 code points, no control characters.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub(crate) struct Title(String);

impl Title {
    pub(crate) fn parse(text: String) -> Result<Self, Invalid> {
        check_short(&text)?;
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

/// A description: at most 10,000 code points, no control characters other than newline and tab.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub(crate) struct Description(String);

impl Description {
    pub(crate) fn parse(text: String) -> Result<Self, Invalid> {
        if text.chars().count() > 10_000 {
            return Err("must have at most 10,000 characters".into());
        }
        check_multiline(&text)?;
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

/// Case-folded text, as it is stored for searches and searched for. Two texts that differ in case
/// only, in any script, have the same.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, sqlx::Type)]
#[sqlx(transparent)]
pub(crate) struct Folded(String);

impl Folded {
    pub(crate) fn of(text: &str) -> Self {
        // To upper case, since one capital can have several small letters: ς and σ. Before that to
        // lower case, since one small letter can have several capitals: ẞ and SS.
        let lower = text.chars().flat_map(char::to_lowercase);
        Self(lower.flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect())
    }

    /// Reads the text of a search: 1 to 200 code points, with the rules of a description.
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        check_short(text)?;
        check_multiline(text)?;
        Ok(Self::of(text))
    }
}

fn check_short(text: &str) -> Result<(), Invalid> {
    let is_short = (1..=200).contains(&text.chars().count());
    is_short.then_some(()).ok_or_else(|| "must have 1 to 200 characters".into())
}

fn check_multiline(text: &str) -> Result<(), Invalid> {
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        return Err("must not contain control characters other than newline and tab".into());
    }
    Ok(())
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
    fn folding_removes_case_differences_only() {
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
        fn a_parsed_text_is_unchanged(text in any::<String>()) {
            if let Ok(title) = Title::parse(text.clone()) {
                prop_assert_eq!(&String::from(title), &text);
            }
            if let Ok(description) = Description::parse(text.clone()) {
                prop_assert_eq!(&String::from(description), &text);
            }
        }
    }
}
