//! What belongs to a patient: `$everything`, compartments, history; and what the
//! store says of itself.

use std::collections::BTreeSet;

use fhir_mcp_server::{
    client::{Capabilities, Source},
    model::Resource,
};

use crate::fixture_store::{body, entries, get, ids, interaction, patients, send};

#[tokio::test]
async fn everything_has_the_record_and_what_it_refers_to_and_nobody_elses() {
    let store = patients();
    let bundle = get(&store, "Patient/pat-ana-keller/$everything?_count=1000").await;
    let found: BTreeSet<String> = entries(&bundle, "match").into_iter().collect();
    for resource_type in [
        "Condition",
        "Observation",
        "Encounter",
        "MedicationRequest",
        "AllergyIntolerance",
        "Immunization",
        "DiagnosticReport",
    ] {
        let all = ids(
            &store,
            &format!("{resource_type}?patient=pat-ana-keller&_count=1000"),
        )
        .await;
        assert!(!all.is_empty(), "{resource_type}");
        for id in &all {
            assert!(
                found.contains(&format!("{resource_type}/{id}")),
                "{resource_type}/{id}"
            );
        }
        let prefix = format!("{resource_type}/");
        assert_eq!(
            found
                .iter()
                .filter(|reference| reference.starts_with(&prefix))
                .count(),
            all.len(),
            "{resource_type}"
        );
    }
    for reference in [
        "Patient/pat-ana-keller",
        "Medication/med-metformin",
        "Practitioner/prac-iris-vorlage",
        "Organization/org-fixture-hospital",
    ] {
        assert!(found.contains(reference), "{reference}");
    }
    assert_eq!(
        found
            .iter()
            .filter(|reference| reference.starts_with("Patient/"))
            .count(),
        1
    );
}

#[tokio::test]
async fn everything_can_be_narrowed_and_paged() {
    let store = patients();
    let bundle = get(
        &store,
        "Patient/pat-ana-keller/$everything?_type=Condition,Patient&_count=2",
    )
    .await;
    let types: BTreeSet<String> = entries(&bundle, "match")
        .iter()
        .map(|reference| reference.split('/').next().expect("a type").to_owned())
        .collect();
    assert_eq!(types, ["Condition".to_owned(), "Patient".to_owned()].into());
    let conditions = ids(&store, "Condition?patient=pat-ana-keller").await;
    assert_eq!(bundle["total"], conditions.len() + 1);
    let next = bundle["link"][1]["url"]
        .as_str()
        .expect("a next page")
        .to_owned();
    let second = body(
        &send(
            &store,
            fhir_mcp_server::client::Interaction::NextPage { link: next },
        )
        .await,
    );
    assert_eq!(
        entries(&second, "match").first(),
        conditions
            .get(1)
            .map(|id| format!("Condition/{id}"))
            .as_ref()
    );
    let since = get(
        &store,
        "Patient/pat-ana-keller/$everything?_since=2099-01-01",
    )
    .await;
    assert_eq!(since["total"], 0);
    let refused = send(
        &store,
        interaction("Patient/pat-ana-keller/$everything?name=x"),
    )
    .await;
    assert_eq!(refused.status, 400);
}

#[tokio::test]
async fn a_compartment_is_searched_like_the_type() {
    let store = patients();
    assert_eq!(
        ids(
            &store,
            "Patient/pat-ana-keller/Condition?clinical-status=active"
        )
        .await,
        ids(
            &store,
            "Condition?patient=pat-ana-keller&clinical-status=active"
        )
        .await
    );
    let answer = send(&store, interaction("Medication/med-metformin/Observation")).await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn the_history_of_an_instance_has_its_current_version() {
    let store = patients();
    let bundle = get(&store, "Patient/pat-ana-keller/_history").await;
    assert_eq!(
        (bundle["type"].as_str(), bundle["total"].as_u64()),
        (Some("history"), Some(1))
    );
    assert_eq!(bundle["entry"][0]["resource"]["id"], "pat-ana-keller");
    let version = get(&store, "Patient/pat-ana-keller/_history/1").await;
    assert_eq!(version, get(&store, "Patient/pat-ana-keller").await);
}

#[tokio::test]
async fn the_statement_names_what_can_be_searched() {
    let store = patients();
    let statement = get(&store, "metadata").await;
    assert_eq!(statement["fhirVersion"], "4.0.1");
    let source = Source::Fixtures(store.clone());
    let capabilities = source.capabilities().await.expect("capabilities");
    assert_eq!(capabilities.resources.len(), Resource::TYPES.len());
    let said = Capabilities::from_answer(&send(&store, interaction("metadata")).await);
    assert_eq!(
        format!("{capabilities:?}"),
        format!("{:?}", said.expect("a statement"))
    );
    let observation = capabilities.resource("Observation").expect("Observation");
    assert!(observation.supports("search-type") && observation.supports("create"));
    // Each parameter that it names is one that can be used.
    for resource in capabilities.resources.iter() {
        for parameter in &resource.search_params {
            let query = format!(
                "{}?{}:missing=true&_summary=count",
                resource.resource_type, parameter.name
            );
            assert_eq!(
                send(&store, interaction(&query)).await.status,
                200,
                "{query}"
            );
        }
        for include in &resource.search_include {
            let query = format!("{}?_include={include}", resource.resource_type);
            assert_eq!(
                send(&store, interaction(&format!("{query}&_count=1")))
                    .await
                    .status,
                200,
                "{query}"
            );
        }
    }
    assert!(
        observation
            .search_include
            .contains(&"Observation:patient".to_owned())
    );
    let patient = capabilities.resource("Patient").expect("Patient");
    assert!(
        patient
            .search_rev_include
            .contains(&"Observation:patient".to_owned())
    );
    assert!(
        !patient
            .search_rev_include
            .contains(&"Provenance:target".to_owned())
    );
    assert_eq!(patient.operations[0].name, "everything");
}
