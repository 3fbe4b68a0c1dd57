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

impl CodeTable {
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
        Self::TABLE
            .codes
            .get(self.index())
            .copied()
            .unwrap_or_default()
    }
}

impl<T: CodeType> PrimitiveType for T {
    const NAME: &'static str = "code";
    const JSON: JsonType = JsonType::String;

    fn from_text(text: Cow<'_, str>) -> Result<Self, Defect> {
        let found = T::TABLE
            .find(&text)
            .and_then(|index| T::ALL.get(usize::from(index)));
        found.copied().ok_or_else(|| T::TABLE.defect(&text))
    }

    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.as_str())
    }
}
