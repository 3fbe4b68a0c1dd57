//! A StructureDefinition becomes a [`Profile`]. A snapshot is read onto an
//! empty tree, a differential onto the tree of its base: since the tree holds
//! only what is tightened, that is all that a snapshot needs here.

mod constrain;

use std::collections::HashMap;

use serde_json::Value;

use super::{
    definition::{Element, Profile, Slicing, SlicingRules},
    discriminator::{Discriminator, Kind, Step},
};
use crate::model::{
    self,
    definition::{ElementDef, TypeDef},
};

/// Where the definitions of the specification are.
pub(super) const BASE: &str = "http://hl7.org/fhir/StructureDefinition/";

/// Why a profile cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{profile}: {element}: {reason}")]
pub struct ProfileError {
    /// Its canonical URL.
    pub profile: String,
    /// The id of the element that is not understood; of the profile itself its type.
    pub element: String,
    /// What is wrong with it.
    pub reason: String,
}

/// What reading an element fails with; [`build`] adds the profile.
type Refusal = (String, String);

/// Builds a profile. `base` gives the profile with a URL, for a differential
/// without snapshot.
///
/// Errors: a definition that is no profile of an R4 type, an element that the
/// type does not have, a slice of an element or slice that is not sliced, what
/// loosens the base.
pub(super) fn build(
    definition: &Value,
    base: &mut dyn FnMut(&str) -> Result<Element, ProfileError>,
) -> Result<Profile, ProfileError> {
    let text = |name: &str| {
        definition
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let (url, type_name) = (text("url"), text("type"));
    let refuse = |(element, reason): Refusal| ProfileError {
        profile: url.to_owned(),
        element,
        reason,
    };
    let Some(of) = model::type_def(type_name) else {
        let reason = format!("the type {type_name:?} is none of R4");
        return Err(refuse((type_name.to_owned(), reason)));
    };
    let elements = |part: &str| {
        let elements = definition.get(part)?.get("element")?.as_array()?;
        (!elements.is_empty()).then_some(elements)
    };
    let (mut root, elements, strict) = match (elements("snapshot"), elements("differential")) {
        (Some(snapshot), _) => (empty(of), snapshot.as_slice(), false),
        (None, differential) => {
            let root = base(text("baseDefinition"))?;
            let elements = differential.map_or(&[] as &[Value], Vec::as_slice);
            (root, elements, true)
        }
    };
    if root.content.is_none_or(|content| content.index != of.index) {
        let reason = format!("its base is no profile of {type_name}");
        return Err(refuse((type_name.to_owned(), reason)));
    }
    Tree { strict }.apply(elements, &mut root).map_err(refuse)?;
    root.prune();
    Ok(Profile {
        url: url.to_owned(),
        of,
        root,
    })
}

/// A type without anything asked for.
pub(super) fn empty(of: &'static TypeDef) -> Element {
    Element {
        id: of.name.to_owned(),
        name: of.name.to_owned(),
        content: Some(of),
        ..Element::default()
    }
}

/// A canonical URL without its version.
pub(super) fn without_version(url: &str) -> &str {
    url.split('|').next().unwrap_or(url)
}

/// Reads elements onto a tree.
struct Tree {
    /// Whether they are a differential, which must not loosen what is there.
    strict: bool,
}

impl Tree {
    fn apply(&self, elements: &[Value], root: &mut Element) -> Result<(), Refusal> {
        // Ids by path, for definitions that have none.
        let mut ids: HashMap<&str, String> = HashMap::new();
        for element in elements {
            let path = element
                .get("path")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let id = match element.get("id").and_then(Value::as_str) {
                Some(id) => id.to_owned(),
                None => made_id(path, element, &ids),
            };
            ids.insert(path, id.clone());
            let target = element_of(root, &id, self.strict)?;
            constrain::apply(target, element, self.strict).map_err(|reason| (id, reason))?;
        }
        Ok(())
    }
}

/// The element with an id, made where it is new.
fn element_of<'e>(
    root: &'e mut Element,
    id: &str,
    strict: bool,
) -> Result<&'e mut Element, Refusal> {
    let refuse = |reason: String| (id.to_owned(), reason);
    let mut steps = id.split('.').skip(1).peekable();
    let mut at = root;
    while let Some(step) = steps.next() {
        let (name, slice) = match step.split_once(':') {
            Some((name, slice)) => (name, Some(slice)),
            None => (step, None),
        };
        let owner = owner(at, name).map_err(refuse)?;
        let (index, definition, variant) = find(owner, name)
            .ok_or_else(|| refuse(format!("{} has no element {name}", owner.name)))?;
        let child = child(at, index, definition);
        // `valueQuantity` is short for the slice of value[x] with that type, and
        // for that no other type is left.
        if let (Some(variant), None) = (variant, slice) {
            constrain::only_types(child, definition, variant);
        }
        at = child;
        let slice = slice.or(variant.map(|_| name)).unwrap_or_default();
        // Of the slice `a/b`, a slice of the slice `a`, the ends of both names.
        let ends = slice.match_indices('/').map(|(end, _)| end);
        for end in ends.chain([slice.len()]).filter(|end| *end > 0) {
            let name = slice.get(..end).unwrap_or(slice);
            let last = steps.peek().is_none() && end == slice.len();
            at = slice_of(at, name, owner, last, strict).map_err(refuse)?;
        }
    }
    Ok(at)
}

