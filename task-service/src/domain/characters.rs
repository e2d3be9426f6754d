//! Which characters a text of one line may have: a title or a label.

use icu_properties::{
    CodePointSetData, CodePointSetDataBorrowed, props::DefaultIgnorableCodePoint,
};
use shared::error::Invalid;

/// Invisible where they are supported: joiners, variation selectors, fillers, format characters.
const IGNORABLE: CodePointSetDataBorrowed<'static> =
    CodePointSetData::new::<DefaultIgnorableCodePoint>();

/// The text without its outer white space, if it has a visible character and none that reorders
/// or hides others.
pub(super) fn parse_line(text: &str) -> Result<String, Invalid> {
    let text = text.trim_matches(is_space);
    let mut previous = ' ';
    for character in text.chars() {
        if let Some(kind) = forbidden_kind(character, previous) {
            let code_point = u32::from(character);
            return Err(Invalid(format!("must not contain U+{code_point:04X}, {kind}").into()));
        }
        previous = character;
    }
    if text.chars().all(is_blank) {
        return Err("must have a visible character".into());
    }
    Ok(text.to_owned())
}

/// White space, also of zero width.
fn is_space(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{200b}' | '\u{2060}' | '\u{feff}')
}

fn is_blank(character: char) -> bool {
    // U+2800 is the Braille pattern without dots.
    character.is_whitespace() || character == '\u{2800}' || IGNORABLE.contains(character)
}

/// What the character is, if it is forbidden after `previous`.
fn forbidden_kind(character: char, previous: char) -> Option<&'static str> {
    match character {
        _ if character.is_control() => Some("a control character"),
        '\u{2028}' | '\u{2029}' => Some("a line separator"),
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => Some("a bidirectional control"),
        // Spelling needs these: soft hyphens, joiners of emoji and of Persian, marks of direction,
        // old Hangul, Mongolian, word breaks of Thai and Khmer, variants of ideographs.
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2060}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{e0100}'..='\u{e01ef}' => None,
        // The tags of a subdivision's flag. Elsewhere they are text that only machines read.
        '\u{e0020}'..='\u{e007f}' if matches!(previous, '🏴' | '\u{e0020}'..='\u{e007e}') => None,
        _ if IGNORABLE.contains(character) => Some("an invisible character"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outer_white_space_is_trimmed() {
        for (sent, kept) in [
            (" a  b\t\r\n", "a  b"),
            ("\u{3000}日本\u{a0}", "日本"),
            ("\u{feff}\u{200b}x\u{2060}\u{2028}", "x"),
        ] {
            assert_eq!(parse_line(sent), Ok(kept.to_owned()));
        }
    }

    #[test]
    fn the_spelling_of_each_language_is_kept() {
        for text in [
            "👩‍👩‍👧‍👦 family",
            "❤\u{fe0f}",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f} flag",
            "می\u{200c}خواهم",
            "ක්\u{200d}ෂ",
            "\u{200f}שלום, world!\u{200e}",
            "ភាសា\u{200b}ខ្មែរ",
            "co\u{ad}operate",
            "葛\u{e0100}",
            "ᠮᠣᠩᠭᠣᠯ\u{180e}ᠠ",
            "\u{1112}\u{1161}\u{11ab}",
            "\u{301}",
        ] {
            assert_eq!(parse_line(text), Ok(text.to_owned()));
        }
    }

    #[test]
    fn a_forbidden_character_is_named() {
        for (text, name) in [
            ("a\nb", "U+000A, a control character"),
            ("a\0b", "U+0000, a control character"),
            ("a\u{2028}b", "U+2028, a line separator"),
            ("invoice \u{202e}fdp.exe", "U+202E, a bidirectional control"),
            ("a\u{2066}b\u{2069}c", "U+2066, a bidirectional control"),
            ("a\u{feff}b", "U+FEFF, an invisible character"),
            ("a\u{3164}b", "U+3164, an invisible character"),
            ("a\u{2064}b", "U+2064, an invisible character"),
            ("a\u{e0041}\u{e0042}", "U+E0041, an invisible character"),
            ("🏴\u{e0067}\u{e007f}\u{e0041}", "U+E0041, an invisible character"),
        ] {
            let rule = format!("must not contain {name}");
            assert_eq!(parse_line(text), Err(Invalid(rule.into())));
        }
    }

    #[test]
    fn a_text_needs_a_visible_character() {
        for text in ["", "  ", "\u{200b}\u{feff}", "\u{200d}", "\u{fe0f}", "\u{2800}", "\u{115f}"] {
            assert_eq!(parse_line(text), Err("must have a visible character".into()), "{text:?}");
        }
    }
}
