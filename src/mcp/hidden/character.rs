//! Which characters are hidden, by their properties
//! (<https://www.unicode.org/reports/tr44/>), and where they may stay.
//!
//! Hidden are control characters other than tab and line breaks, everything
//! that is ignored when it is displayed (`Default_Ignorable_Code_Point`, so
//! also what no version of Unicode has assigned there yet), bidirectional
//! controls, interlinear annotation and noncharacters. These stay:
//!
//! - ZERO WIDTH JOINER and NON-JOINER behind a virama, between letters of
//!   scripts that join (Arabic, Persian, Syriac …), and the joiner within an
//!   emoji sequence;
//! - one variation selector behind a base that has variants: emoji, ideographs
//!   (names of people are written with them), mathematical signs, Mongolian,
//!   Myanmar, Phags-pa and Manichaean letters;
//! - the tags of the three flags that are made of them;
//! - ZERO WIDTH SPACE between letters of Thai, Lao, Khmer and Myanmar, which
//!   are written without blanks;
//! - COMBINING GRAPHEME JOINER between two marks, Hangul fillers beside the
//!   letter that they complete, MONGOLIAN VOWEL SEPARATOR before its vowel.
//!
//! Private-use characters are shown, as a glyph or as a box, and East Asian
//! names hold some that no standard has: up to four in a row stay. A longer row
//! is no name but a text in another alphabet, and goes. Unassigned characters
//! are shown as boxes, and may be letters of a newer Unicode: they stay.

use std::borrow::Cow;

use icu_properties::props::{
    BidiControl, BinaryProperty, CanonicalCombiningClass, DefaultIgnorableCodePoint, Emoji,
    EnumeratedProperty, ExtendedPictographic, GeneralCategory, JoiningType, UnifiedIdeograph,
    VariationSelector,
};

use super::Removed;

/// Private-use characters in a row that a name may have.
const MAX_PRIVATE: usize = 4;

/// Marks between two characters that are looked at as neighbours.
const MAX_MARKS: usize = 4;

/// The flags of England, Scotland and Wales behind the black flag: `gbeng`,
/// `gbsct` and `gbwls` in tags, and the end of the sequence.
const FLAGS: [&str; 3] = [
    "\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
    "\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
    "\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}",
];

/// Why a character is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Control,
    Bidirectional,
    Tag,
    VariationSelector,
    ZeroWidth,
    SoftHyphen,
    Annotation,
    Ignorable,
    Noncharacter,
    PrivateUse,
    /// A comment in a narrative.
    Comment,
}

impl Kind {
    /// What an answer calls it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Bidirectional => "bidirectional control",
            Self::Tag => "tag",
            Self::VariationSelector => "variation selector",
            Self::ZeroWidth => "zero width",
            Self::SoftHyphen => "soft hyphen",
            Self::Annotation => "interlinear annotation",
            Self::Ignorable => "ignorable",
            Self::Noncharacter => "noncharacter",
            Self::PrivateUse => "private use",
            Self::Comment => "comment",
        }
    }
}

/// The text without hidden characters; nothing is copied when there are none.
pub(super) fn clean<'a>(text: &'a str, removed: &mut Removed) -> Cow<'a, str> {
    replace(text, removed, |_, _| ())
}

/// The text with something else for each hidden character.
pub(super) fn replace<'a>(
    text: &'a str,
    removed: &mut Removed,
    substitute: impl Fn(char, &mut String),
) -> Cow<'a, str> {
    let mut out: Option<String> = None;
    // What was kept and is not yet in `out` begins here.
    let mut start = 0;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        // Behind a removed character the text before it is the neighbour.
        let before = match &out {
            Some(out) if start == at => out.as_str(),
            _ => text.get(..at).unwrap_or_default(),
        };
        let (length, kind) = next(before, rest);
        if let Some(kind) = kind {
            let out = out.get_or_insert_default();
            out.push_str(text.get(start..at).unwrap_or_default());
            for char in rest.get(..length).unwrap_or_default().chars() {
                removed.add(kind);
                substitute(char, out);
            }
            start = at + length;
        }
        at += length;
    }
    match out {
        Some(mut out) => {
            out.push_str(text.get(start..).unwrap_or_default());
            Cow::Owned(out)
        }
        None => Cow::Borrowed(text),
    }
}

/// How many bytes come next, and why they are hidden, if they are.
fn next(before: &str, rest: &str) -> (usize, Option<Kind>) {
    let Some(char) = rest.chars().next() else {
        return (rest.len(), None);
    };
    let length = char.len_utf8();
    match kind(char) {
        None => (length, None),
        Some(Kind::PrivateUse) => private_use(rest),
        Some(Kind::Tag) => match flag(before, rest) {
            Some(length) => (length, None),
            None => (length, Some(Kind::Tag)),
        },
        Some(kind) => {
            let after = rest.get(length..).unwrap_or_default();
            (length, (!belongs(char, before, after)).then_some(kind))
        }
    }
}

