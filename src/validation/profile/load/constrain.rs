//! What one ElementDefinition asks for
//! ([ElementDefinition](https://hl7.org/fhir/R4/elementdefinition.html)), put
//! onto the element that it is about.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    super::{
        builtin,
        definition::{Binding, Element, Slicing, SlicingRules, Target, Type},
        discriminator::{self, Discriminator},
        invariant::Invariant,
    },
    BASE, without_version,
};
use crate::model::{
    self,
    definition::{BindingStrength, ElementDef, Kind, TypeDef, TypeRef},
};

const MAX_VALUE_SET: &str = "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet";
const ALL_LANGUAGES: &str = "http://hl7.org/fhir/ValueSet/all-languages";

/// Puts what an ElementDefinition asks for onto an element. `strict`: it is of
/// a differential, which must not loosen what is there.
pub(super) fn apply(target: &mut Element, source: &Value, strict: bool) -> Result<(), String> {
    let Some(source) = source.as_object() else {
        return Err("no ElementDefinition".to_owned());
    };
    invariants(target, source);
    let Some(base) = target.base else {
        return Ok(());
    };
    cardinality(target, base, source, strict)?;
    if let Some(given) = source.get("type").and_then(Value::as_array) {
        types(target, base, given, strict)?;
    }
    if let Some(slicing) = source.get("slicing") {
        target.slicing = Some(slicing_of(slicing)?);
    }
    for (name, value) in source {
        let choice = |prefix: &str| {
            let rest = name.strip_prefix(prefix);
            rest.is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_uppercase()))
        };
        if choice("fixed") {
            target.fixed = Some(value.clone());
        } else if choice("pattern") {
            target.pattern = Some(value.clone());
        } else if choice("minValue") {
            target.lowest = Some(value.clone());
        } else if choice("maxValue") {
            target.highest = Some(value.clone());
        }
    }
    if let Some(length) = source.get("maxLength").and_then(Value::as_u64) {
        target.max_length = usize::try_from(length).ok();
    }
    if let Some(must_support) = source.get("mustSupport").and_then(Value::as_bool) {
        target.must_support = must_support;
    }
    binding(target, base, source)
}

fn text<'v>(source: &'v Map<String, Value>, name: &str) -> Option<&'v str> {
    source.get(name)?.as_str()
}

fn cardinality(
    target: &mut Element,
    base: &ElementDef,
    source: &Map<String, Value>,
    strict: bool,
) -> Result<(), String> {
    if let Some(min) = source.get("min").and_then(Value::as_u64) {
        let min = u32::try_from(min).map_err(|_| format!("min {min}"))?;
        if strict && min < target.min {
            return Err(format!("min {min} is less than {} of the base", target.min));
        }
        target.min = min;
    }
    match text(source, "max") {
        None => {}
        Some("*") if strict && target.max.is_some() => {
            return Err("max * is more than the base has".to_owned());
        }
        Some("*") => {}
        Some(max) => {
            let max: u32 = max.parse().map_err(|_| format!("max {max}"))?;
            let inherited = target.max.unwrap_or(if base.many { u32::MAX } else { 1 });
            if strict && max > inherited {
                return Err(format!("max {max} is more than the base has"));
            }
            // What cannot repeat needs no check but for max 0.
            target.max = (base.many || max == 0).then_some(max);
        }
    }
    Ok(())
}

/// What a value of these types holds, if that is one type: of a primitive its
/// extensions.
pub(super) fn content(types: &'static [TypeRef]) -> Option<&'static TypeDef> {
    match types {
        [only] => content_of(only),
        _ => None,
    }
}

fn content_of(r#type: &'static TypeRef) -> Option<&'static TypeDef> {
    match r#type.code {
        "Resource" => None,
        _ => r#type.definition().or_else(|| model::type_def("Element")),
    }
}

