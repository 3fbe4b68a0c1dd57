//! How the fixture store compares values of types that the patient fixtures
//! have none of.

use serde_json::{Value, json};

use crate::{fixture_store::ids, fixture_store_load::loaded};

/// Which of these resources each query finds, by the numbers of their ids.
async fn check(resources: &[Value], queries: &[(&str, &[&str])]) {
    let lines: Vec<String> = resources.iter().map(Value::to_string).collect();
    let (store, report) = loaded(&[("a.ndjson", &lines.join("\n"))]);
    assert!(report.invalid.is_empty(), "{:?}", report.invalid);
    for (query, expected) in queries {
        assert_eq!(ids(&store, query).await, *expected, "{query}");
    }
}

#[tokio::test]
async fn a_timing_has_outer_limits() {
    let request = |id: &str, timing: Value| {
        json!({"resourceType": "ServiceRequest", "id": id, "status": "active", "intent": "order",
            "subject": {"display": "x"}, "occurrenceTiming": timing})
    };
    let resources = [
        request("1", json!({"event": ["2020-01-01", "2020-03-01"]})),
        request(
            "2",
            json!({"repeat": {"boundsPeriod": {"start": "2020-02-01"}}}),
        ),
        request(
            "3",
            json!({"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}),
        ),
    ];
    let queries: &[(&str, &[&str])] = &[
        ("ServiceRequest?occurrence=2020", &["1"]),
        ("ServiceRequest?occurrence=lt2020-01-15", &["1"]),
        ("ServiceRequest?occurrence=gt2021", &["2"]),
        ("ServiceRequest?occurrence=sa2020-01-31", &["2"]),
        ("ServiceRequest?occurrence:missing=false", &["1", "2", "3"]),
    ];
    check(&resources, queries).await;
}

#[tokio::test]
async fn a_period_may_be_open() {
    let encounter = |id: &str, period: Value| json!({"resourceType": "Encounter", "id": id, "status": "finished", "class": {"code": "AMB"}, "period": period});
    let resources = [
        encounter("1", json!({"start": "2020-01-10", "end": "2020-01-20"})),
        encounter("2", json!({"start": "2020-01-15"})),
        encounter("3", json!({"end": "2020-01-05"})),
    ];
    let queries: &[(&str, &[&str])] = &[
        ("Encounter?date=2020-01", &["1"]),
        ("Encounter?date=ne2020-01", &["2", "3"]),
        ("Encounter?date=ge2020-01-18", &["1", "2"]),
        ("Encounter?date=le2020-01-12", &["1", "3"]),
        ("Encounter?date=eb2020-01-06", &["3"]),
        ("Encounter?date=sa2020-01-14", &["2"]),
        ("Encounter?date=ge2020-01-12&date=le2020-01-13", &["1"]),
        ("Encounter?_sort=-date", &["2", "1", "3"]),
    ];
    check(&resources, queries).await;
}

#[tokio::test]
async fn numbers_ranges_and_money_are_compared() {
    let risk = |id: &str, probability: Value| {
        let mut prediction = probability;
        prediction["outcome"] = json!({"text": "x"});
        json!({"resourceType": "RiskAssessment", "id": id, "status": "final", "subject": {"display": "x"},
            "prediction": [prediction]})
    };
    let invoice = |id: &str, value: f64, currency: &str| json!({"resourceType": "Invoice", "id": id, "status": "issued", "totalNet": {"value": value, "currency": currency}});
    let condition = json!({"resourceType": "Condition", "id": "1", "subject": {"display": "x"},
        "onsetRange": {"low": {"value": 30, "unit": "a"}, "high": {"value": 40, "unit": "a"}}});
    let resources = [
        risk("1", json!({"probabilityDecimal": 0.24})),
        risk("2", json!({"probabilityDecimal": 0.3})),
        invoice("1", 100.5, "CHF"),
        invoice("2", 100.0, "EUR"),
        condition,
    ];
    let queries: &[(&str, &[&str])] = &[
        ("RiskAssessment?probability=0.3", &["2"]),
        ("RiskAssessment?probability=0.2,0.3", &["1", "2"]),
        ("RiskAssessment?probability=gt0.25", &["2"]),
        ("RiskAssessment?probability=ap0.28", &["2"]),
        ("RiskAssessment?_sort=-probability", &["2", "1"]),
        ("Invoice?totalnet=ge100|urn:iso:std:iso:4217|CHF", &["1"]),
        ("Invoice?totalnet=100||EUR", &["2"]),
        ("Invoice?totalnet=gt100", &["1"]),
        ("Condition?onset-age=gt35", &["1"]),
        ("Condition?onset-age=gt40", &[]),
        ("Condition?onset-age=35", &[]),
        ("Condition?onset-age=le30", &["1"]),
    ];
    check(&resources, queries).await;
}

#[tokio::test]
async fn references_may_be_canonical_contained_versioned_or_by_identifier() {
    let resources = [
        json!({"resourceType": "Questionnaire", "id": "1", "status": "active", "title": "First", "url": "http://example.org/q"}),
        json!({"resourceType": "QuestionnaireResponse", "id": "1", "status": "completed", "questionnaire": "http://example.org/q|2"}),
        json!({"resourceType": "QuestionnaireResponse", "id": "2", "status": "completed", "questionnaire": "http://example.org/other"}),
        json!({"resourceType": "Condition", "id": "1", "subject": {"reference": "Patient/p/_history/3"}}),
        json!({"resourceType": "Condition", "id": "2", "subject": {"reference": "#c"},
            "contained": [{"resourceType": "Patient", "id": "c"}]}),
        json!({"resourceType": "Condition", "id": "3", "subject": {"reference": "#g"},
            "contained": [{"resourceType": "Group", "id": "g", "type": "person", "actual": true}]}),
        json!({"resourceType": "Condition", "id": "4", "subject": {"type": "Patient", "identifier": {"system": "http://s", "value": "7"}}}),
    ];
    let queries: &[(&str, &[&str])] = &[
        (
            "QuestionnaireResponse?questionnaire=http://example.org/q",
            &["1"],
        ),
        (
            r"QuestionnaireResponse?questionnaire=http://example.org/q\|2",
            &["1"],
        ),
        (
            r"QuestionnaireResponse?questionnaire=http://example.org/q\|1",
            &[],
        ),
        ("QuestionnaireResponse?questionnaire.title=first", &["1"]),
        (
            "Questionnaire?_has:QuestionnaireResponse:questionnaire:status=completed",
            &["1"],
        ),
        ("Condition?subject=Patient/p", &["1"]),
        ("Condition?patient:missing=false", &["1", "2", "4"]),
        ("Condition?subject:identifier=http://s|7", &["4"]),
        ("Condition?subject:identifier=8", &[]),
    ];
    check(&resources, queries).await;
}

#[tokio::test]
async fn uris_are_compared_as_they_are_or_by_their_hierarchy() {
    let set = |id: &str, url: &str| json!({"resourceType": "ValueSet", "id": id, "status": "draft", "url": url});
    let resources = [
        set("1", "http://example.org/a"),
        set("2", "http://example.org/a/b"),
        set("3", "http://example.org/A"),
    ];
    let queries: &[(&str, &[&str])] = &[
        ("ValueSet?url=http://example.org/a", &["1"]),
        ("ValueSet?url:below=http://example.org/a", &["1", "2"]),
        ("ValueSet?url:above=http://example.org/a/b/c", &["1", "2"]),
        ("ValueSet?url:contains=ORG/A", &["1", "2", "3"]),
    ];
    check(&resources, queries).await;
}
