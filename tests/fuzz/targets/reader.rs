//! Any bytes: reading gives a value or an error, never a panic; what is valid
//! is written as JSON that reads as the same again.

#![no_main]

use fhir_mcp_server::model::Resource;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let reading = Resource::from_slice(bytes);
    assert!(
        reading.value.is_some() || reading.issues.iter().any(|issue| issue.severity.is_error())
    );
    for issue in &reading.issues {
        assert!(issue.offset <= bytes.len() && issue.line > 0 && issue.column > 0);
    }
    if reading.is_valid()
        && let Some(resource) = reading.value
    {
        let again = Resource::from_slice(resource.to_json().as_bytes());
        assert!(again.is_valid(), "{:?}", again.issues);
        assert!(again.value == Some(resource));
    }
});
