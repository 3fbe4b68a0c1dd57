//! Where in a document an element is: for issues that are found when the
//! element itself has gone by.

use super::Reader;

/// The offset of the value that the rest of a FHIRPath leads to, from the object
/// at `from`; of the last step that could be found if it leads nowhere. With it
/// comes how far the search went.
pub(super) fn offset(source: &str, from: usize, below: &str) -> (usize, usize) {
    let mut reader = Reader::at(source, from);
    let mut found = from;
    for step in below.split('.') {
        let (name, index) = match step.split_once('[') {
            Some((name, rest)) => (name, rest.trim_end_matches(']').parse::<usize>().ok()),
            None => (step, None),
        };
        if !reader.go_to_property(name) {
            break;
        }
        if let Some(index) = index
            && !reader.go_to_entry(index)
        {
            break;
        }
        found = reader.offset();
    }
    (found, reader.pos)
}

impl Reader<'_> {
    /// Moves from an object to the value of one of its properties; a choice
    /// element has the name of its type behind its own.
    fn go_to_property(&mut self, name: &str) -> bool {
        if self.peek() != b'{' || !self.enter() || self.closes(b'}') {
            return false;
        }
        loop {
            let Some(key) = self.key() else { return false };
            let rest = key.strip_prefix('_').unwrap_or(&key).strip_prefix(name);
            if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_uppercase)) {
                self.peek();
                return true;
            }
            self.skip_value();
            if !self.another(b'}') {
                return false;
            }
        }
    }

    /// Moves from an array to one of its entries.
    fn go_to_entry(&mut self, index: usize) -> bool {
        if self.peek() != b'[' || !self.enter() || self.closes(b']') {
            return false;
        }
        for _ in 0..index {
            self.skip_value();
            if !self.another(b']') {
                return false;
            }
        }
        self.peek();
        true
    }
}
