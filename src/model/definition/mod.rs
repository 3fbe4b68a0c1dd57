//! The metadata that the generator emits: one [`TypeDef`] for each resource,
//! datatype and backbone element, after the snapshots of the official
//! [StructureDefinitions](https://hl7.org/fhir/R4/structuredefinition.html).

mod table;

use std::fmt;

pub(crate) use table::Definitions;

/// What a type is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A resource, for instance `Patient`.
    Resource,
    /// A datatype, for instance `HumanName`.
    ComplexType,
    /// The content of an element, for instance `Patient.contact`.
    Backbone,
}

/// A resource, datatype or backbone element.
#[derive(Debug)]
pub struct TypeDef {
    /// `Patient`, `HumanName`; of a backbone element its path, `Patient.contact`.
    pub name: &'static str,
    /// Its position among all types in the order of their names: what tables by
    /// type are indexed with.
    pub index: u16,
    /// What it is.
    pub kind: Kind,
    /// The short text of the definition.
    pub short: &'static str,
    /// Elements in the order of the definition, inherited ones first.
    pub elements: &'static [ElementDef],
    /// JSON property names in the order of the elements, a choice element with
    /// one for each of its types.
    pub keys: &'static [Key],
    /// Indexes into `keys`, sorted by name.
    pub sorted_keys: &'static [u16],
    /// Indexes into `elements` of those with min 1.
    pub required: &'static [u16],
    /// Indexes into `elements` of codes, strings and URIs with a binding that
    /// the reader does not check, because no closed list can.
    pub coded: &'static [u16],
    /// The binding of the type itself: the units of an `Age`.
    pub binding: Option<&'static BindingDef>,
}

impl TypeDef {
    /// The element with this name (a choice element without `[x]`).
    pub fn element(&'static self, name: &str) -> Option<(usize, &'static ElementDef)> {
        self.elements
            .iter()
            .enumerate()
            .find(|(_, element)| element.name == name)
    }
}

/// One JSON property of a type.
#[derive(Debug)]
pub struct Key {
    /// Property name: `birthDate`, `valueQuantity`.
    pub name: &'static str,
    /// Index into [`TypeDef::elements`].
    pub element: u16,
    /// Index into [`ElementDef::types`]; 0 for what is no choice element.
    pub variant: u16,
    /// Whether the value is a primitive, which has a `_` sibling.
    pub primitive: bool,
}

/// One element of a type.
#[derive(Debug)]
pub struct ElementDef {
    /// Name without `[x]`: `birthDate`, `value`.
    pub name: &'static str,
    /// The short text of the definition.
    pub short: &'static str,
    /// Minimum cardinality, 0 or 1 in R4.
    pub min: u8,
    /// Whether it repeats (max `*`).
    pub many: bool,
    /// Whether it is a choice element (`value[x]`).
    pub choice: bool,
    /// Whether it changes the meaning of the element that it is in.
    pub is_modifier: bool,
    /// Whether it is part of `_summary=true`.
    pub is_summary: bool,
    /// Its types; more than one only in a choice element.
    pub types: &'static [TypeRef],
    /// The binding, if it has one.
    pub binding: Option<&'static BindingDef>,
    /// Index into [`TypeDef::keys`] of its first JSON property.
    pub first_key: u16,
}

impl ElementDef {
    /// Maximum cardinality as FHIR writes it: `1` or `*`.
    pub const fn max(&self) -> &'static str {
        if self.many { "*" } else { "1" }
    }
}

/// A type that an element may have.
pub struct TypeRef {
    /// FHIR name of the type: `string`, `HumanName`, `Reference`, `Resource`;
    /// of a backbone element or content reference its path
    /// (`Questionnaire.item`).
    pub code: &'static str,
    /// Resource types that a Reference or canonical may point to; empty means any.
    pub targets: &'static [&'static str],
    /// Where its definition is; not read before it is asked for, because types
    /// refer to each other in circles.
    definition: Option<(&'static Definitions, u16)>,
}

impl fmt::Debug for TypeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the definition, which may lead back here.
        f.debug_struct("TypeRef")
            .field("code", &self.code)
            .field("targets", &self.targets)
            .finish_non_exhaustive()
    }
}

impl TypeRef {
    /// The definition, unless the type is primitive or `Resource`.
    pub fn definition(&self) -> Option<&'static TypeDef> {
        self.definition
            .map(|(definitions, index)| definitions.at(index))
    }
}

/// How strictly a value set holds
/// ([binding-strength](https://hl7.org/fhir/R4/valueset-binding-strength.html)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindingStrength {
    /// One of the set, always.
    Required,
    /// One of the set if one applies.
    Extensible,
    /// One of the set, if possible.
    Preferred,
    /// The set is an example.
    Example,
}

impl BindingStrength {
    /// The code as FHIR spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Extensible => "extensible",
            Self::Preferred => "preferred",
            Self::Example => "example",
        }
    }
}

/// A value set bound to an element.
#[derive(Debug)]
pub struct BindingDef {
    /// How strictly it holds.
    pub strength: BindingStrength,
    /// Canonical URL without version.
    pub value_set: &'static str,
    /// The codes, when the binding is required and its list is closed; else empty.
    pub codes: &'static [&'static str],
    /// The value set that holds always, whatever the strength
    /// ([maxValueSet](https://hl7.org/fhir/R4/extension-elementdefinition-maxvalueset.html)).
    pub max_value_set: Option<&'static str>,
}
