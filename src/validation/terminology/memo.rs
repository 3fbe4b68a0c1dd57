//! What was found out about the last codes: the same few stand in records again
//! and again.

use crate::model::terminology::Membership;

/// How many findings are kept.
const SLOTS: usize = 256;

/// Keys that are longer are not kept.
const LONGEST: usize = 151;

/// The findings. Of fixed size (44 KB), made with the first of them.
#[derive(Debug, Default)]
pub(in crate::validation) struct Memo {
    slots: Vec<Slot>,
}

#[derive(Clone, Debug)]
struct Slot {
    key: Key,
    finding: Option<Membership>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    length: u8,
    bytes: [u8; LONGEST],
}

impl Memo {
    /// Question whether a code alone is of the value set that the texts name.
    pub(in crate::validation) const CODE_OF_NAMED_SET: usize = 1;
    /// Question whether a code of a system is of the value set that the texts
    /// name.
    pub(in crate::validation) const CODING_OF_NAMED_SET: usize = 2;

    /// The place for the finding about these texts by one kind of question: the
    /// address of the value set that was asked, 0 for what needs none, 1 or 2
    /// where the texts name it. It is empty for a question that is new.
    pub(in crate::validation) fn finding(
        &mut self,
        question: usize,
        texts: [&str; 3],
    ) -> Option<&mut Option<Membership>> {
        let (key, hash) = key(question, texts)?;
        if self.slots.is_empty() {
            let (empty, _) = self::key(0, [""; 3])?;
            let empty = Slot {
                key: empty,
                finding: None,
            };
            self.slots = vec![empty; SLOTS];
        }
        let slot = self.slots.get_mut(hash % SLOTS)?;
        if slot.key != key {
            slot.key = key;
            slot.finding = None;
        }
        Some(&mut slot.finding)
    }
}

/// The question and the texts with a byte between them that no text has.
fn key(question: usize, texts: [&str; 3]) -> Option<(Key, usize)> {
    let mut key = Key {
        length: 0,
        bytes: [0; LONGEST],
    };
    let mut length = 0;
    let mut push = |bytes: &[u8]| {
        let end = length + bytes.len();
        key.bytes.get_mut(length..end)?.copy_from_slice(bytes);
        length = end;
        Some(())
    };
    push(&question.to_le_bytes())?;
    for text in texts {
        push(text.as_bytes())?;
        push(&[0xff])?;
    }
    key.length = length as u8;
    let mut hash = 0_u64;
    for chunk in key.bytes.get(..length)?.chunks(8) {
        let mut word = [0; 8];
        word.get_mut(..chunk.len())?.copy_from_slice(chunk);
        let mixed = (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash = mixed ^ mixed >> 32;
    }
    Some((key, hash as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_findings_apart() {
        let mut memo = Memo::default();
        *memo.finding(1, ["a", "b", ""]).expect("a place") = Some(Membership::Member);
        assert_eq!(
            memo.finding(1, ["a", "b", ""]),
            Some(&mut Some(Membership::Member))
        );
        for (question, texts) in [
            (2, ["a", "b", ""]),
            (1, ["ab", "", ""]),
            (1, ["a", "", "b"]),
        ] {
            assert_eq!(memo.finding(question, texts), Some(&mut None), "{texts:?}");
        }
        assert_eq!(memo.finding(1, ["a", "b", &"c".repeat(200)]), None);
    }
}