/// The slice with this name, made where it is new: by an element of its own, or
/// where it is named after a type of a choice.
fn slice_of<'e>(
    of: &'e mut Element,
    name: &str,
    owner: &'static TypeDef,
    last: bool,
    strict: bool,
) -> Result<&'e mut Element, String> {
    // What neither repeats nor has several types needs no slicing: its slice is
    // the element under another name.
    if of.slicing.is_none() && of.base.is_some_and(|base| !base.many && !base.choice) {
        return Ok(of);
    }
    let named = |slice: &Element| slice.slice.as_deref() == Some(name);
    let position = match of.slices.iter().position(named) {
        Some(position) => position,
        None => {
            let key = owner
                .keys
                .iter()
                .find(|key| usize::from(key.element) == of.index && key.name == name);
            let definition = of.base.ok_or("a slice of a whole type")?;
            let key = key.filter(|_| definition.choice);
            if !last && key.is_none() {
                return Err(format!("the slice {name} is not defined before it"));
            }
            let slicing = of.slicing.take().or_else(|| implied_slicing(definition));
            // Some snapshots of the specification itself do not say how their
            // slices are told apart: then nothing can be asked of them.
            let untold = || (!strict).then(|| Slicing::by(Vec::new(), SlicingRules::Open));
            let slicing = slicing.or_else(untold);
            of.slicing = Some(slicing.ok_or("a slice of an element without slicing")?);
            let sliced = of.slice.as_deref().and_then(|own| of.id.strip_suffix(own));
            let mut slice = Element {
                id: match sliced {
                    Some(before) => format!("{before}{name}"),
                    None => format!("{}:{name}", of.id),
                },
                name: of.name.clone(),
                slice: Some(name.to_owned()),
                base: of.base,
                index: of.index,
                content: of.content,
                ..Element::default()
            };
            if let Some(key) = key {
                constrain::only_type(&mut slice, definition, usize::from(key.variant));
            }
            of.slices.push(slice);
            of.slices.len() - 1
        }
    };
    Ok(&mut of.slices[position])
}

/// Slicing that needs no words: extensions by URL, choices by type.
fn implied_slicing(definition: &ElementDef) -> Option<Slicing> {
    let extension = matches!(definition.name, "extension" | "modifierExtension");
    let (kind, path) = match (extension, definition.choice) {
        (true, _) => (Kind::Value, vec![Step::Child("url".to_owned())]),
        (_, true) => (Kind::Type, Vec::new()),
        _ => return None,
    };
    let discriminators = vec![Discriminator { kind, path }];
    Some(Slicing::by(discriminators, SlicingRules::Open))
}

/// The id of an element that has none, after the ids of those before it.
fn made_id(path: &str, element: &Value, ids: &HashMap<&str, String>) -> String {
    let parent = path.rsplit_once('.').map(|(parent, name)| {
        let parent = ids.get(parent).map_or(parent, String::as_str);
        format!("{parent}.{name}")
    });
    let id = parent.unwrap_or_else(|| path.to_owned());
    match element.get("sliceName").and_then(Value::as_str) {
        Some(slice) => format!("{id}:{slice}"),
        None => id,
    }
}

/// The type that the children of an element belong to: the one of its types
/// that has this child.
fn owner(element: &mut Element, child: &str) -> Result<&'static TypeDef, String> {
    if let Some(content) = element.content {
        return Ok(content);
    }
    let base = element.base.map_or(&[] as &[_], |base| base.types);
    let codes: Vec<&str> = match element.types.is_empty() {
        true => base.iter().map(|r#type| r#type.code).collect(),
        false => element
            .types
            .iter()
            .map(|r#type| r#type.code.as_str())
            .collect(),
    };
    let candidates = codes.into_iter().filter_map(model::type_def);
    let mut owners = candidates.filter(|owner| find(owner, child).is_some());
    match (owners.next(), owners.next()) {
        (Some(owner), None) => {
            element.content = Some(owner);
            Ok(owner)
        }
        (None, _) => Err(format!("none of its types has an element {child}")),
        _ => Err(format!("several of its types have an element {child}")),
    }
}

/// An element by its name, with or without `[x]`, or by the name of one of its
/// JSON properties: then also which.
fn find(
    owner: &'static TypeDef,
    name: &str,
) -> Option<(usize, &'static ElementDef, Option<usize>)> {
    let bare = name.strip_suffix("[x]").unwrap_or(name);
    if let Some((index, definition)) = owner.element(bare) {
        return Some((index, definition, None));
    }
    let key = owner.keys.iter().find(|key| key.name == bare)?;
    let index = usize::from(key.element);
    let definition = owner.elements.get(index)?;
    Some((index, definition, Some(usize::from(key.variant))))
}

/// The child for an element of the base type, made where it is new.
fn child<'e>(
    parent: &'e mut Element,
    index: usize,
    definition: &'static ElementDef,
) -> &'e mut Element {
    let position = parent
        .children
        .iter()
        .position(|child| child.index == index);
    let position = position.unwrap_or_else(|| {
        let suffix = if definition.choice { "[x]" } else { "" };
        parent.children.push(Element {
            id: format!("{}.{}{suffix}", parent.id, definition.name),
            name: definition.name.to_owned(),
            index,
            base: Some(definition),
            min: u32::from(definition.min),
            content: constrain::content(definition.types),
            ..Element::default()
        });
        parent.children.len() - 1
    });
    &mut parent.children[position]
}