/// Narrows a choice to the type at this index.
pub(super) fn only_type(target: &mut Element, base: &'static ElementDef, variant: usize) {
    if let Some(r#type) = base.types.get(variant) {
        target.content = content_of(r#type);
        target.types = vec![Type {
            code: r#type.code.to_owned(),
            profiles: Vec::new(),
            targets: Arc::default(),
        }];
    }
}

/// Narrows a choice to the type at this index, and to those that it was narrowed
/// to in the same way before.
pub(super) fn only_types(target: &mut Element, base: &'static ElementDef, variant: usize) {
    let by_type = Discriminator {
        kind: discriminator::Kind::Type,
        path: Vec::new(),
    };
    match &target.slicing {
        None => {
            only_type(target, base, variant);
            target.slicing = Some(Slicing::by(vec![by_type], SlicingRules::Closed));
        }
        Some(slicing)
            if slicing.rules == SlicingRules::Closed
                && slicing.discriminators == [by_type]
                && !target.types.is_empty() =>
        {
            let Some(added) = base.types.get(variant).map(|of| of.code) else {
                return;
            };
            if !target.types.iter().any(|of| of.code == added) {
                target.content = None;
                target.types.push(Type {
                    code: added.to_owned(),
                    profiles: Vec::new(),
                    targets: Arc::default(),
                });
            }
        }
        Some(_) => {}
    }
}

fn types(
    target: &mut Element,
    base: &'static ElementDef,
    given: &[Value],
    strict: bool,
) -> Result<(), String> {
    let mut types: Vec<Type> = Vec::new();
    for source in given {
        let code = source
            .get("code")
            .and_then(Value::as_str)
            .unwrap_or_default();
        // The values of ids and URLs have a type of FHIRPath.
        if code.is_empty() || code.contains("://") {
            return Ok(());
        }
        let urls = |name: &str| {
            let urls = source.get(name).and_then(Value::as_array);
            urls.into_iter().flatten().filter_map(Value::as_str)
        };
        let base_type = base_type(base, code);
        if strict && base_type.is_none() {
            return Err(format!("the type {code} is none of the base"));
        }
        let targets: Vec<Target> = urls("targetProfile").map(target_of).collect();
        let narrower = base_type.is_some_and(|base| narrower(&targets, base));
        types.push(Type {
            code: code.to_owned(),
            profiles: urls("profile").map(str::to_owned).collect(),
            targets: if narrower {
                targets.into()
            } else {
                Arc::default()
            },
        });
    }
    let fewer = base.choice && types.len() < base.types.len();
    let specific = base.types.iter().any(|r#type| r#type.code == "Resource")
        && types.iter().all(|r#type| r#type.code != "Resource");
    let refined = types
        .iter()
        .any(|r#type| !r#type.profiles.is_empty() || !r#type.targets.is_empty());
    if let [only] = types.as_slice() {
        target.content = match base.types.iter().find(|r#type| r#type.code == only.code) {
            Some(r#type) => content_of(r#type),
            None if specific => model::type_def(&only.code),
            None => target.content,
        };
    }
    if fewer || specific || refined {
        target.types = types;
    }
    Ok(())
}

/// The type of the base that a type of a profile is, or is one of.
fn base_type(base: &'static ElementDef, code: &str) -> Option<&'static TypeRef> {
    let resource = || {
        let definition = model::type_def(code)?;
        (definition.kind == Kind::Resource).then_some(())?;
        base.types.iter().find(|r#type| r#type.code == "Resource")
    };
    // Backbone elements have the name of a type of their own in the model.
    let backbone = || {
        let backbone = matches!(code, "BackboneElement" | "Element");
        base.types.first().filter(|_| backbone)
    };
    let same = base.types.iter().find(|r#type| r#type.code == code);
    same.or_else(resource).or_else(backbone)
}

/// The target of a URL: a type of R4, or a profile.
fn target_of(url: &str) -> Target {
    let name = url.strip_prefix(BASE).unwrap_or_default();
    match name {
        "Resource" => Target::Type("Resource"),
        "DomainResource" => Target::Type("Resource"),
        _ => match model::type_def(name).filter(|of| of.kind == Kind::Resource) {
            Some(of) => Target::Type(of.name),
            None => Target::Profile(url.to_owned()),
        },
    }
}

/// Whether the targets are less than those of the base.
fn narrower(targets: &[Target], base: &TypeRef) -> bool {
    let any = |targets: &[&str]| targets.is_empty() || targets.contains(&"Resource");
    let all = targets.is_empty()
        || targets
            .iter()
            .any(|target| matches!(target, Target::Type("Resource")));
    if all {
        return false;
    }
    let named = |name: &&str| -> bool {
        targets
            .iter()
            .any(|target| matches!(target, Target::Type(known) if known == name))
    };
    any(base.targets) || !base.targets.iter().all(named)
}

fn slicing_of(source: &Value) -> Result<Slicing, String> {
    let text = |name: &str| source.get(name).and_then(Value::as_str);
    let given = source.get("discriminator").and_then(Value::as_array);
    let discriminators = given.into_iter().flatten().map(|discriminator| {
        let text = |name: &str| discriminator.get(name).and_then(Value::as_str);
        Discriminator::new(
            text("type").unwrap_or_default(),
            text("path").unwrap_or_default(),
        )
    });
    Ok(Slicing {
        discriminators: discriminators.collect::<Result<_, String>>()?,
        rules: match text("rules") {
            Some("closed") => SlicingRules::Closed,
            Some("openAtEnd") => SlicingRules::OpenAtEnd,
            _ => SlicingRules::Open,
        },
        ordered: source.get("ordered").and_then(Value::as_bool) == Some(true),
    })
}

fn binding(
    target: &mut Element,
    base: &ElementDef,
    source: &Map<String, Value>,
) -> Result<(), String> {
    let Some(binding) = source.get("binding").and_then(Value::as_object) else {
        return Ok(());
    };
    let strength = match text(binding, "strength") {
        Some("required") => BindingStrength::Required,
        Some("extensible") => BindingStrength::Extensible,
        Some("preferred") => BindingStrength::Preferred,
        Some("example") => BindingStrength::Example,
        other => return Err(format!("the binding strength {other:?}")),
    };
    if let Some(limit) = limit(binding) {
        target.limit = Some(limit);
    }
    let Some(value_set) = text(binding, "valueSet") else {
        return Ok(());
    };
    let bare = without_version(value_set);
    let same = base
        .binding
        .is_some_and(|base| base.strength == strength && base.value_set == bare);
    // The base checks what is its own; an example asks for nothing.
    let asks = !same && strength != BindingStrength::Example;
    target.binding = asks.then(|| Binding {
        strength,
        value_set: value_set.to_owned(),
    });
    Ok(())
}

/// The maximum value set of a binding; that of languages is the base's own.
fn limit(binding: &Map<String, Value>) -> Option<Binding> {
    let extensions = binding.get("extension")?.as_array()?;
    let found = extensions
        .iter()
        .find(|extension| extension.get("url").and_then(Value::as_str) == Some(MAX_VALUE_SET))?;
    let value_set = found
        .get("valueCanonical")
        .or_else(|| found.get("valueUri"))?
        .as_str()?;
    (without_version(value_set) != ALL_LANGUAGES).then(|| Binding {
        strength: BindingStrength::Required,
        value_set: value_set.to_owned(),
    })
}

/// The constraints that are the profile's own. Those of the specification's
/// types are checked with the types.
fn invariants(target: &mut Element, source: &Map<String, Value>) {
    let given = source.get("constraint").and_then(Value::as_array);
    for constraint in given.into_iter().flatten().filter_map(Value::as_object) {
        let (Some(key), Some(expression)) =
            (text(constraint, "key"), text(constraint, "expression"))
        else {
            continue;
        };
        let known = target
            .invariants
            .iter()
            .any(|invariant| invariant.constraint.key == key);
        if known || of_base_type(key, expression, text(constraint, "source")) {
            continue;
        }
        target.invariants.push(Invariant::new(
            key,
            text(constraint, "severity").unwrap_or("error"),
            text(constraint, "human").unwrap_or(expression),
            expression,
        ));
    }
}

/// Whether a constraint is of a type of the specification: as its source says,
/// or where it says none, by its key
/// and expression.
fn of_base_type(key: &str, expression: &str, source: Option<&str>) -> bool {
    match source.map(without_version) {
        None => builtin::is_base_constraint(key, expression),
        Some(source) => {
            let name = source.strip_prefix(BASE).unwrap_or(source);
            let name = name.split('.').next().unwrap_or(name);
            let is_abstract = matches!(
                name,
                "Element" | "DomainResource" | "Resource" | "BackboneElement"
            );
            is_abstract || model::type_def(name).is_some()
        }
    }
}
