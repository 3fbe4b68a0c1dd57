//! Narrative: what hides in its markup, beside hidden characters themselves.
//! Comments are never displayed, and a character reference (`&#x202e;`) is the
//! character that it names.

use std::borrow::Cow;

use super::{
    Removed,
    character::{self, Kind, kind},
};

/// What is taken out may join its neighbours to something hidden again. More
/// rounds than this are no accident.
const MAX_ROUNDS: usize = 4;

/// What stands for markup that cannot be cleaned.
const LEFT_OUT: &str = "[left out: markup that hides text]";

/// The markup without comments and hidden characters.
pub(super) fn clean<'a>(text: &'a str, removed: &mut Removed) -> Cow<'a, str> {
    let mut clean = character::clean(text, removed);
    for _ in 0..MAX_ROUNDS {
        let before = removed.count;
        let next = without_references(&clean, removed)
            .and_then(|text| without_comments(&text, removed).or(Some(text)))
            .or_else(|| without_comments(&clean, removed));
        if let Some(next) = next {
            clean = Cow::Owned(character::clean(&next, removed).into_owned());
        }
        if removed.count == before {
            return clean;
        }
    }
    Cow::Borrowed(LEFT_OUT)
}

/// `None` when there are no comments. One without an end reaches to the end.
fn without_comments(text: &str, removed: &mut Removed) -> Option<String> {
    let mut out: Option<String> = None;
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once("<!--") {
        out.get_or_insert_default().push_str(before);
        rest = comment.split_once("-->").map_or("", |(_, after)| after);
        removed.add(Kind::Comment);
    }
    out.map(|out| out + rest)
}

/// `None` when no reference names a hidden character.
fn without_references(text: &str, removed: &mut Removed) -> Option<String> {
    let mut out: Option<String> = None;
    let mut start = 0;
    for (at, _) in text.match_indices("&#") {
        let rest = text.get(at..).unwrap_or_default();
        let Some((length, kind)) = hidden_reference(rest).filter(|_| at >= start) else {
            continue;
        };
        let out = out.get_or_insert_default();
        out.push_str(text.get(start..at).unwrap_or_default());
        start = at + length;
        removed.add(kind);
    }
    out.map(|out| out + text.get(start..).unwrap_or_default())
}

/// Length and kind of a reference to a hidden character. Joiners count as
/// hidden here: whoever needs them writes them.
fn hidden_reference(rest: &str) -> Option<(usize, Kind)> {
    let end = rest.bytes().take(16).position(|byte| byte == b';')?;
    let number = rest.get(2..end)?;
    let code = match number.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16).ok()?,
        None => number.parse().ok()?,
    };
    let kind = kind(char::from_u32(code)?)?;
    Some((end + 1, kind))
}
