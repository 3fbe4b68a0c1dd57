//! Code systems that are part of the specification
//! ([CodeSystem](https://hl7.org/fhir/R4/codesystem.html)).

use super::table::find_entry;
use crate::model::generated::code_systems;

/// How many steps up a hierarchy is followed; the published ones have eleven.
const MAX_DEPTH: u32 = 32;

/// A code system.
#[derive(Clone, Copy, Debug)]
pub struct CodeSystem {
    /// A line for each concept, sorted by code.
    concepts: &'static str,
    complete: bool,
    case_sensitive: bool,
}

/// A concept of a code system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concept {
    line: &'static str,
}

/// The code system with this canonical URL, if it is part of the specification.
pub fn code_system(url: &str) -> Option<CodeSystem> {
    let (head, concepts) = code_systems().find(url)?;
    let (_, flags) = head.split_once('\t')?;
    Some(CodeSystem {
        concepts,
        complete: flags.contains('c'),
        case_sensitive: flags.contains('s'),
    })
}

impl CodeSystem {
    /// Whether all of its codes are known: its content is `complete`, and not a
    /// fragment, an example or nothing at all.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether its codes are case-sensitive. Where a system does not say so,
    /// both ways of writing are taken.
    pub fn is_case_sensitive(&self) -> bool {
        self.case_sensitive
    }

    /// The concept with this code.
    pub fn concept(&self, code: &str) -> Option<Concept> {
        let line = find_entry(self.concepts, b'\n', code, self.case_sensitive)?;
        Some(Concept { line })
    }

    /// Whether a concept is the one with the code `ancestor`, or below it.
    pub fn is_a(&self, concept: Concept, ancestor: &str) -> bool {
        self.concept(ancestor)
            .is_some_and(|ancestor| concept == ancestor || self.below(concept, ancestor, MAX_DEPTH))
    }

    /// Whether a concept is below the one with the code `ancestor`.
    pub fn descends_from(&self, concept: Concept, ancestor: &str) -> bool {
        self.concept(ancestor)
            .is_some_and(|ancestor| self.below(concept, ancestor, MAX_DEPTH))
    }

    fn below(&self, concept: Concept, ancestor: Concept, depth: u32) -> bool {
        depth > 0
            && concept.parents().any(|parent| {
                parent == ancestor.code()
                    || self
                        .concept(parent)
                        .is_some_and(|parent| self.below(parent, ancestor, depth - 1))
            })
    }
}

impl Concept {
    /// The code, as the code system writes it.
    pub fn code(&self) -> &'static str {
        self.line.split('\t').next().unwrap_or_default()
    }

    /// The display; the code, where that is all there is.
    pub fn display(&self) -> &'static str {
        match self.second().trim_start_matches(['\u{1}', '\u{2}']) {
            "" => self.code(),
            display => display,
        }
    }

    /// Whether it is there to group others and not to be chosen (`notSelectable`).
    pub fn is_abstract(&self) -> bool {
        self.second().starts_with('\u{1}')
    }

    /// Whether it must no longer be used: it is retired.
    pub fn is_inactive(&self) -> bool {
        self.second()
            .trim_start_matches('\u{1}')
            .starts_with('\u{2}')
    }

    /// Flags and display.
    fn second(&self) -> &'static str {
        self.line.split('\t').nth(1).unwrap_or_default()
    }

    /// The codes of the concepts right above it.
    pub fn parents(&self) -> impl Iterator<Item = &'static str> {
        self.line.split('\t').skip(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_every_system_is_found() {
        let mut count = 0;
        for paragraph in code_systems().iter() {
            let (head, concepts) = paragraph.split_once('\n').expect("a head");
            let url = head.split('\t').next().expect("a URL");
            let system = code_system(url).expect(url);
            for line in concepts.lines() {
                let code = line.split('\t').next().expect("a code");
                assert_eq!(system.concept(code), Some(Concept { line }), "{url}|{code}");
                for parent in system.concept(code).expect(code).parents() {
                    assert!(system.descends_from(Concept { line }, parent));
                }
                count += 1;
            }
        }
        assert_eq!(count, 20_731);
        assert!(code_system("http://loinc.org").is_none());
        assert!(code_system("").is_none());
    }

    #[test]
    fn case_counts_where_the_system_says_so() {
        let gender = code_system("http://hl7.org/fhir/administrative-gender").expect("a system");
        assert!(gender.is_complete() && gender.is_case_sensitive());
        assert_eq!(gender.concept("male").expect("male").display(), "Male");
        assert_eq!(gender.concept("Male"), None);
        let table = code_system("http://terminology.hl7.org/CodeSystem/v2-0052").expect("a system");
        assert_eq!(table.concept("a"), table.concept("A"));
        assert_eq!(table.concept("a").expect("a").code(), "A");
    }

    #[test]
    fn follows_the_hierarchy() {
        let url = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
        let system = code_system(url).expect("a system");
        let ambulatory = system.concept("AMB").expect("AMB");
        assert!(system.is_a(ambulatory, "_ActEncounterCode"));
        assert!(system.is_a(ambulatory, "AMB"));
        assert!(!system.descends_from(ambulatory, "AMB"));
        assert!(!system.is_a(ambulatory, "_ActAccountCode"));
    }

    #[test]
    fn abstract_and_retired_codes_are_marked() {
        let concept = |system: &str, code: &str| {
            let url = format!("http://terminology.hl7.org/CodeSystem/{system}");
            code_system(&url)
                .expect("a system")
                .concept(code)
                .expect(code)
        };
        let class = concept("v3-ActCode", "_ActEncounterCode");
        assert!(class.is_abstract() && !class.is_inactive());
        assert_eq!(class.display(), "ActEncounterCode");
        let ambulatory = concept("v3-ActCode", "AMB");
        assert!(!ambulatory.is_abstract() && !ambulatory.is_inactive());
        let retired = concept("v3-NullFlavor", "NP");
        assert!(!retired.is_abstract() && retired.is_inactive());
        assert_eq!(retired.display(), "not present");
    }

    #[test]
    fn some_systems_are_not_complete() {
        for url in [
            "http://snomed.info/sct",
            "http://terminology.hl7.org/CodeSystem/service-type",
            "http://hl7.org/fhir/CodeSystem/example-supplement",
        ] {
            assert!(!code_system(url).expect(url).is_complete(), "{url}");
        }
    }
}
