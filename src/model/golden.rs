//! Compiles the golden output of the generator for the mini specification
//! against the macros of the real model, and reads with it.

mod generated_prelude {
    pub(super) use super::fhir::*;
    pub(super) use crate::model::{
        definition::{Definitions, TypeDef},
        primitive::*,
        slot::ChoiceType,
        terminology::Paragraphs,
    };
}

#[allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "generated code, of which the tests use a part"
)]
mod fhir {
    include!("../../fixtures/codegen/mini/expected/mod.rs");
}

use super::Object;
use fhir::{Mini, MiniPartValue, codes::MiniType};

#[test]
fn reads_and_writes_the_mini_resource() {
    let json = r#"{"resourceType":"Mini","id":"a","type":"<=","name":["x",null],"_name":[null,{"id":"n"}],"part":[{"valueDetail":{"for":"b","inner":{"for":"c"}},"part":[{"_valueBoolean":{"id":"v"}}]}]}"#;
    let mini = Mini::from_slice(json.as_bytes())
        .into_result()
        .expect("a valid document");
    assert_eq!(mini.to_json(), json);
    assert_eq!(*mini.r#type, Some(MiniType::LessEqual));
    let value = mini.part[0].value.as_ref().expect("a value");
    assert!(matches!(value, MiniPartValue::Detail(detail) if detail.inner.is_some()));
    assert_eq!(mini.part[0].part.len(), 1);
}

#[test]
fn reports_what_the_mini_resource_breaks() {
    let json =
        r#"{"resourceType":"Mini","type":"what","part":[{}],"detail":[],"name":"x","huh":1}"#;
    let found: Vec<String> = Mini::from_slice(json.as_bytes())
        .issues
        .iter()
        .map(|issue| format!("{} {}", issue.rule.code(), issue.expression))
        .collect();
    let expected = [
        "required-binding Mini.type",
        "empty Mini.part[0]",
        "not-repeating Mini.detail",
        "repeating Mini.name",
        "unknown-element Mini",
    ];
    assert_eq!(found, expected);
}
