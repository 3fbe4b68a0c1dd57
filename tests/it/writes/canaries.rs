//! What is shown to a user to confirm is in no log, nor what seals it.

use serde_json::{Value, json};

use super::{
    Answer, Client, Connection, Recorder, Reply, allowing, call,
    confirmation::{confirmed, outcome, sealed},
    stored_patient,
};
use crate::support::log::Log;

const NAME: &str = "Canarysurname";
const OLD_NAME: &str = "Canarymaidenname";
const BIRTH: &str = "1931-07-23";
const ID: &str = "canary-patient-id";

fn patient(name: &str) -> Value {
    json!({
        "resourceType": "Patient",
        "id": ID,
        "meta": { "versionId": "7" },
        "name": [{ "family": name }],
        "birthDate": BIRTH,
    })
}

fn calls() -> [(&'static str, Value); 4] {
    let payload = patient(NAME);
    [
        ("create", json!({"type": "Patient", "payload": payload})),
        (
            "update",
            json!({"type": "Patient", "id": ID, "payload": payload}),
        ),
        ("delete", json!({"type": "Patient", "id": ID})),
        // Its question cannot be asked.
        ("delete", json!({"type": "Patient", "id": "missing"})),
    ]
}

#[tokio::test]
async fn no_question_is_logged() {
    let log = Log::start();
    let recorder = Recorder::scripted(|number, request| match request.method.as_str() {
        "GET" if request.target.ends_with("missing") => Reply::json(404, ""),
        "GET" => Reply::json(200, patient(OLD_NAME).to_string()),
        _ if number % 5 == 0 => Reply::json(412, patient(NAME).to_string()),
        _ => stored_patient(request),
    })
    .await;
    let server = recorder.server(allowing());
    let mut flows = 0;
    for how in Connection::ALL {
        for answer in Answer::SAID {
            let client = Client::connect(&server, how, answer).await;
            for (tool, arguments) in calls() {
                client.call(call(tool, &arguments)).await.unwrap();
                flows += 1;
            }
            let asked = client.person.asked().join("\n");
            if how.can_ask() && answer != Answer::Unsupported {
                assert!(asked.contains(NAME) && asked.contains(OLD_NAME), "{asked}");
            }
        }
    }
    // What the seal holds, and one that does not hold.
    let mut canaries = [NAME, OLD_NAME, BIRTH, ID].map(str::to_owned).to_vec();
    let client = Client::connect(&server, Connection::ModernHttp, Answer::Silence).await;
    for (tool, arguments) in &calls()[..3] {
        let request = call(tool, arguments);
        let state = sealed(&client, &request).await;
        let confirmed = confirmed(request, &state);
        outcome(&client, confirmed.clone()).await;
        let (succeeded, _) = outcome(&client, confirmed).await;
        assert!(!succeeded);
        canaries.push(state);
        flows += 2;
    }
    let canaries: Vec<&str> = canaries.iter().map(String::as_str).collect();
    log.assert_without(&canaries);
    assert!(log.text().contains("\"status\":\"ok\""));
    println!(
        "log canaries: {} of confirmations through {flows} flows, 0 hits",
        canaries.len()
    );
}
