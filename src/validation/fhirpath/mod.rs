//! [FHIRPath N1](http://hl7.org/fhirpath/N1/) at run time: the constraints of
//! profiles, which come out of packages, interpreted over the reflection of the
//! model. The constraints of the base types are compiled; see
//! [`invariant`](super::invariant).

mod function;
mod interpreter;
pub(super) mod number;
pub(super) mod temporal;
#[cfg(test)]
mod tests;
mod value;

use crate::model::{
    fhirpath::{self, Expr},
    object::{Node, Object},
};

/// A parsed expression: parse it once, evaluate it often.
#[derive(Debug)]
pub struct Expression {
    tree: Expr,
    /// The patterns that stand in it as literals, compiled.
    patterns: Vec<(String, regex_lite::Regex)>,
}

/// Why an expression has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is no FHIRPath, or uses what is not known here.
    #[error("the expression is not understood: {0}")]
    Syntax(#[from] fhirpath::SyntaxError),
    /// Its evaluation is an error, as FHIRPath says: for instance many items
    /// where one is asked for.
    #[error("the expression cannot be evaluated: expected {0}")]
    Evaluation(String),
}

/// Parses an expression.
///
/// Errors: [`Refusal::Syntax`] for what is no FHIRPath and for functions and
/// patterns that are not known.
pub fn parse(text: &str) -> Result<Expression, Refusal> {
    let tree = fhirpath::parse(text)?;
    let mut patterns = Vec::new();
    interpreter::patterns(&tree, &mut patterns)?;
    Ok(Expression { tree, patterns })
}

/// Whether a constraint holds for a context: an element or a resource.
/// `resource` is the resource that the context is in (`%resource`), `root` the
/// one that this is contained in, else the same (`%rootResource`). An empty
/// result holds, as FHIR has it
/// ([Constraints](https://hl7.org/fhir/R4/conformance-rules.html#constraints)).
///
/// Errors: [`Refusal::Evaluation`].
pub fn holds(
    expression: &Expression,
    context: Node<'_>,
    resource: &dyn Object,
    root: &dyn Object,
) -> Result<bool, Refusal> {
    interpreter::truth(expression, context, resource, root, None).map(|truth| truth != Some(false))
}

/// Whether what an extension asks of the element that has it holds: `%extension`
/// is the extension.
///
/// Errors: [`Refusal::Evaluation`].
pub(super) fn holds_with(
    expression: &Expression,
    element: &dyn Object,
    extension: &dyn Object,
) -> Result<bool, Refusal> {
    let context = Node::Object(element);
    interpreter::truth(expression, context, element, element, Some(extension))
        .map(|truth| truth != Some(false))
}
