//! When two texts are the same for a search or as a label.

use icu_casemap::CaseMapper;
use shared::error::Invalid;
use unicode_normalization::UnicodeNormalization as _;

use super::text::{check_multiline, with_newlines};

/// Case-folded text, as it is stored for searches and searched for. Two texts have the same exactly
/// if they are a canonical caseless match (Unicode, D145): they differ at most in case and in
/// normalization.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, sqlx::Type)]
#[sqlx(transparent)]
pub(crate) struct Folded(String);

impl Folded {
    pub(crate) fn of(text: &str) -> Self {
        if text.is_ascii() {
            return Self(text.to_ascii_lowercase());
        }
        let decomposed: String = text.nfd().collect();
        let folded = CaseMapper::new().fold_string(&decomposed);
        // Composed, so that a letter is no part of the same letter with an accent.
        Self(composed(&folded))
    }

    /// Reads the text of a search: 1 to 200 code points, with the rules of a description.
    pub(crate) fn parse(text: String) -> Result<Self, Invalid> {
        let text = with_newlines(text);
        if !(1..=200).contains(&text.chars().count()) {
            return Err("must have 1 to 200 characters".into());
        }
        check_multiline(&text)?;
        Ok(Self::of(&text))
    }
}

/// The text in Normalization Form C. Two texts have the same exactly if they are canonically
/// equivalent (Unicode, D70).
pub(super) fn composed(text: &str) -> String {
    text.nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASE_FOLDING: &str = include_str!("../../tests/data/unicode/CaseFolding.txt");
    const NORMALIZATION: &str = include_str!("../../tests/data/unicode/NormalizationTest.txt");

    /// The fields of each line of a file of the Unicode Character Database.
    fn lines(file: &str) -> impl Iterator<Item = Vec<&str>> {
        let content = file.lines().map(|line| line.split('#').next().expect("it has a part"));
        let content = content.filter(|line| !line.trim().is_empty() && !line.starts_with('@'));
        content.map(|line| line.split(';').map(str::trim).collect())
    }

    fn text(code_points: &str) -> String {
        let character = |hex| char::from_u32(u32::from_str_radix(hex, 16).unwrap()).unwrap();
        code_points.split(' ').map(character).collect()
    }

    #[test]
    fn a_character_and_its_case_folding_match() {
        let mut count = 0;
        for line in lines(CASE_FOLDING) {
            // Common and full mappings: not the simple ones, nor those of Turkic languages.
            if ["C", "F"].contains(&line[1]) {
                assert_eq!(Folded::of(&text(line[0])), Folded::of(&text(line[2])), "{line:?}");
                count += 1;
            }
        }
        assert!(count > 200, "{count}");
    }

    #[test]
    fn canonically_equivalent_texts_match() {
        let mut count = 0;
        for line in lines(NORMALIZATION) {
            let [source, nfc, nfd] = [0, 1, 2].map(|column| text(line[column]));
            assert_eq!(composed(&source), nfc, "{line:?}");
            assert_eq!(composed(&nfd), nfc, "{line:?}");
            assert_eq!(Folded::of(&source), Folded::of(&nfc), "{line:?}");
            assert_eq!(Folded::of(&source), Folded::of(&nfd), "{line:?}");
            count += 1;
        }
        assert!(count > 200, "{count}");
    }

    #[test]
    fn folding_removes_only_differences_of_case_and_normalization() {
        for (one, other) in [
            ("Käse", "KA\u{308}SE"),
            ("Ὀδυσσεύς", "ὈΔΥΣΣΕΎΣ"),
            ("straße", "STRASSE"),
            ("straße", "STRAẞE"),
            ("ꮳꮃꭹ", "ᏣᎳᎩ"),
            ("\u{345}α", "ΙΑ"),
        ] {
            assert_eq!(Folded::of(one), Folded::of(other), "{one} {other}");
        }
        for (one, other) in [("a", "ä"), ("ﬁ", "f"), ("①", "1"), ("ı", "i")] {
            assert_ne!(Folded::of(one), Folded::of(other), "{one} {other}");
        }
        assert_eq!(Folded::of("100%_\\"), Folded("100%_\\".into()));
    }

    #[test]
    fn a_letter_is_no_part_of_the_letter_with_an_accent() {
        let Folded(cafe) = Folded::of("cafe\u{301}");
        assert!(!cafe.contains("cafe"));
    }

    #[test]
    fn the_text_of_a_search_follows_each_rule() {
        for good in ["x", "a\r\nb", &"🧀".repeat(200)] {
            assert!(Folded::parse(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "a\0b", &"x".repeat(201)] {
            assert!(Folded::parse(bad.to_owned()).is_err(), "{bad:?}");
        }
        assert_eq!(Folded::parse("A\r\nB".to_owned()), Ok(Folded::of("a\nb")));
    }
}
