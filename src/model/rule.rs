//! The rules that reading enforces: one stable code each.

use super::issue::{IssueType, Severity};

/// A constraint of a definition, in [FHIRPath](http://hl7.org/fhirpath/N1/)
/// ([ElementDefinition.constraint](https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.constraint)).
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Constraint {
    /// Its key, which is the code of its rule: `obs-3`.
    pub key: &'static str,
    /// Error or warning; information where it is but good practice.
    pub severity: Severity,
    /// What it asks for, in words.
    pub human: &'static str,
    /// What it asks for, in FHIRPath.
    pub expression: &'static str,
}

macro_rules! rules {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $severity:ident, $issue_type:ident, $title:literal;)*) => {
        /// A validation rule. Its code is stable: scripts may filter on it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Rule {
            $($(#[$doc])* $variant,)*
            /// A constraint of a definition: what it asks for is in the constraint.
            Constraint(&'static Constraint),
        }

        impl Rule {
            /// All rules but the constraints, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable code, for instance `unknown-element`.
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)*
                    Self::Constraint(constraint) => constraint.key,
                }
            }

            /// The severity that an issue of this rule has.
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$variant => Severity::$severity,)*
                    Self::Constraint(constraint) => constraint.severity,
                }
            }

            /// The issue type for an OperationOutcome.
            pub const fn issue_type(self) -> IssueType {
                match self {
                    $(Self::$variant => IssueType::$issue_type,)*
                    Self::Constraint(_) => IssueType::Invariant,
                }
            }

            /// One line that says what the rule asks for.
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$variant => $title,)*
                    Self::Constraint(constraint) => constraint.human,
                }
            }
        }
    };
}

