//! Where a value is, seen from the resource: written down only when there is
//! something to report.

use std::fmt::Write as _;

/// A value, and the one that it is in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'p> {
    above: Option<&'p Place<'p>>,
    name: &'p str,
    index: Option<usize>,
}

impl<'p> Place<'p> {
    /// The resource itself.
    pub(super) const ROOT: Self = Self {
        above: None,
        name: "",
        index: None,
    };

    /// An element of this one.
    pub(super) fn child(&'p self, name: &'p str, index: Option<usize>) -> Self {
        Self {
            above: Some(self),
            name,
            index,
        }
    }

    /// The rest of its FHIRPath behind the resource: `code.coding[0].system`;
    /// empty for the resource.
    pub(super) fn below(&self) -> String {
        let mut text = match self.above {
            None => return String::new(),
            Some(above) => above.below(),
        };
        if !text.is_empty() {
            text.push('.');
        }
        text.push_str(self.name);
        if let Some(index) = self.index {
            // Writing to a string cannot fail.
            let _ = write!(text, "[{index}]");
        }
        text
    }
}
