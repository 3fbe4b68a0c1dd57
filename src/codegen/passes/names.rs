//! Gives everything its Rust name and refuses collisions.

use super::super::{Error, ir::Model, naming};

/// Sets all names.
pub(super) fn run(model: &mut Model) -> Result<(), Error> {
    let mut names: Vec<(String, String)> = vec![("Resource".to_owned(), "Resource".to_owned())];
    for r#type in model.types.values_mut() {
        r#type.rust = naming::type_name(&r#type.path);
        names.push((r#type.rust.clone(), r#type.path.clone()));
        for element in &mut r#type.elements {
            element.field = naming::field_name(&element.name);
            if element.choice {
                element.choice_enum = naming::choice_name(&r#type.path, &element.name);
                names.push((
                    element.choice_enum.clone(),
                    format!("{}.{}[x]", r#type.path, element.name),
                ));
            }
        }
        let fields = r#type
            .elements
            .iter()
            .map(|element| (&element.field, element.name.as_str()));
        naming::refuse_collisions(&r#type.path, fields)?;
    }
    naming::refuse_collisions(
        "types",
        names.iter().map(|(name, origin)| (name, origin.as_str())),
    )?;
    for set in model.code_sets.values_mut() {
        // The last part of the URL: the names of value sets are not unique.
        set.rust = naming::enum_name(set.url.rsplit('/').next().unwrap_or(&set.url));
        let codes: Vec<&str> = set.codes.iter().map(|code| code.code.as_str()).collect();
        let variants = naming::variant_names(&set.url, &codes)?;
        for (code, variant) in set.codes.iter_mut().zip(variants) {
            code.variant = variant;
        }
    }
    let sets = model
        .code_sets
        .values()
        .map(|set| (&set.rust, set.url.as_str()));
    naming::refuse_collisions("value sets", sets)
}
