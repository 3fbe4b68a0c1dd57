//! The generator over the official definitions and over a mini specification.

use std::{fs, path::Path};

use super::{GeneratedFile, Inputs, extensions, generate, ir::Counts, lower, parse};

/// The texts of a folder in the layout of `schemas/`.
struct Texts {
    types: String,
    resources: String,
    value_sets: String,
    code_systems: String,
    composed_value_sets: String,
    search_parameters: String,
    profiles: String,
    constraints: String,
    extensions: String,
}

impl Texts {
    fn read(folder: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let read = |name: &str| fs::read_to_string(folder.join(name)).expect("a definition file");
        Self {
            types: read("types.json"),
            resources: read("resources.json"),
            value_sets: read("value-sets-required.json"),
            code_systems: read("code-systems.json"),
            composed_value_sets: read("value-sets.json"),
            search_parameters: read("search-parameters.json"),
            profiles: read("profiles.json"),
            constraints: read("constraints.json"),
            extensions: read("extensions.json"),
        }
    }

    fn inputs(&self) -> Inputs<'_> {
        Inputs {
            types: &self.types,
            resources: &self.resources,
            value_sets: &self.value_sets,
            code_systems: &self.code_systems,
            composed_value_sets: &self.composed_value_sets,
            search_parameters: &self.search_parameters,
            profiles: &self.profiles,
            constraints: &self.constraints,
            extensions: &self.extensions,
        }
    }
}

#[test]
fn reproduces_the_counts_of_the_specification() {
    let texts = Texts::read("schemas");
    let definitions = parse::definitions(&texts.inputs()).expect("definitions");
    let counts = lower::lower(&definitions).expect("a model").counts;
    let expected = Counts {
        resources: 146,
        primitives: 20,
        complex_types: 39,
        abstract_types: 4,
        elements: 7_406,
        parents: 473,
        choices: 186,
        required_bindings: 366,
        required_value_sets: 224,
        search_parameters: 1_375,
    };
    assert_eq!(counts, expected);
}

#[test]
fn is_deterministic() {
    let texts = Texts::read("schemas");
    assert!(generate(&texts.inputs()) == generate(&texts.inputs()));
}

/// The mini specification's output is reviewed as a diff: a mismatch writes the
/// new output and fails. `src/model/golden.rs` compiles it; where the old output
/// no longer compiles, `FHIR_CODEGEN_NO_GOLDEN=1` leaves it out for one run.
#[test]
fn the_mini_specification_gives_the_golden_output() {
    let texts = Texts::read("fixtures/codegen/mini");
    let files = generate(&texts.inputs()).expect("output");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/codegen/mini/expected");
    let known: Vec<String> = fs::read_dir(&folder)
        .map(|entries| {
            entries
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .collect()
        })
        .unwrap_or_default();
    let stale = known
        .iter()
        .filter(|name| !files.iter().any(|file| file.name == **name))
        .count();
    let mut changed = Vec::new();
    for GeneratedFile { name, text } in &files {
        let path = folder.join(name);
        if fs::read_to_string(&path).ok().as_ref() != Some(text) {
            fs::create_dir_all(&folder).expect("the folder");
            fs::write(path, text).expect("the file");
            changed.push(name);
        }
    }
    assert!(
        changed.is_empty() && stale == 0,
        "written anew, see git diff: {changed:?}; {stale} stale"
    );
}

#[test]
fn refuses_what_it_does_not_understand() {
    let texts = Texts::read("fixtures/codegen/mini");
    let cases = [
        (
            "\"max\":\"1\"",
            "\"max\":\"3\"",
            "the cardinality 0..3 is new",
        ),
        (
            "\"code\":\"Detail\"",
            "\"code\":\"Missing\"",
            "the type Missing is not defined",
        ),
        (
            "\"kind\":\"resource\"",
            "\"kind\":\"logical\"",
            "unknown kind logical",
        ),
        ("\"elements\":[", "\"elements\":{", "types.json"),
    ];
    for (from, to, reason) in cases {
        let (types, resources) = (
            texts.types.replacen(from, to, 1),
            texts.resources.replacen(from, to, 1),
        );
        let inputs = Inputs {
            types: &types,
            resources: &resources,
            ..texts.inputs()
        };
        let error = generate(&inputs).expect_err(reason);
        assert!(error.to_string().contains(reason), "{error}");
    }
    for (from, to, reason) in [
        (
            "name.isDistinct()",
            "name.skip(1).empty()",
            "cannot be compiled",
        ),
        ("name.isDistinct()", "nom.exists()", "has no element nom"),
        ("name.isDistinct()", "name.startsWith('a')", "many items"),
        (
            "name.isDistinct()",
            "name.first(1)",
            "first with 1 arguments",
        ),
        ("\"min-1\"", "\"min-9\"", "min-1 is not defined"),
    ] {
        let constraints = texts.constraints.replacen(from, to, 1);
        let error = generate(&Inputs {
            constraints: &constraints,
            ..texts.inputs()
        })
        .expect_err(reason);
        assert!(error.to_string().contains(reason), "{error}");
    }
    let parameters = texts
        .search_parameters
        .replace("Mini.type", "Mini.type.last()");
    let error = generate(&Inputs {
        search_parameters: &parameters,
        ..texts.inputs()
    })
    .expect_err("last()");
    assert!(
        error.to_string().contains("last is not understood"),
        "{error}"
    );
}

#[test]
fn writes_every_extension_and_refuses_new_contexts() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/extensions.json");
    let text = fs::read_to_string(path).expect("the file");
    let table = extensions::table(&text).expect("a table").text;
    let urls = table.lines().filter(|line| !line.starts_with('\t'));
    assert_eq!(urls.count(), 393);
    let other = text.replacen("\"type\":\"element\"", "\"type\":\"fhirpath\"", 1);
    let error = extensions::table(&other).expect_err("a new context type");
    assert!(error.reason.contains("fhirpath"), "{error}");
}
