//! Any bytes: validation never panics, finds at least what reading finds, and
//! finds the same twice.

#![no_main]

use std::sync::LazyLock;

use fhir_mcp_server::{model::Resource, validation::Validator};
use libfuzzer_sys::fuzz_target;

static VALIDATOR: LazyLock<Validator> = LazyLock::new(Validator::default);

fuzz_target!(|bytes: &[u8]| {
    let read = Resource::from_slice(bytes);
    let validated = VALIDATOR.read(bytes);
    assert_eq!(read.value, validated.value);
    for issue in &read.issues {
        assert!(validated.issues.contains(issue), "{issue}");
    }
    assert_eq!(validated.issues, VALIDATOR.read(bytes).issues);
});
