//! Validation at each level beside other readers, in one run.
//!
//! `FHIR_EXAMPLES_DIR=… cargo bench --features peers --bench validate`: the
//! unpacked npm package hl7.fhir.r4.examples 4.0.1. `FHIR_BUNDLES_DIR` may name a
//! folder of other Bundles, for instance of Synthea. Lists of Bundles and lines
//! are made of `fixtures/`. Without the feature the peers are left out.

#![allow(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a benchmark fails by panicking and talks to a terminal"
)]

use std::{
    fmt::Write,
    fs,
    hint::black_box,
    path::{Path, PathBuf},
    thread,
};

use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use fhir_mcp_server::{
    model::Resource,
    validation::{Level, Options, Validator},
};

const MAX_FILE: u64 = 4_000_000;
/// Size of the lines of a bulk export.
const LINES: usize = 100_000_000;

fn main() {
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    for (name, folder) in [
        ("official examples", "FHIR_EXAMPLES_DIR"),
        ("bundles", "FHIR_BUNDLES_DIR"),
    ] {
        match std::env::var_os(folder).map(PathBuf::from) {
            Some(folder) => compare(&mut criterion, name, &documents(&folder)),
            None => eprintln!("{folder} is not set: {name} are left out"),
        }
    }
    let lines = lines();
    compare(&mut criterion, "100 MB of lines", &lines);
    cores(&mut criterion, &lines);
    references(&mut criterion);
    criterion.final_summary();
}

/// Each level of ours, then the peers.
fn compare(criterion: &mut Criterion, name: &str, documents: &[Vec<u8>]) {
    let bytes: usize = documents.iter().map(Vec::len).sum();
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(bytes as u64));
    each(&mut group, "serde_json::Value", documents, |document| {
        black_box(serde_json::from_slice::<serde_json::Value>(document).is_ok());
    });
    each(&mut group, "read", documents, |document| {
        black_box(Resource::from_slice(document));
    });
    for (label, level) in [
        ("read, bindings", Level::Bindings),
        ("read, bindings, constraints", Level::Constraints),
        ("everything", Level::Full),
    ] {
        let validator = validator(level);
        each(&mut group, label, documents, |document| {
            black_box(validator.read(document));
        });
    }
    peers(&mut group, documents);
    group.finish();
}

#[cfg(feature = "peers")]
fn peers(group: &mut BenchmarkGroup<'_, WallTime>, documents: &[Vec<u8>]) {
    each(group, "sonic_rs::Value", documents, |document| {
        black_box(sonic_rs::from_slice::<sonic_rs::Value>(document).is_ok());
    });
    each(group, "fhirkit", documents, |document| {
        let text = std::str::from_utf8(document).unwrap_or_default();
        black_box(fhirkit::from_json::<fhirkit::r4::Resource>(text).is_ok());
    });
}

#[cfg(not(feature = "peers"))]
fn peers(_: &mut BenchmarkGroup<'_, WallTime>, _: &[Vec<u8>]) {}

fn each(
    group: &mut BenchmarkGroup<'_, WallTime>,
    label: &str,
    documents: &[Vec<u8>],
    read: impl Fn(&[u8]),
) {
    group.bench_function(label, |bench| {
        bench.iter(|| documents.iter().for_each(|document| read(document)));
    });
}

/// One thread and two.
fn cores(criterion: &mut Criterion, documents: &[Vec<u8>]) {
    let validator = validator(Level::Full);
    let mut group = criterion.benchmark_group("cores");
    for count in [1, 2] {
        group.bench_function(count.to_string(), |bench| {
            bench.iter(|| {
                thread::scope(|scope| {
                    for part in documents.chunks(documents.len().div_ceil(count)) {
                        let validator = &validator;
                        scope.spawn(move || {
                            part.iter().for_each(|document| {
                                black_box(validator.read(document));
                            });
                        });
                    }
                });
            });
        });
    }
    group.finish();
}

/// Bundles whose entries refer to each other: ten times the references should
/// take ten times the time.
fn references(criterion: &mut Criterion) {
    let validator = validator(Level::Full);
    let mut group = criterion.benchmark_group("references in a bundle");
    for count in [1_000, 10_000] {
        let bundle = bundle(count);
        group.bench_function(count.to_string(), |bench| {
            bench.iter(|| black_box(validator.read(&bundle)));
        });
    }
    group.finish();
}

fn bundle(references: usize) -> Vec<u8> {
    let mut text = r#"{"resourceType":"Bundle","type":"collection","entry":["#.to_owned();
    for index in 0..references {
        let next = (index + 1) % references;
        let _ = write!(
            text,
            r#"{}{{"fullUrl":"http://example.org/fhir/Organization/o{index}","resource":{{"resourceType":"Organization","id":"o{index}","name":"Organization {index}","partOf":{{"reference":"Organization/o{next}"}}}}}}"#,
            if index == 0 { "" } else { "," },
        );
    }
    text.push_str("]}");
    text.into_bytes()
}

fn validator(level: Level) -> Validator {
    Validator::new(Options {
        level,
        ..Options::default()
    })
    .expect("a validator")
}

/// The patient fixtures, over and over.
fn lines() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/patients");
    let bundles = documents(&folder);
    let resources: Vec<Vec<u8>> = bundles
        .iter()
        .filter_map(|bundle| serde_json::from_slice::<serde_json::Value>(bundle).ok())
        .flat_map(|bundle| bundle["entry"].as_array().cloned().unwrap_or_default())
        .filter_map(|entry| serde_json::to_vec(&entry["resource"]).ok())
        .collect();
    let bytes: usize = resources.iter().map(Vec::len).sum();
    let times = LINES.div_ceil(bytes.max(1));
    (0..times).flat_map(|_| resources.iter().cloned()).collect()
}

fn documents(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|name| name == "json"))
        .filter(|path| !path.ends_with("package.json") && !path.ends_with("ig-r4.json"))
        .filter(|path| path.metadata().is_ok_and(|file| file.len() <= MAX_FILE))
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| fs::read(path).expect("a file"))
        .collect()
}
