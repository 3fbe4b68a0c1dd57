//! The search parameters, which the generator takes from the official
//! [SearchParameters](https://hl7.org/fhir/R4/searchparameter-registry.html).

mod table;

/// Type of a search parameter (<https://hl7.org/fhir/R4/search.html#ptypes>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchParamType {
    /// Two or more parameters joined by `$`.
    Composite,
    /// A date, dateTime, instant, Period or Timing.
    Date,
    /// A number.
    Number,
    /// A Quantity.
    Quantity,
    /// A Reference or canonical.
    Reference,
    /// A special parameter with rules of its own.
    Special,
    /// A string.
    String,
    /// A coded value or Identifier.
    Token,
    /// A URI.
    Uri,
}

impl SearchParamType {
    /// The code as FHIR spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Composite => "composite",
            Self::Date => "date",
            Self::Number => "number",
            Self::Quantity => "quantity",
            Self::Reference => "reference",
            Self::Special => "special",
            Self::String => "string",
            Self::Token => "token",
            Self::Uri => "uri",
        }
    }
}

/// A search parameter of R4.
#[derive(Debug)]
pub struct SearchParameter {
    /// Name in a query: `birthdate`.
    pub code: &'static str,
    /// Canonical URL.
    pub url: &'static str,
    /// Its type.
    pub kind: SearchParamType,
    /// One line that says what it finds, by base; an empty base stands for all
    /// others. See [`description`](Self::description).
    pub descriptions: &'static [(&'static str, &'static str)],
    /// Resource types that it applies to; `Resource` and `DomainResource` mean all.
    pub base: &'static [&'static str],
    /// Resource types that a reference parameter may point to.
    pub target: &'static [&'static str],
    /// Where its values are: one compiled path for each alternative of the
    /// expression, for all bases.
    pub paths: &'static [Path],
    /// The parts of a composite parameter.
    pub components: &'static [Component],
}

impl SearchParameter {
    /// One line that says what the parameter finds in this resource type; empty
    /// where the definition says nothing.
    pub fn description(&self, resource_type: &str) -> &'static str {
        let text = |base: &str| self.descriptions.iter().find(|(known, _)| *known == base);
        let found = text(resource_type).or_else(|| text(""));
        found.map_or("", |(_, text)| *text)
    }
}

/// A part of a composite parameter.
#[derive(Debug)]
pub struct Component {
    /// Canonical URL of the parameter that gives type and meaning of the part.
    pub definition: &'static str,
    /// Where its value is, seen from each value of the composite's own paths.
    pub paths: &'static [Path],
}

/// A compiled path: the steps from a resource (or from the value of a composite
/// parameter) to the values.
#[derive(Debug)]
pub struct Path {
    /// Type that the path starts at: `Patient`, `Resource`; in a component empty
    /// for the value of the composite's own path, `%resource` for the resource.
    pub root: &'static str,
    /// The steps.
    pub steps: &'static [Step],
}

/// One step of a [`Path`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// To the children with this element name (a choice element without `[x]`).
    Child(&'static str),
    /// Keeps the value at this position.
    Index(usize),
    /// Keeps values of this FHIR type (`as`, `is`, `ofType`): `Quantity`, `dateTime`.
    OfType(&'static str),
    /// Keeps elements with a child that has this text: `where(system = 'email')`.
    WhereEquals(&'static str, &'static str),
    /// Keeps references to this resource type: `where(resolve() is Patient)`.
    WhereResolves(&'static str),
    /// Whether there is any value: a boolean (`exists()`).
    Exists,
    /// Whether the value is neither absent nor `false`: a boolean
    /// (`Patient.deceased.exists() and Patient.deceased != false`).
    ExistsAndNotFalse,
}

/// The search parameters of a resource type, those of every resource among
/// them, sorted by code.
pub fn search_parameters(resource_type: &str) -> impl Iterator<Item = &'static SearchParameter> {
    let domain = !matches!(resource_type, "Bundle" | "Binary" | "Parameters");
    table::all().iter().filter(move |parameter| {
        parameter.base.iter().any(|base| {
            *base == resource_type || *base == "Resource" || domain && *base == "DomainResource"
        })
    })
}

/// The search parameter with this canonical URL.
pub fn search_parameter(url: &str) -> Option<&'static SearchParameter> {
    table::all().iter().find(|parameter| parameter.url == url)
}
