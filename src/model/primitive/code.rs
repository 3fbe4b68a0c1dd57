//! Codes with a required binding to a closed value set: one enum each,
//! generated.

use std::borrow::Cow;

use super::{Defect, JsonType, PrimitiveType};
use crate::model::Rule;

/// The codes of a value set.
#[derive(Debug)]
pub struct CodeTable {
    /// Canonical URL of the value set.
    pub value_set: &'static str,
    /// The codes, in the order of the enum's variants.
    pub codes: &'static [&'static str],
    /// Indexes into `codes`, sorted by code.
    pub sorted: &'static [u16],
}

// No function here is generic: each would be compiled for 212 enums.
impl CodeTable {
    #[inline(never)]
    fn position(&self, text: Cow<'_, str>) -> Result<usize, Defect> {
        match self.find(&text) {
            Some(index) => Ok(usize::from(index)),
            None => Err(self.defect(&text)),
        }
    }

    #[inline(never)]
    fn code(&self, index: usize) -> &'static str {
        self.codes.get(index).copied().unwrap_or_default()
    }

    fn find(&self, text: &str) -> Option<u16> {
        let code = |index: &u16| {
            self.codes
                .get(usize::from(*index))
                .copied()
                .unwrap_or_default()
        };
        let found = self
            .sorted
            .binary_search_by(|index| code(index).cmp(text))
            .ok()?;
        self.sorted.get(found).copied()
    }

    fn defect(&self, text: &str) -> Defect {
        let name = self.value_set.rsplit('/').next().unwrap_or(self.value_set);
        let other_case = self
            .codes
            .iter()
            .find(|code| code.eq_ignore_ascii_case(text));
        let expected = match other_case {
            Some(code) => format!("the code {code} (codes of {name} are case-sensitive)"),
            None if self.codes.len() <= 16 => {
                format!("a code of {name}: {}", self.codes.join(" | "))
            }
            None => format!(
                "one of the {} codes of {}",
                self.codes.len(),
                self.value_set
            ),
        };
        Defect {
            rule: Rule::RequiredBinding,
            expected: Cow::Owned(expected),
            found: None,
        }
    }
}

/// A generated enum of codes.
pub trait CodeType: Copy + Send + Sync + 'static {
    /// The codes of its value set.
    const TABLE: &'static CodeTable;
    /// All variants, in the order of the table.
    const ALL: &'static [Self];

    /// The position of the variant in the table.
    fn index(self) -> usize;

    /// The code.
    fn as_str(self) -> &'static str {
        Self::TABLE.code(self.index())
    }
}

impl<T: CodeType> PrimitiveType for T {
    const NAME: &'static str = "code";
    const JSON: JsonType = JsonType::String;

    fn from_text(text: Cow<'_, str>) -> Result<Self, Defect> {
        match T::TABLE.position(text) {
            // An index of the table, which is as long as the list of variants.
            Ok(index) if index < T::ALL.len() => Ok(T::ALL[index]),
            Ok(_) => Err(T::TABLE.defect("")),
            Err(defect) => Err(defect),
        }
    }

    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.as_str())
    }
}
