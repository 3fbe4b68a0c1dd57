//! The generated texts, searched where they are; `codegen::emit::terminology`
//! says what they hold.

use std::cmp::Ordering;

/// A text of paragraphs, each with a URL at its start, in the order of the
/// URLs' lengths and then of the URLs.
#[derive(Debug)]
pub(crate) struct Paragraphs {
    pub(crate) text: &'static str,
    /// Of each paragraph where it starts, and in the lowest byte the length of
    /// its URL: most URLs are told apart by it, without a look at the text.
    pub(crate) index: &'static [u32],
}

impl Paragraphs {
    /// The first line and the other lines of the paragraph with this URL.
    pub(super) fn find(&self, url: &str) -> Option<(&'static str, &'static str)> {
        let (mut low, mut high) = (0, self.index.len());
        while low < high {
            let middle = (low + high) / 2;
            let (start, length) = self.entry(middle)?;
            let order = match length.cmp(&url.len()) {
                Ordering::Equal => self.text.get(start..start + length)?.cmp(url),
                order => order,
            };
            match order {
                Ordering::Equal => return self.paragraph(middle)?.split_once('\n'),
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        None
    }

    fn paragraph(&self, index: usize) -> Option<&'static str> {
        let (start, _) = self.entry(index)?;
        let end = self.entry(index + 1);
        self.text
            .get(start..end.map_or(self.text.len(), |(end, _)| end))
    }

    /// Start and length of the URL.
    fn entry(&self, index: usize) -> Option<(usize, usize)> {
        let entry = *self.index.get(index)?;
        Some(((entry >> 8) as usize, (entry & 0xff) as usize))
    }

    /// All paragraphs, in their order.
    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = &'static str> {
        (0..self.index.len()).filter_map(|index| self.paragraph(index))
    }
}

/// The text up to a tab or the end of the line.
pub(super) fn first_field(text: &str) -> &str {
    let end = memchr::memchr2(b'\t', b'\n', text.as_bytes());
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

/// The entry for a code among entries that are sorted by code and divided by a
/// separator; an entry is a code, or fields of which it is the first.
pub(super) fn find_entry<'a>(
    text: &'a str,
    separator: u8,
    code: &str,
    case_sensitive: bool,
) -> Option<&'a str> {
    let bytes = text.as_bytes();
    let (mut low, mut high) = (0, bytes.len());
    while low < high {
        let middle = (low + high) / 2;
        let start = memchr::memrchr(separator, bytes.get(low..middle)?)
            .map_or(low, |before| low + before + 1);
        let end = memchr::memchr(separator, bytes.get(middle..high)?)
            .map_or(high, |after| middle + after);
        let entry = text.get(start..end)?;
        match order(first_field(entry), code, case_sensitive) {
            Ordering::Equal => return Some(entry),
            Ordering::Less => low = end + 1,
            Ordering::Greater => high = start,
        }
    }
    None
}

/// The order of codes: first without regard to the case of ASCII letters.
fn order(a: &str, b: &str, case_sensitive: bool) -> Ordering {
    for (x, y) in a.bytes().zip(b.bytes()) {
        if x != y {
            let order = x.to_ascii_lowercase().cmp(&y.to_ascii_lowercase());
            if order != Ordering::Equal {
                return order;
            }
        }
    }
    let order = a.len().cmp(&b.len());
    if case_sensitive {
        order.then_with(|| a.cmp(b))
    } else {
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_entry_and_nothing_else() {
        let entries = ["%", "A", "a\tx", "b", "bb\ty\tz", "M", "m", "zä"];
        let text = entries.map(|entry| format!("{entry}\n")).concat();
        for entry in entries {
            let code = first_field(entry);
            assert_eq!(find_entry(&text, b'\n', code, true), Some(entry), "{code}");
        }
        for code in ["", "$", "B", "BB", "bbb", "Z", "zz", "zä "] {
            assert_eq!(find_entry(&text, b'\n', code, true), None, "{code}");
        }
        assert_eq!(find_entry(&text, b'\n', "BB", false), Some("bb\ty\tz"));
        assert_eq!(find_entry("", b'\n', "a", true), None);
        assert_eq!(find_entry("a\tb\tc", b'\t', "c", true), Some("c"));
        assert_eq!(find_entry("a\tb\tc", b'\t', "d", true), None);
    }
}
