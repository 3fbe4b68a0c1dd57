//! Writes to the fixture store, which change memory alone.

use fhir_mcp_server::client::{Answer, FixtureStore, Interaction};
use serde_json::json;

use crate::fixture_store::{body, get, ids, interaction, patients, send};

fn parameters(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

async fn create(store: &FixtureStore, body: &str) -> Answer {
    let interaction = Interaction::Create {
        resource_type: "Patient".into(),
        operation: None,
        parameters: Vec::new(),
        body: body.into(),
    };
    send(store, interaction).await
}

async fn update(store: &FixtureStore, id: Option<&str>, query: &str, body: &str) -> Answer {
    let interaction = Interaction::Update {
        resource_type: "Patient".into(),
        id: id.map(Into::into),
        operation: None,
        parameters: parameters(query),
        if_match: None,
        body: body.into(),
    };
    send(store, interaction).await
}

async fn delete(store: &FixtureStore, id: Option<&str>, query: &str) -> Answer {
    let interaction = Interaction::Delete {
        resource_type: "Patient".into(),
        id: id.map(Into::into),
        operation: None,
        parameters: parameters(query),
        if_match: None,
    };
    send(store, interaction).await
}

#[tokio::test]
async fn a_resource_lives_from_create_to_delete() {
    let store = patients();
    let answer = create(
        &store,
        r#"{"resourceType":"Patient","id":"ignored","name":[{"family":"Nova"}]}"#,
    )
    .await;
    assert_eq!(answer.status, 201);
    let created = body(&answer);
    let id = created["id"].as_str().expect("an id").to_owned();
    assert_ne!(id, "ignored");
    assert_eq!(created["meta"]["versionId"], "1");
    assert_eq!(answer.etag.as_deref(), Some("W/\"1\""));
    assert_eq!(
        answer.location,
        Some(format!(
            "http://fixtures.invalid/fhir/Patient/{id}/_history/1"
        ))
    );
    assert_eq!(ids(&store, "Patient?family=nova").await, [id.as_str()]);
    assert_eq!(
        ids(&store, "Patient?_lastUpdated=gt2025-06-01").await,
        [id.as_str()]
    );

    let changed =
        json!({"resourceType": "Patient", "id": id, "name": [{"family": "Nueva"}]}).to_string();
    let answer = update(&store, Some(&id), "", &changed).await;
    assert_eq!(
        (answer.status, answer.etag.as_deref()),
        (200, Some("W/\"2\""))
    );
    assert!(ids(&store, "Patient?family=nova").await.is_empty());
    assert_eq!(ids(&store, "Patient?family=nueva").await, [id.as_str()]);

    assert_eq!(delete(&store, Some(&id), "").await.status, 204);
    assert_eq!(delete(&store, Some(&id), "").await.status, 204);
    assert_eq!(
        send(&store, interaction(&format!("Patient/{id}")))
            .await
            .status,
        410
    );
    assert!(ids(&store, "Patient?family=nueva").await.is_empty());

    let answer = update(&store, Some(&id), "", &changed).await;
    assert_eq!(
        (answer.status, answer.etag.as_deref()),
        (201, Some("W/\"4\""))
    );
    assert_eq!(
        get(&store, &format!("Patient/{id}")).await["meta"]["versionId"],
        "4"
    );
}

#[tokio::test]
async fn numbers_and_other_meta_survive_a_write() {
    let store = patients();
    let text = r#"{"resourceType":"Patient","meta":{"tag":[{"code":"mine"}]},"extension":[{"url":"http://example.org/x","valueDecimal":1.50}]}"#;
    let answer = create(&store, text).await;
    let written = String::from_utf8(answer.body.clone()).expect("UTF-8");
    assert!(written.contains("\"valueDecimal\":1.50}"), "{written}");
    assert_eq!(body(&answer)["meta"]["tag"][0]["code"], "mine");
}

#[tokio::test]
async fn what_cannot_be_stored_is_refused() {
    let store = patients();
    for (text, status) in [
        (r#"{"resourceType":"Patient","gender":"unheard-of"}"#, 422),
        (r#"{"resourceType":"Patient","name":"Keller"}"#, 422),
        (r#"{"resourceType":"Practitioner"}"#, 400),
        ("{", 422),
    ] {
        let answer = create(&store, text).await;
        assert_eq!(answer.status, status, "{text}");
        assert_eq!(body(&answer)["resourceType"], "OperationOutcome", "{text}");
    }
    let outcome = body(
        &create(
            &store,
            r#"{"resourceType":"Patient","gender":"unheard-of"}"#,
        )
        .await,
    );
    assert_eq!(outcome["issue"][0]["expression"], json!(["Patient.gender"]));
    let other = update(
        &store,
        Some("pat-ana-keller"),
        "",
        r#"{"resourceType":"Patient","id":"pat-bruno-muster"}"#,
    )
    .await;
    assert_eq!(other.status, 400);
    assert_eq!(
        update(
            &store,
            Some("pat-ana-keller"),
            "",
            r#"{"resourceType":"Patient"}"#
        )
        .await
        .status,
        400
    );
    assert_eq!(delete(&store, Some("pat-nobody"), "").await.status, 404);
    assert_eq!(get(&store, "Patient?_summary=count").await["total"], 22);
}

#[tokio::test]
async fn conditional_writes_need_one_match() {
    let store = patients();
    let patient = r#"{"resourceType":"Patient","gender":"other"}"#;
    let one = "identifier=MRN-000001";
    let answer = update(&store, None, one, patient).await;
    assert_eq!(
        (answer.status, body(&answer)["id"].as_str()),
        (200, Some("pat-ana-keller"))
    );
    assert_eq!(
        update(&store, None, "family=beispiel", patient)
            .await
            .status,
        412
    );
    assert_eq!(update(&store, None, "", patient).await.status, 400);
    assert_eq!(
        update(&store, None, "family=nobody", patient).await.status,
        201
    );

    assert_eq!(delete(&store, None, "family=beispiel").await.status, 412);
    assert_eq!(delete(&store, None, "").await.status, 400);
    assert_eq!(delete(&store, None, "_count=1").await.status, 400);
    assert_eq!(delete(&store, None, "family=nobody").await.status, 404);
    assert_eq!(delete(&store, None, "family=muster").await.status, 204);
    assert_eq!(
        send(&store, interaction("Patient/pat-bruno-muster"))
            .await
            .status,
        410
    );
}

#[tokio::test]
async fn clones_share_what_is_written() {
    let store = patients();
    let clone = store.clone();
    create(
        &store,
        r#"{"resourceType":"Patient","name":[{"family":"Nova"}]}"#,
    )
    .await;
    assert_eq!(ids(&clone, "Patient?family=nova").await.len(), 1);
    assert!(ids(&patients(), "Patient?family=nova").await.is_empty());
}

#[tokio::test]
async fn a_deletion_may_name_the_version_that_it_removes() {
    let store = patients();
    let created = create(&store, r#"{"resourceType":"Patient"}"#).await;
    let id = body(&created)["id"].as_str().unwrap().to_owned();
    for (version, status) in [("W/\"2\"", 412), ("W/\"1\"", 204)] {
        let interaction = Interaction::Delete {
            resource_type: "Patient".into(),
            id: Some(id.clone()),
            operation: None,
            parameters: Vec::new(),
            if_match: Some(version.into()),
        };
        assert_eq!(send(&store, interaction).await.status, status);
    }
}
