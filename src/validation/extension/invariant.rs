//! What an extension asks of the element that has it
//! (<https://hl7.org/fhir/R4/structuredefinition-definitions.html#StructureDefinition.contextInvariant>).

use std::sync::OnceLock;

use super::{
    Seen, name,
    table::{self, Definition},
};
use crate::{
    model::{
        Rule, Severity,
        object::{Node, Object},
        reader::At,
    },
    validation::fhirpath::{self, Expression},
};

/// Checks an object that closes, if extensions of it ask for something.
#[inline]
pub(in crate::validation) fn check(object: &dyn Object, at: &mut At<'_, '_>, seen: &mut Seen) {
    if !seen.waiting.is_empty() {
        holder(object, at, seen);
    }
}

fn holder(object: &dyn Object, at: &mut At<'_, '_>, seen: &mut Seen) {
    let depth = at.path().count();
    while let Some((of, index, place)) = seen.waiting.pop_if(|(of, ..)| *of >= depth) {
        // What is missing because it could not be read is no issue of its own.
        if of > depth || !at.is_complete() {
            continue;
        }
        let asked = invariants()
            .iter()
            .find(|invariant| invariant.definition.place == place);
        let extension = object.get("extension").map(|slot| slot.get(index));
        if let (Some(asked), Some(Node::Object(extension))) = (asked, extension)
            && fhirpath::holds_with(&asked.expression, object, extension) == Ok(false)
        {
            let of = &asked.definition;
            let text = of.invariant().unwrap_or_default();
            at.report_below(
                &format!("extension[{index}]"),
                Rule::ExtensionContext,
                Severity::Error,
                format!("{} where {text}", name(of)),
                format!("it in {} where that is not so", object.definition().name),
            );
        }
    }
}

/// What an extension asks for.
struct Invariant {
    definition: Definition,
    expression: Expression,
}

/// Those of all extensions, parsed when the first one is met. The generator has
/// seen that they can be.
fn invariants() -> &'static [Invariant] {
    static INVARIANTS: OnceLock<Vec<Invariant>> = OnceLock::new();
    INVARIANTS.get_or_init(|| {
        let parsed = table::all().filter_map(|definition| {
            let expression = fhirpath::parse(definition.invariant()?).ok()?;
            Some(Invariant {
                definition,
                expression,
            })
        });
        parsed.collect()
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn all_of_them_can_be_parsed() {
        assert_eq!(super::invariants().len(), 13);
    }
}
