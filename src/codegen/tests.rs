//! The generator over the official definitions and over a mini specification.

use std::{fs, path::Path};

use super::{GeneratedFile, Inputs, extensions, generate, ir::Counts, lower, parse};

/// The texts of a folder in the layout of `schemas/`.
fn inputs(folder: &str) -> Inputs {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    Inputs::read(|name| fs::read_to_string(folder.join(name))).expect("the definition files")
}

#[test]
fn reproduces_the_counts_of_the_specification() {
    let inputs = inputs("schemas");
    let definitions = parse::definitions(&inputs).expect("definitions");
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
    let inputs = inputs("schemas");
    assert!(generate(&inputs) == generate(&inputs));
}

/// The mini specification's output is reviewed as a diff: a mismatch writes the
/// new output and fails. `src/model/golden.rs` compiles it; where the old output
/// no longer compiles, `FHIR_CODEGEN_NO_GOLDEN=1` leaves it out for one run.
#[test]
fn the_mini_specification_gives_the_golden_output() {
    let inputs = inputs("fixtures/codegen/mini");
    let files = generate(&inputs).expect("output");
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
    let inputs = inputs("fixtures/codegen/mini");
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
        let changed = Inputs {
            types: inputs.types.replacen(from, to, 1),
            resources: inputs.resources.replacen(from, to, 1),
            ..inputs.clone()
        };
        let error = generate(&changed).expect_err(reason);
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
        let error = generate(&Inputs {
            constraints: inputs.constraints.replacen(from, to, 1),
            ..inputs.clone()
        })
        .expect_err(reason);
        assert!(error.to_string().contains(reason), "{error}");
    }
    let error = generate(&Inputs {
        search_parameters: inputs
            .search_parameters
            .replace("Mini.type", "Mini.type.last()"),
        ..inputs
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
