//! Reading the official examples: decode and validate into the typed model,
//! beside an untyped parse and a walk over the tokens in the same run.
//!
//! `FHIR_EXAMPLES_DIR=… cargo bench --bench read`, where the folder is the
//! unpacked npm package hl7.fhir.r4.examples 4.0.1. serde_json has its
//! preserve_order feature here, as the product needs it.

#![allow(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a benchmark fails by panicking and talks to a terminal"
)]

use std::{fs, hint::black_box, path::PathBuf};

use criterion::{Criterion, Throughput};
use fhir_mcp_server::model::Resource;

const MAX_FILE: u64 = 4_000_000;

fn main() {
    let Some(folder) = std::env::var_os("FHIR_EXAMPLES_DIR").map(PathBuf::from) else {
        eprintln!("set FHIR_EXAMPLES_DIR to the unpacked package hl7.fhir.r4.examples 4.0.1");
        return;
    };
    let documents = documents(&folder);
    let bytes: usize = documents.iter().map(Vec::len).sum();
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let mut group = criterion.benchmark_group("official examples");
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("read and validate", |bench| {
        bench.iter(|| {
            for document in &documents {
                black_box(Resource::from_slice(document));
            }
        });
    });
    group.bench_function("serde_json::Value", |bench| {
        bench.iter(|| {
            for document in &documents {
                let _ = black_box(serde_json::from_slice::<serde_json::Value>(document));
            }
        });
    });
    // The value of an unknown property is read as tokens and dropped.
    let wrapped: Vec<Vec<u8>> = documents
        .iter()
        .map(|document| {
            [
                b"{\"resourceType\":\"Basic\",\"-\":",
                document.as_slice(),
                b"}",
            ]
            .concat()
        })
        .collect();
    group.bench_function("tokens only", |bench| {
        bench.iter(|| {
            for document in &wrapped {
                black_box(Resource::from_slice(document));
            }
        });
    });
    group.bench_function("jiter, tokens only", |bench| {
        bench.iter(|| {
            for document in &documents {
                let _ = black_box(jiter::Jiter::new(document).next_skip());
            }
        });
    });
    group.finish();
    criterion.final_summary();
}

fn documents(folder: &PathBuf) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name != "package.json" && name != "ig-r4.json")
        })
        .filter(|path| {
            path.metadata()
                .is_ok_and(|metadata| metadata.len() <= MAX_FILE)
        })
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| fs::read(path).expect("a file"))
        .collect()
}