rules! {
    /// The bytes are not JSON (RFC 8259).
    JsonSyntax = "json-syntax", Fatal, Invalid, "the document is JSON (RFC 8259)";
    /// The bytes are not UTF-8.
    JsonEncoding = "json-encoding", Fatal, Invalid, "the document is UTF-8 without a byte order mark";
    /// Deeper than the reader goes.
    JsonDepth = "json-depth", Fatal, TooCostly, "nesting is at most 128 levels deep";
    /// A property name stands twice in one object.
    JsonDuplicateKey = "json-duplicate-key", Error, Invalid, "a property stands once in its object";
    /// A surrogate escape without its other half.
    JsonSurrogate = "json-surrogate", Error, Invalid, "surrogate escapes come in pairs";
    /// No resourceType, or one that R4 does not have.
    ResourceType = "resource-type", Error, Structure, "a resource names its type, one of R4";
    /// A property that the type does not have.
    UnknownElement = "unknown-element", Error, Structure, "every property is an element of its type";
    /// A string where an object belongs, and the like.
    JsonType = "json-type", Error, Structure, "a value has the JSON type of its element";
    /// An array for an element that does not repeat.
    NotRepeating = "not-repeating", Error, Structure, "an element with max 1 is no array";
    /// A single value for an element that repeats.
    Repeating = "repeating", Error, Structure, "an element with max * is an array";
    /// An object, array or string without content.
    Empty = "empty", Error, Structure, "objects, arrays and strings have content";
    /// A null where FHIR allows none.
    Null = "null", Error, Structure, "null stands only in arrays of primitives, to pair them with their siblings";
    /// The values of an array and of its `_` sibling do not pair up.
    SiblingLength = "sibling-length", Error, Structure, "an array and its _ sibling have the same length";
    /// Two values of one choice element.
    ChoiceMultiple = "choice-multiple", Error, Structure, "a choice element has one value";
    /// A required element is missing.
    Required = "required", Error, Required, "elements with min 1 are present";
    /// A primitive whose text is not of its type.
    PrimitiveFormat = "primitive-format", Error, Value, "a primitive has the lexical form of its type";
    /// A number outside the range of its type.
    PrimitiveRange = "primitive-range", Error, Value, "a number lies in the range of its type";
    /// A code that the required binding does not have.
    RequiredBinding = "required-binding", Error, CodeInvalid, "a code with a required binding is one of its value set";
    /// No coding of the value set of an extensible binding.
    ExtensibleBinding = "extensible-binding", Warning, CodeInvalid, "a concept with an extensible binding has a coding of its value set, if one applies";
    /// No coding of the value set of a preferred binding.
    PreferredBinding = "preferred-binding", Information, CodeInvalid, "a concept with a preferred binding has a coding of its value set, if possible";
    /// No coding of the value set that holds whatever the strength of the binding.
    MaxBinding = "max-binding", Error, CodeInvalid, "a concept with a maxValueSet has a coding of it";
    /// A code that its code system does not have.
    UnknownCode = "unknown-code", Warning, CodeInvalid, "a code is one of its code system, where all codes of that are known";
    /// A code that its code system marks as not selectable, under a binding.
    AbstractCode = "abstract-code", Warning, CodeInvalid, "a code under an extensible binding is one to choose, and not one that its code system has to group others";
    /// A code that its code system has retired.
    InactiveCode = "inactive-code", Warning, CodeInvalid, "a code is one that its code system has not retired";
    /// A display that is not that of the code.
    Display = "display", Warning, CodeInvalid, "a display is the one that the code system gives the code";
    /// A system that is no code system; as a warning: none.
    CodingSystem = "coding-system", Error, CodeInvalid, "the system of a coding is the absolute URI of a code system";
    /// A unit that is not UCUM though it says so.
    Ucum = "ucum", Warning, CodeInvalid, "a unit of the system UCUM is one";
    /// A narrative that is no well-formed XHTML div.
    Narrative = "narrative-xhtml", Error, Invalid, "a narrative is well-formed XHTML with a div as its root";
    /// An element stands more or less often than its profile allows.
    ProfileCardinality = "profile-cardinality", Error, Structure, "elements and slices stand as often as the profile asks for";
    /// A type, or the target of a reference, that the profile does not allow.
    ProfileType = "profile-type", Error, Structure, "a value, and what it refers to, has a type that the profile allows";
    /// A value that is not the fixed one.
    ProfileFixed = "profile-fixed", Error, Value, "a value that the profile fixes is exactly that";
    /// A value without what the pattern has.
    ProfilePattern = "profile-pattern", Error, Value, "a value has what the pattern of the profile has";
    /// A code that the profile's value set does not have.
    ProfileBinding = "profile-binding", Error, CodeInvalid, "a code is one of the profile's value set; a warning where the binding is extensible, information where it is preferred";
    /// A value of no slice of a closed slicing, or slices out of order.
    ProfileSlicing = "profile-slicing", Error, Structure, "values belong to slices, and slices are in order, as the profile asks for";
    /// A value below the minimum or above the maximum.
    ProfileRange = "profile-range", Error, Value, "a value lies between the minimum and the maximum of the profile";
    /// A text that is too long.
    ProfileLength = "profile-length", Error, Value, "a text is no longer than the profile allows";
    /// A profile that could not be checked.
    ProfileUnknown = "profile-unknown", Warning, NotSupported, "a profile in meta.profile is known: of the specification or of a package";
    /// A must-support element without a value.
    MustSupport = "must-support", Information, Informational, "an element that the profile marks as must support has a value (only when asked for)";
    /// More issues than the reader keeps.
    TooManyIssues = "too-many-issues", Fatal, TooCostly, "a document has at most 10,000 issues";
    /// A reference to a resource of a type that its element does not allow.
    ReferenceTarget = "reference-target", Error, Structure, "a reference points to a resource of a type that its element allows";
    /// A Reference.type that is no resource type or contradicts the reference.
    ReferenceType = "reference-type", Error, Structure, "Reference.type is the type that the reference points to";
    /// A reference that has none of the forms of references.
    ReferenceForm = "reference-form", Error, Value, "a reference is Type/id, an absolute URI, or # and the id of a contained resource";
    /// A reference that must lead somewhere inside its Bundle and does not.
    ReferenceUnresolved = "reference-unresolved", Error, NotFound, "a reference with a meaning only inside its Bundle leads to one of its entries";
    /// A Reference that says nothing.
    ReferenceEmpty = "reference-empty", Warning, Required, "a Reference has a reference, an identifier or a display";
    /// A fullUrl that is missing, not absolute, or not that of its resource.
    BundleFullUrl = "bundle-full-url", Error, Value, "a fullUrl is absolute and fits the type and id of its resource";
    /// An entry whose parts do not fit together or the type of the Bundle.
    BundleEntry = "bundle-entry", Error, Structure, "the request, response, search and resource of an entry fit together and the type of the Bundle";
    /// Links of a Bundle that are missing or stand twice.
    BundleLink = "bundle-link", Warning, Structure, "a search result has a self link, and each link relation stands once";
    /// An entry of a document that the Composition does not lead to.
    DocumentOrphan = "document-orphan", Warning, Structure, "references lead from the Composition to every entry of a document";
    /// An extension where its definition does not allow it.
    ExtensionContext = "extension-context", Error, Structure, "a known extension stands where its definition allows it";
    /// An extension with a value that its definition does not allow.
    ExtensionValue = "extension-value", Error, Structure, "a known extension has a value or the parts that its definition gives";
    /// An extension that stands too often.
    ExtensionCardinality = "extension-cardinality", Error, Structure, "a known extension and its parts stand as often as the definition says";
    /// An extension that changes the meaning where it must not, or the reverse.
    ExtensionModifier = "extension-modifier", Error, Structure, "a known extension is a modifier extension exactly if its definition says so";
    /// An extension that nobody here knows.
    ExtensionUnknown = "extension-unknown", Information, NotFound, "extensions are known; modifier extensions must be";
    /// A URL of an extension that is not absolute.
    ExtensionUrl = "extension-url", Error, Value, "the URL of an extension is absolute, but for the parts of an extension";
}

impl Rule {
    /// Whether it is about the shape of the document: content that breaks such a
    /// rule was not read as it was meant, or not at all.
    pub const fn is_about_shape(self) -> bool {
        matches!(
            self,
            Self::JsonSyntax
                | Self::JsonEncoding
                | Self::JsonDepth
                | Self::JsonDuplicateKey
                | Self::JsonSurrogate
                | Self::ResourceType
                | Self::UnknownElement
                | Self::JsonType
                | Self::NotRepeating
                | Self::Repeating
                | Self::Empty
                | Self::Null
                | Self::SiblingLength
                | Self::ChoiceMultiple
                | Self::Required
                | Self::PrimitiveFormat
                | Self::PrimitiveRange
                | Self::RequiredBinding
                | Self::TooManyIssues
        )
    }
}
