//! Packages of definitions: an NPM archive whose folder `package` holds the
//! resources as JSON files, and `package.json` what it is and needs
//! ([packages](https://hl7.org/fhir/R4/packages.html)).

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;
use serde::Deserialize;

use super::load::{ProfileError, without_version};

/// Most bytes of the definitions of one package.
const MAX_BYTES: u64 = 512 << 20;
/// What is part of this program, whatever its version.
const BUILT_IN: &[&str] = &["hl7.fhir.r4.core", "hl7.fhir.core"];

/// Why a validator cannot be made with the given packages and profiles.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The file cannot be read.
    #[error("the package {} cannot be read: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// The file is no FHIR package.
    #[error("{} is no FHIR package: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No profile with this URL is known.
    #[error("the profile {url} is not known")]
    UnknownProfile {
        /// Its canonical URL.
        url: String,
    },
    /// A profile that is asked for cannot be used.
    #[error("the profile {0}")]
    Profile(#[from] ProfileError),
}

/// What a definition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Structure,
    ValueSet,
    CodeSystem,
}

/// The definitions of all packages, by kind and URL; not parsed before they are
/// asked for.
#[derive(Debug, Default)]
pub(super) struct Packages {
    definitions: HashMap<(Kind, String), Vec<Definition>>,
    manifests: Vec<Manifest>,
}

#[derive(Debug)]
struct Definition {
    version: Option<String>,
    text: Box<str>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    name: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    fhir_versions: Vec<String>,
    #[serde(default)]
    dependencies: BTreeMap<String, String>,
}

/// What says what a resource is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    resource_type: Option<String>,
    url: Option<String>,
    version: Option<String>,
}

impl Packages {
    /// Reads a package.
    ///
    /// Errors: a file that cannot be read, is no archive, has no `package.json`
    /// or holds too much.
    pub(super) fn add(&mut self, path: &Path) -> Result<(), PackageError> {
        let io = |source| PackageError::Io {
            path: path.to_owned(),
            source,
        };
        let format = |reason: String| PackageError::Format {
            path: path.to_owned(),
            reason,
        };
        let file = File::open(path).map_err(io)?;
        let limited = GzDecoder::new(BufReader::new(file)).take(MAX_BYTES);
        let mut archive = tar::Archive::new(limited);
        let broken = |error: std::io::Error| format(error.to_string());
        let mut manifest = None;
        for entry in archive.entries().map_err(broken)? {
            let mut entry = entry.map_err(broken)?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let Some(file) = definition_file(&name) else {
                continue;
            };
            let mut text = String::new();
            entry.read_to_string(&mut text).map_err(broken)?;
            if file == "package.json" {
                let parsed: Result<Manifest, _> = serde_json::from_str(&text);
                manifest = Some(parsed.map_err(|error| format(format!("{name}: {error}")))?);
            } else {
                self.keep(text);
            }
        }
        if archive.into_inner().limit() == 0 {
            return Err(format(format!("it holds more than {MAX_BYTES} bytes")));
        }
        self.manifests
            .push(manifest.ok_or_else(|| format("it has no package/package.json".to_owned()))?);
        Ok(())
    }

    /// Keeps a definition; what is none is left out.
    fn keep(&mut self, text: String) {
        let Ok(head) = serde_json::from_str::<Head>(&text) else {
            return;
        };
        let kind = match head.resource_type.as_deref() {
            Some("StructureDefinition") => Kind::Structure,
            Some("ValueSet") => Kind::ValueSet,
            Some("CodeSystem") => Kind::CodeSystem,
            _ => return,
        };
        if let Some(url) = head.url {
            let versions = self.definitions.entry((kind, url)).or_default();
            versions.push(Definition {
                version: head.version,
                text: text.into(),
            });
        }
    }

    /// The text of a definition, its URL with or without `|version`: of several
    /// versions the one that came last.
    pub(super) fn text(&self, kind: Kind, url: &str) -> Option<&str> {
        if self.definitions.is_empty() {
            return None;
        }
        let (bare, version) = (without_version(url), url.split_once('|').map(|(_, v)| v));
        let known = self.definitions.get(&(kind, bare.to_owned()))?;
        let same = |definition: &&Definition| {
            version.is_none_or(|version| definition.version.as_deref() == Some(version))
        };
        known.iter().rev().find(same).map(|found| &*found.text)
    }

    /// What is missing or does not fit: dependencies that no package satisfies,
    /// packages for another version of FHIR.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for manifest in &self.manifests {
            let Manifest { name, version, .. } = manifest;
            let versions = &manifest.fhir_versions;
            if !versions.is_empty() && !versions.iter().any(|version| version.starts_with("4.0")) {
                let versions = versions.join(", ");
                warnings.push(format!(
                    "the package {name}#{version} is for FHIR {versions}, not R4"
                ));
            }
            for (needed, wanted) in &manifest.dependencies {
                let known = self.manifests.iter().find(|known| known.name == *needed);
                let built_in = BUILT_IN.contains(&needed.as_str());
                match known {
                    None if !built_in => warnings.push(format!(
                        "the package {name}#{version} needs {needed}#{wanted}, which is not given"
                    )),
                    Some(known) if !satisfies(&known.version, wanted) => warnings.push(format!(
                        "the package {name}#{version} needs {needed}#{wanted}, given is {}",
                        known.version
                    )),
                    _ => {}
                }
            }
        }
        warnings
    }
}

/// Whether a version is the wanted one: `current` and `latest` are any, and an
/// `x` any part.
fn satisfies(version: &str, wanted: &str) -> bool {
    matches!(wanted, "current" | "latest" | "*" | "dev")
        || wanted
            .split('.')
            .zip(version.split('.'))
            .all(|(wanted, part)| matches!(wanted, "x" | "*") || wanted == part)
}

/// The name of a file that is a definition: of the folder `package` itself, not
/// of those for examples and other things below it.
fn definition_file(name: &str) -> Option<&str> {
    let file = name.trim_start_matches("./").strip_prefix("package/")?;
    let listed = !file.contains('/') && file.ends_with(".json") && !file.starts_with('.');
    listed.then_some(file)
}
