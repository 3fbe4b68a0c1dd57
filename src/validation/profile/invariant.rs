//! Constraints that a profile adds, parsed when the profile is loaded and
//! interpreted: the profile may have come in a package.

use std::sync::Arc;

use crate::{
    model::{
        Constraint, Severity,
        object::{Node, Object},
    },
    validation::fhirpath::{self, Expression, Refusal},
};

/// A constraint of a profile.
#[derive(Clone, Debug)]
pub(super) struct Invariant {
    pub(super) constraint: &'static Constraint,
    expression: Arc<Result<Expression, Refusal>>,
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
        Self {
            constraint,
            expression: Arc::new(fhirpath::parse(expression)),
        }
    }

    /// Whether it holds of a value in a resource.
    ///
    /// Errors: an expression that is not understood or cannot be evaluated.
    pub(super) fn holds(&self, value: Node<'_>, resource: &dyn Object) -> Result<bool, Refusal> {
        match &*self.expression {
            Ok(expression) => fhirpath::holds(expression, value, resource, resource),
            Err(refusal) => Err(refusal.clone()),
        }
    }
}
