//! The middle representation: what the definitions mean, in terms of the code
//! to come. Lowering fills it, the passes complete it, the emitters read it.

use std::collections::{BTreeMap, BTreeSet};

use crate::fhirpath::Expr;

/// Everything that is emitted.
#[derive(Debug, Default)]
pub struct Model {
    /// Structs by path (`Patient`, `Patient.contact`).
    pub types: BTreeMap<String, TypeDef>,
    /// Closed value sets that become enums, by URL.
    pub code_sets: BTreeMap<String, CodeSet>,
    /// Names of the concrete resources, sorted.
    pub resources: Vec<String>,
    /// Constraints that a type or an element has.
    pub constraints: Vec<Constraint>,
    /// All code systems, by URL.
    pub code_systems: BTreeMap<String, CodeSystem>,
    /// All value sets, by URL.
    pub value_sets: BTreeMap<String, ValueSet>,
    /// Search parameters, sorted by code and URL.
    pub search_parameters: Vec<SearchParameter>,
    /// Profiles by URL, as StructureDefinitions in JSON.
    pub profiles: BTreeMap<String, String>,
    /// Names of the primitive types.
    pub primitives: BTreeSet<String>,
    /// What the definitions hold, for the checks of the tests.
    pub counts: Counts,
}

/// Counts over the snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Concrete resources.
    pub resources: usize,
    /// Primitive types.
    pub primitives: usize,
    /// Concrete complex types.
    pub complex_types: usize,
    /// Abstract types.
    pub abstract_types: usize,
    /// Elements of types that are not primitive, roots not counted.
    pub elements: usize,
    /// Those with children.
    pub parents: usize,
    /// Choice elements.
    pub choices: usize,
    /// Required bindings.
    pub required_bindings: usize,
    /// Value sets of the required bindings.
    pub required_value_sets: usize,
    /// Search parameters.
    pub search_parameters: usize,
}

/// What a struct is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Resource,
    ComplexType,
    Backbone,
}

/// A resource, datatype or backbone element: one struct.
#[derive(Debug)]
pub struct TypeDef {
    pub path: String,
    /// Rust name; set by the naming pass.
    pub rust: String,
    pub kind: Kind,
    pub short: String,
    /// The binding of the type itself, as `Age` has one.
    pub binding: Option<Binding>,
    pub elements: Vec<Element>,
    /// Indexes of its constraints.
    pub constraints: Vec<usize>,
}

/// A constraint.
#[derive(Debug)]
pub struct Constraint {
    pub key: String,
    /// The structure that it is of, where its key has several meanings.
    pub structure: Option<String>,
    /// The types, and the paths of the elements, that have it.
    pub on: Vec<String>,
    pub severity: String,
    pub best_practice: bool,
    pub human: String,
    pub expression: String,
    pub tree: Expr,
}

/// One element: one field.
#[derive(Debug)]
pub struct Element {
    /// FHIR name without `[x]`.
    pub name: String,
    /// Rust field name; set by the naming pass.
    pub field: String,
    pub short: String,
    pub cardinality: Cardinality,
    /// Its types; more than one, or `choice`, for a choice element.
    pub types: Vec<TypeRef>,
    pub choice: bool,
    /// Rust name of the enum of a choice element; set by the naming pass.
    pub choice_enum: String,
    pub binding: Option<Binding>,
    pub is_modifier: bool,
    pub is_summary: bool,
    /// Indexes of its constraints, where its type is not a backbone element.
    pub constraints: Vec<usize>,
    /// Whether the field is behind a `Box`; set by the boxing pass.
    pub boxed: bool,
}

/// How often an element stands. R4's base definitions have no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cardinality {
    pub min: u8,
    pub many: bool,
}

/// One type of an element.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TypeRef {
    /// FHIR name, or the path of a backbone element.
    pub code: String,
    pub targets: Vec<String>,
    pub kind: TypeKind,
}

/// What a type is as the content of a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TypeKind {
    /// A primitive type.
    Primitive,
    /// A `code` with a closed required binding: the URL of its value set.
    Code(String),
    /// A struct.
    Object,
    /// Any resource.
    Resource,
}

/// A bound value set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Binding {
    pub strength: String,
    pub value_set: String,
    pub max_value_set: Option<String>,
}

/// A code system.
#[derive(Debug)]
pub struct CodeSystem {
    /// Whether all of its codes are known.
    pub complete: bool,
    pub case_sensitive: bool,
    /// By [`code_key`].
    pub concepts: BTreeMap<(String, String), Concept>,
}

/// The order of codes: first without regard to the case of ASCII letters.
pub fn code_key(code: &str) -> (String, String) {
    (code.to_ascii_lowercase(), code.to_owned())
}

/// A concept of a code system.
#[derive(Debug, Default)]
pub struct Concept {
    pub display: String,
    /// It is there to group others.
    pub is_abstract: bool,
    /// It is retired.
    pub is_inactive: bool,
    /// Codes of the concepts right above it.
    pub parents: BTreeSet<String>,
}

/// What a value set is composed of.
#[derive(Debug, Default)]
pub struct ValueSet {
    pub include: Vec<Part>,
    pub exclude: Vec<Part>,
}

/// A part of the composition.
#[derive(Debug)]
pub enum Part {
    /// All codes of a code system.
    System(String),
    /// Some codes of a code system.
    Concepts(String, BTreeSet<(String, String)>),
    /// The codes of a code system that pass every filter: property, operator, value.
    Filters(String, Vec<(String, String, String)>),
    /// What is in every one of these value sets.
    ValueSets(Vec<String>),
}

/// A closed list of codes: one enum.
#[derive(Debug)]
pub struct CodeSet {
    pub url: String,
    pub title: String,
    /// Rust name; set by the naming pass.
    pub rust: String,
    pub codes: Vec<Code>,
}

/// One code: one variant.
#[derive(Debug)]
pub struct Code {
    pub code: String,
    /// Rust name; set by the naming pass.
    pub variant: String,
}

/// A search parameter with compiled paths.
#[derive(Debug)]
pub struct SearchParameter {
    pub code: String,
    pub url: String,
    pub kind: String,
    /// By base; an empty base stands for all others.
    pub descriptions: BTreeMap<String, String>,
    pub base: Vec<String>,
    pub target: Vec<String>,
    pub paths: Vec<Path>,
    pub components: Vec<Component>,
}

/// A part of a composite parameter.
#[derive(Debug)]
pub struct Component {
    pub definition: String,
    pub paths: Vec<Path>,
}

/// A compiled alternative of a search expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    pub root: String,
    pub steps: Vec<Step>,
}

/// One step of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Child(String),
    Index(usize),
    OfType(String),
    WhereEquals(String, String),
    WhereResolves(String),
    Exists,
    ExistsAndNotFalse,
}
