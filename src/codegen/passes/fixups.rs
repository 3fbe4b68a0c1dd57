//! Mistakes of the published definitions: one function each. A fixup that no
//! longer applies is an error, so that it goes when the definitions are mended.

use super::super::{
    Error,
    ir::{Kind, Model},
};

/// Applies all fixups.
pub(super) fn run(model: &mut Model) -> Result<(), Error> {
    resource_ids_are_ids(model)
}

/// The snapshots give `Resource.id` the type `string`, by the extension
/// structuredefinition-fhir-type; the specification says `id`
/// (<https://hl7.org/fhir/R4/resource.html#id>).
fn resource_ids_are_ids(model: &mut Model) -> Result<(), Error> {
    for resource in model
        .types
        .values_mut()
        .filter(|r#type| r#type.kind == Kind::Resource)
    {
        let id = resource
            .elements
            .iter_mut()
            .find(|element| element.name == "id");
        match id.and_then(|id| id.types.first_mut()) {
            Some(r#type) if r#type.code == "string" => r#type.code = "id".to_owned(),
            _ => {
                return Err(Error::new(
                    &resource.path,
                    "its id is no string: the fixup for resource ids is outdated",
                ));
            }
        }
    }
    Ok(())
}
