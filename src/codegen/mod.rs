//! The generator: official FHIR definitions in, Rust source out.
//!
//! parse → [`ir`] (by [`lower`]) → [`passes`] → [`emit`]. [`generate`] does no
//! I/O, reads no environment, and gives the same bytes for the same input. It
//! refuses what it does not understand. `build.rs` compiles these files by
//! path, and `crate::fhirpath` with them; the library only for its tests.

pub mod emit;
pub mod extensions;
pub mod ir;
pub mod lower;
pub mod naming;
pub mod parse;
pub mod passes;
#[cfg(test)]
mod tests;

use std::fmt;

/// The texts of the definition files in `schemas/`.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// `types.json`
    pub types: String,
    /// `resources.json`
    pub resources: String,
    /// `value-sets-required.json`
    pub value_sets: String,
    /// `constraints.json`
    pub constraints: String,
    /// `code-systems.json`
    pub code_systems: String,
    /// `value-sets.json`
    pub composed_value_sets: String,
    /// `search-parameters.json`
    pub search_parameters: String,
    /// `profiles.json`
    pub profiles: String,
    /// `extensions.json`
    pub extensions: String,
}

impl Inputs {
    /// Asks for each file by its name.
    pub fn read<E>(mut read: impl FnMut(&str) -> Result<String, E>) -> Result<Self, E> {
        Ok(Self {
            types: read("types.json")?,
            resources: read("resources.json")?,
            value_sets: read("value-sets-required.json")?,
            constraints: read("constraints.json")?,
            code_systems: read("code-systems.json")?,
            composed_value_sets: read("value-sets.json")?,
            search_parameters: read("search-parameters.json")?,
            profiles: read("profiles.json")?,
            extensions: read("extensions.json")?,
        })
    }
}

/// One file for `OUT_DIR`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratedFile {
    /// File name, without folder.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// A definition that the generator does not understand, or that would become
/// code that does not compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Path or URL of the definition.
    pub subject: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Error {
    /// An error about one definition.
    pub fn new(subject: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            reason: reason.into(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.reason)
    }
}

impl std::error::Error for Error {}

/// Generates the model.
pub fn generate(inputs: &Inputs) -> Result<Vec<GeneratedFile>, Error> {
    let definitions = parse::definitions(inputs)?;
    let mut model = lower::lower(&definitions)?;
    model.profiles = lower::profiles(inputs)?;
    passes::run(&mut model)?;
    let mut files = emit::emit(&model)?;
    files.push(extensions::table(&inputs.extensions)?);
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}
