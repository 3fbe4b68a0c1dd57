//! Terminology without a server: code systems, value sets, and the grammars of
//! languages, media types and units
//! ([terminologies](https://hl7.org/fhir/R4/terminologies.html)).

/// Whether a code is in a value set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// It is one of the set.
    Member,
    /// It is not.
    NotMember,
    /// What the set is made of is not known here: SNOMED CT, LOINC, a value set
    /// that is not part of the specification.
    Unknown,
}

/// Whether a value set has a code. Without a system the code may be of any
/// system of the set, as for elements of type `code`. The URL may end in
/// `|version`, which is not looked at.
pub fn member(_value_set_url: &str, _system: Option<&str>, _code: &str) -> Membership {
    Membership::Unknown
}
