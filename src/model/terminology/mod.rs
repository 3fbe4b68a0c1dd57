//! Terminology without a server: the code systems and value sets of the
//! specification, and the grammars of languages, media types and units
//! ([terminologies](https://hl7.org/fhir/R4/terminologies.html)).
//!
//! What is not part of the specification, as SNOMED CT and LOINC are not, is
//! unknown here, and so is what depends on it.

mod code_system;
mod language;
mod media_type;
mod table;
mod ucum;
mod value_set;

pub use code_system::{CodeSystem, Concept, code_system};
pub use language::is_language;
pub use media_type::is_media_type;
pub(crate) use table::Paragraphs;
pub use ucum::{Unit, is_unit, unit};
pub use value_set::{Membership, ValueSet, member, value_set};

/// The system of [BCP 47](https://www.rfc-editor.org/info/bcp47) language tags.
pub const LANGUAGES: &str = "urn:ietf:bcp:47";
/// The system of [BCP 13](https://www.rfc-editor.org/info/bcp13) media types.
pub const MEDIA_TYPES: &str = "urn:ietf:bcp:13";
/// The system of [UCUM](https://ucum.org) units.
pub const UNITS: &str = "http://unitsofmeasure.org";

/// Whether a code is one of a code system, by its table or its grammar.
fn of_system(system: &str, code: &str) -> Membership {
    let known = match system {
        LANGUAGES => is_language(code),
        MEDIA_TYPES => is_media_type(code),
        UNITS => is_unit(code),
        _ => {
            return match code_system(system) {
                Some(system) if system.concept(code).is_some() => Membership::Member,
                Some(system) if system.is_complete() => Membership::NotMember,
                _ => Membership::Unknown,
            };
        }
    };
    if known {
        Membership::Member
    } else {
        Membership::NotMember
    }
}