/// What kind of hidden character it is, wherever it stands.
pub(super) fn kind(char: char) -> Option<Kind> {
    match char {
        ' '..='~' | '\t' | '\n' | '\r' | '\u{ae}'..='\u{2ff}' | '\u{400}'..='\u{5ff}' => None,
        '\u{ad}' => Some(Kind::SoftHyphen),
        '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' | '\u{180e}' => Some(Kind::ZeroWidth),
        '\u{fff9}'..='\u{fffb}' => Some(Kind::Annotation),
        '\u{e0000}'..='\u{e007f}' => Some(Kind::Tag),
        _ if is_noncharacter(char) => Some(Kind::Noncharacter),
        _ if BidiControl::for_char(char) => Some(Kind::Bidirectional),
        _ if VariationSelector::for_char(char) => Some(Kind::VariationSelector),
        _ if DefaultIgnorableCodePoint::for_char(char) => Some(Kind::Ignorable),
        _ => match GeneralCategory::for_char(char) {
            GeneralCategory::Control => Some(Kind::Control),
            GeneralCategory::PrivateUse => Some(Kind::PrivateUse),
            _ => None,
        },
    }
}

fn is_noncharacter(char: char) -> bool {
    let code = u32::from(char);
    code & 0xfffe == 0xfffe || (0xfdd0..=0xfdef).contains(&code)
}

/// A row of private-use characters, whole.
fn private_use(rest: &str) -> (usize, Option<Kind>) {
    let is_private = |char: &char| kind(*char) == Some(Kind::PrivateUse);
    let row = rest.chars().take_while(is_private);
    let (count, length) = row.fold((0, 0), |(count, length), char| {
        (count + 1, length + char.len_utf8())
    });
    (length, (count > MAX_PRIVATE).then_some(Kind::PrivateUse))
}

/// Length of the tags that make a flag of the black flag before them.
fn flag(before: &str, rest: &str) -> Option<usize> {
    if !before.ends_with('\u{1f3f4}') {
        return None;
    }
    let tags = FLAGS.iter().find(|tags| rest.starts_with(**tags))?;
    Some(tags.len())
}

/// Whether the orthography of its neighbours has the character here.
fn belongs(char: char, before: &str, after: &str) -> bool {
    let base = before.chars().next_back().unwrap_or(' ');
    let next = after.chars().next().unwrap_or(' ');
    match char {
        '\u{200c}' => is_virama(base) || (joins(before.chars().rev()) && joins(after.chars())),
        '\u{200d}' => {
            is_virama(base)
                || (is_virama(next) && is_letter(base))
                || joins(before.chars().rev())
                || joins_emoji(before, next)
        }
        '\u{200b}' => is_unspaced(base) && is_unspaced(next),
        '\u{fe0f}' if matches!(base, '0'..='9' | '#' | '*') => next == '\u{20e3}',
        '\u{fe0e}' | '\u{fe0f}' => !base.is_ascii() && Emoji::for_char(base),
        '\u{fe00}'..='\u{fe02}' => has_variants(base),
        '\u{e0100}'..='\u{e011f}' => UnifiedIdeograph::for_char(base),
        '\u{180b}'..='\u{180d}' | '\u{180f}' => is_mongolian(base),
        '\u{180e}' => is_mongolian(base) && matches!(next, '\u{1820}' | '\u{1821}'),
        '\u{34f}' => is_mark(base) && is_mark(next),
        '\u{1160}' => matches!(base, '\u{1100}'..='\u{115e}' | '\u{a960}'..='\u{a97c}'),
        '\u{115f}' => matches!(next, '\u{1161}'..='\u{11a7}' | '\u{d7b0}'..='\u{d7c6}'),
        _ => false,
    }
}

fn is_virama(char: char) -> bool {
    CanonicalCombiningClass::for_char(char) == CanonicalCombiningClass::Virama
}

fn is_letter(char: char) -> bool {
    GeneralCategory::for_char(char) == GeneralCategory::OtherLetter
}

fn is_mark(char: char) -> bool {
    GeneralCategory::for_char(char) == GeneralCategory::NonspacingMark
}

/// Whether the nearest letter is of a script whose letters join.
fn joins(chars: impl Iterator<Item = char>) -> bool {
    let mut types = chars.take(MAX_MARKS).map(JoiningType::for_char);
    matches!(
        types.find(|kind| *kind != JoiningType::Transparent),
        Some(JoiningType::DualJoining | JoiningType::LeftJoining | JoiningType::RightJoining)
    )
}

/// Whether two pictures become one.
fn joins_emoji(before: &str, next: char) -> bool {
    let is_addition = |char: &char| matches!(char, '\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}');
    let mut base = before.chars().rev().take(MAX_MARKS);
    base.find(|char| !is_addition(char))
        .is_some_and(ExtendedPictographic::for_char)
        && ExtendedPictographic::for_char(next)
}

/// Scripts that are written without blanks between words.
fn is_unspaced(char: char) -> bool {
    matches!(char,
        '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{1950}'..='\u{19df}' | '\u{1a20}'..='\u{1aaf}' | '\u{a9e0}'..='\u{a9ff}'
        | '\u{aa60}'..='\u{aadf}')
}

fn is_mongolian(char: char) -> bool {
    matches!(char, '\u{1807}' | '\u{1820}'..='\u{18aa}')
}

/// Characters with standardized variants other than those of emoji.
fn has_variants(base: char) -> bool {
    matches!(base, '\u{1000}'..='\u{109f}' | '\u{a840}'..='\u{a877}' | '\u{10ac0}'..='\u{10aff}')
        || UnifiedIdeograph::for_char(base)
        || (!base.is_ascii() && GeneralCategory::for_char(base) == GeneralCategory::MathSymbol)
}
