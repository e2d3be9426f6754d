//! Free text: titles and descriptions.

use shared::error::Invalid;

use super::characters;

/// A title: one line of 1 to 200 code points with a visible character.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub(crate) struct Title(String);

impl Title {
    /// Trims outer white space.
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        let text = characters::parse_line(text)?;
        if text.chars().count() > 200 {
            return Err("must have at most 200 characters".into());
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
    /// Stores each line end as a newline.
    pub(crate) fn parse(text: String) -> Result<Self, Invalid> {
        let text = with_newlines(text);
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

/// The text with a newline for each CRLF and each lone CR.
pub(super) fn with_newlines(text: String) -> String {
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text }
}

pub(super) fn check_multiline(text: &str) -> Result<(), Invalid> {
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
        for good in ["x", "Käse 🧀 für 日本", &"🧀".repeat(200)] {
            assert!(Title::parse(good).is_ok(), "{good}");
        }
        for bad in ["", " ", "a\nb", "a\tb", "a\0b", "\u{7f}", "\u{85}", &"x".repeat(201)] {
            assert!(Title::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Title::parse(&format!(" {} ", "x".repeat(200))).is_ok());
    }

    #[test]
    fn a_description_follows_each_rule() {
        for good in ["", "two\n\tlines", &"é".repeat(10_000), &"\r\n".repeat(10_000)] {
            assert!(Description::parse(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["a\0b", "\u{1b}[31m", &"x".repeat(10_001)] {
            assert!(Description::parse(bad.to_owned()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn every_line_end_becomes_a_newline() {
        for (sent, kept) in [("a\r\nb\rc\n", "a\nb\nc\n"), ("\r\r\n\n\r", "\n\n\n\n")] {
            assert_eq!(Description::parse(sent.to_owned()).unwrap().as_str(), kept);
        }
    }

    proptest! {
        #[test]
        fn a_parsed_text_is_unchanged(text in any::<String>()) {
            if let Ok(title) = Title::parse(&text) {
                prop_assert!(text.contains(title.as_str()));
                prop_assert_eq!(Title::parse(title.as_str()), Ok(title));
            }
            if let Ok(description) = Description::parse(text.clone()) {
                prop_assert_eq!(String::from(description), with_newlines(text));
            }
        }
    }
}
