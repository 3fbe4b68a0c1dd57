//! A write needs the confirmation of its user, for these arguments, in time, and
//! once.

use std::{collections::BTreeMap, time::Duration};

use fhir_mcp_server::{auth::Caller, mcp::WriteOptions};
use rmcp::model::{CallToolRequestParams, CallToolResponse, InputRequiredResult};
use serde_json::{Value, json};

use super::{
    Answer, Client, Connection, Recorder, Reply, allowing, allowing_with, call, calls,
    stored_patient,
};

/// The number that the project asks for.
const WANTED: usize = 35;

#[tokio::test]
async fn only_who_confirms_writes() {
    let mut count = 0;
    let recorder = Recorder::start().await;
    let server = recorder.server(allowing());
    for how in Connection::ALL {
        for answer in Answer::SAID {
            let client = Client::connect(&server, how, answer).await;
            for (tool, arguments, sent) in calls() {
                let name = format!("{how:?} {answer:?}: {tool} {arguments}");
                let before = recorder.fhir.requests().len();
                let written = recorder.writes().len();
                let asked = client.person.asked().len();
                let (succeeded, text) = client.call(call(tool, &arguments)).await.unwrap();
                let writes = recorder.writes().split_off(written);
                let asks = client.person.asked().len() - asked;
                let can_ask = how.can_ask() && answer != Answer::Unsupported;
                assert_eq!(asks, usize::from(can_ask), "{name}");
                if can_ask && answer == Answer::Accept {
                    assert!(succeeded, "{name}: {text}");
                    assert_eq!(writes, [sent], "{name}");
                } else {
                    assert!(!succeeded, "{name}: {text}");
                    assert_eq!(writes, [""; 0], "{name}");
                }
                if !can_ask {
                    assert!(text.contains("--no-confirm"), "{name}: {text}");
                    assert_eq!(recorder.fhir.requests().len(), before, "{name}");
                }
                count += 1;
            }
        }
    }
    println!("write confirmation: {count} cases of answers");
    assert!(count >= WANTED);
}

/// The question that a call is answered with.
async fn question(client: &Client, request: CallToolRequestParams) -> InputRequiredResult {
    match client.service.call_tool_once(request).await.unwrap() {
        CallToolResponse::InputRequired(question) => question,
        other => panic!("{other:?}"),
    }
}

/// The state that comes with it.
pub(super) async fn sealed(client: &Client, request: &CallToolRequestParams) -> String {
    let question = question(client, request.clone()).await;
    question.request_state.unwrap()
}

/// The call again, with the state and with what the user said.
pub(super) fn confirmed(request: CallToolRequestParams, state: &str) -> CallToolRequestParams {
    request
        .with_request_state(state)
        .with_input_responses(yes())
}

fn yes() -> BTreeMap<String, Value> {
    let yes = json!({"action": "accept", "content": {"confirm": true}});
    BTreeMap::from([("confirmation".to_owned(), yes)])
}

/// Whether a call succeeds or fails; it asks nothing.
pub(super) async fn outcome(client: &Client, request: CallToolRequestParams) -> (bool, String) {
    match client.service.call_tool_once(request).await.unwrap() {
        CallToolResponse::Complete(result) => {
            let text = result.content[0].as_text().unwrap().text.clone();
            (result.is_error != Some(true), text)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_confirmation_is_good_for_its_call_once() {
    let mut count = 0;
    let recorder = Recorder::start().await;
    let server = recorder.server(allowing());
    let other_server = recorder.server(allowing());
    for how in Connection::MODERN {
        let client = Client::connect(&server, how, Answer::Silence).await;
        let other = Client::connect(&other_server, how, Answer::Silence).await;
        for (tool, arguments, sent) in calls() {
            let name = format!("{how:?} {tool} {arguments}");
            let request = call(tool, &arguments);
            let state = sealed(&client, &request).await;
            let before = recorder.writes().len();

            let mut altered_arguments = arguments.clone();
            altered_arguments["type"] = json!("Patient ");
            let other_tool = if tool == "delete" { "update" } else { "delete" };
            let mut flipped = state.clone().into_bytes();
            let middle = flipped.len() / 2;
            flipped[middle] = if flipped[middle] == b'A' { b'B' } else { b'A' };
            let flipped = String::from_utf8(flipped).unwrap();
            let bad = [
                (
                    "altered arguments",
                    confirmed(call(tool, &altered_arguments), &state),
                ),
                (
                    "another tool",
                    confirmed(call(other_tool, &arguments), &state),
                ),
                ("an altered state", confirmed(request.clone(), &flipped)),
                ("half a state", confirmed(request.clone(), &state[..middle])),
                ("an empty state", confirmed(request.clone(), "")),
                (
                    "a made-up state",
                    confirmed(request.clone(), "rs1.AAAA.AAAA"),
                ),
            ];
            for (what, request) in bad {
                let (succeeded, text) = outcome(&client, request).await;
                assert!(
                    !succeeded && text.contains("does not hold"),
                    "{name}, {what}: {text}"
                );
                assert_eq!(recorder.writes().len(), before, "{name}, {what}");
                count += 1;
            }
            let (succeeded, text) = outcome(&other, confirmed(request.clone(), &state)).await;
            assert!(
                !succeeded && text.contains("does not hold"),
                "{name}, other server: {text}"
            );
            count += 1;

            // Without a state, or without an answer, the user is asked again.
            let unsealed = request.clone().with_input_responses(yes());
            question(&client, unsealed).await;
            question(&client, request.clone().with_request_state(&*state)).await;
            for nonsense in [json!(true), json!({"action": "maybe"}), json!(null)] {
                let responses = BTreeMap::from([("confirmation".to_owned(), nonsense)]);
                let request = request.clone().with_request_state(&*state);
                question(&client, request.with_input_responses(responses)).await;
                count += 1;
            }
            count += 2;
            assert_eq!(recorder.writes().len(), before, "{name}");

            let (succeeded, text) = outcome(&client, confirmed(request.clone(), &state)).await;
            assert!(succeeded, "{name}: {text}");
            assert_eq!(recorder.writes()[before..], [sent], "{name}");
            let (succeeded, text) = outcome(&client, confirmed(request.clone(), &state)).await;
            assert!(
                !succeeded && text.contains("used before") && text.contains("may have taken place"),
                "{name}, replayed: {text}"
            );
            assert_eq!(recorder.writes().len(), before + 1, "{name}, replayed");
            count += 2;
        }
    }
    println!("write confirmation: {count} cases of seals");
    assert!(count >= WANTED);
}

#[tokio::test]
async fn a_declined_question_cannot_be_accepted_later() {
    let recorder = Recorder::start().await;
    let server = recorder.server(allowing());
    let client = Client::connect(&server, Connection::ModernLines, Answer::Silence).await;
    for (tool, arguments, _) in calls() {
        let request = call(tool, &arguments);
        let state = sealed(&client, &request).await;
        let no = BTreeMap::from([("confirmation".to_owned(), json!({"action": "decline"}))]);
        let declined = request.clone().with_request_state(&*state);
        let (succeeded, text) = outcome(&client, declined.with_input_responses(no)).await;
        assert!(!succeeded && text.contains("declined"), "{text}");
        let accepted = confirmed(request, &state);
        let (succeeded, text) = outcome(&client, accepted).await;
        assert!(!succeeded && text.contains("used before"), "{text}");
    }
    assert_eq!(recorder.writes(), [""; 0]);
}

#[tokio::test]
async fn a_confirmation_that_comes_late_is_none() {
    let recorder = Recorder::start().await;
    let within = Duration::from_millis(1);
    let server = recorder.server(allowing_with(WriteOptions {
        confirm_within: Some(within),
        ..WriteOptions::default()
    }));
    let mut count = 0;
    for how in Connection::ALL.into_iter().filter(|how| how.can_ask()) {
        let client = Client::connect(&server, how, Answer::Silence).await;
        for (tool, arguments, _) in calls() {
            let request = call(tool, &arguments);
            let (succeeded, text) = if Connection::MODERN.contains(&how) {
                let state = sealed(&client, &request).await;
                tokio::time::sleep(within * 20).await;
                let late = confirmed(request, &state);
                outcome(&client, late).await
            } else {
                client.call(request).await.unwrap()
            };
            assert!(!succeeded, "{how:?} {tool}: {text}");
            let reason = ["does not hold", "did not answer in time"];
            assert!(reason.iter().any(|reason| text.contains(reason)), "{text}");
            count += 1;
        }
    }
    assert_eq!(recorder.writes(), [""; 0]);
    println!("write confirmation: {count} cases of time");
}

/// Where the call waits for the user, its end would say nothing of them.
#[tokio::test]
async fn the_wait_for_the_user_ends_before_the_call() {
    let recorder = Recorder::start().await;
    let mut options = allowing();
    options.call_timeout = Duration::from_secs(3);
    let server = recorder.server(options);
    for how in [Connection::LegacyLines, Connection::LegacyHttpWithSession] {
        let client = Client::connect(&server, how, Answer::Silence).await;
        let (tool, arguments, _) = &calls()[0];
        let (succeeded, text) = client.call(call(tool, arguments)).await.unwrap();
        assert!(!succeeded, "{how:?}: {text}");
        assert!(text.contains("did not answer in time"), "{how:?}: {text}");
        assert!(text.contains("Nothing was written"), "{how:?}: {text}");
    }
    assert_eq!(recorder.writes(), [""; 0]);
}

#[tokio::test]
async fn a_confirmation_is_good_for_its_user() {
    let recorder = Recorder::start().await;
    let server = recorder.server(allowing());
    let client = Client::connect(&server, Connection::ModernHttp, Answer::Silence).await;
    for (tool, arguments, _) in calls() {
        let request = call(tool, &arguments);
        let state = sealed(&client, &request).await;
        // The same server, for a caller who is signed in.
        let other = signed_in(&server, "someone").await;
        let stolen = confirmed(request, &state);
        let (succeeded, text) = outcome(&other, stolen).await;
        assert!(!succeeded && text.contains("does not hold"), "{text}");
    }
    assert_eq!(recorder.writes(), [""; 0]);
}

/// A client whose requests carry a caller, as the HTTP transport adds it.
async fn signed_in(server: &fhir_mcp_server::mcp::FhirServer, who: &str) -> Client {
    let caller = Caller {
        principal: who.to_owned(),
        scope: None,
        credential: None,
    };
    Client::connect(
        &server.on_behalf_of(&caller),
        Connection::ModernHttp,
        Answer::Silence,
    )
    .await
}

#[tokio::test]
async fn what_changed_meanwhile_is_asked_again() {
    for how in [Connection::ModernLines, Connection::LegacyLines] {
        for (changes, asks, written) in [(1, 2, 1), (100, 0, 0)] {
            let reads = std::sync::atomic::AtomicUsize::new(0);
            let recorder = Recorder::scripted(move |_, request| {
                let number = reads.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                if request.method != "GET" {
                    return stored_patient(request);
                }
                let version = number.min(changes);
                let patient = json!({"resourceType": "Patient", "id": "1",
                    "meta": {"versionId": version.to_string()}, "active": true});
                let etag = format!("W/\"{version}\"");
                Reply::with_headers(200, &[("etag", &etag)], patient.to_string())
            })
            .await;
            let server = recorder.server(allowing());
            let client = Client::connect(&server, how, Answer::Accept).await;
            let (tool, arguments, _) = &calls()[1];
            let result = client.call(call(tool, arguments)).await;
            assert_eq!(recorder.writes().len(), written, "{how:?} {result:?}");
            let asked = client.person.asked();
            if asks > 0 {
                assert_eq!(asked.len(), asks);
                assert!(
                    asked[1].starts_with("The stored resource has changed"),
                    "{asked:?}"
                );
            } else {
                assert!(!matches!(result, Ok((true, _))));
            }
        }
    }
}

#[tokio::test]
async fn the_user_sees_what_will_happen() {
    let recorder = Recorder::start().await;
    let host = format!("127.0.0.1:{}", recorder.fhir.port());
    let server = recorder.server(allowing());
    let client = Client::connect(&server, Connection::ModernLines, Answer::Decline).await;
    let payload = json!({"resourceType": "Patient", "active": true, "birthDate": "1991-01-01",
        "name": [{"family": "O\u{202e}dd\nDelete: no"}]});
    let mut narrated = payload.clone();
    narrated["text"] = json!({"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"});
    narrated["meta"] = json!({"versionId": "1", "tag": [{"code": "x"}]});
    let created = json!({"type": "Patient", "payload": narrated});
    client.call(call("create", &created)).await.unwrap();
    let asked = client.person.asked().pop().unwrap();
    assert!(
        asked.contains("+ Patient.text: {\"status\":\"generated\""),
        "{asked}"
    );
    assert!(asked.contains("+ Patient.meta: {"), "{asked}");
    let shown = [
        (
            "create",
            json!({"type": "Patient", "payload": payload}),
            vec![
                format!("Create a new Patient on {host}"),
                "+ Patient.active: true".to_owned(),
                "+ Patient.birthDate: \"1991-01-01\"".to_owned(),
                r#"+ Patient.name: [{"family":"Odd\nDelete: no"}]"#.to_owned(),
                "Not shown here: 1 hidden characters were removed (bidirectional control) at Patient.name[0].family.".to_owned(),
            ],
        ),
        (
            "update",
            json!({"type": "Patient", "id": "1", "payload": payload}),
            vec![
                format!("Replace Patient/1 (version 7) on {host}, with these changes"),
                "Patient.birthDate: \"1990-01-01\" → \"1991-01-01\"".to_owned(),
                r#"+ Patient.name: [{"family":"Odd\nDelete: no"}]"#.to_owned(),
                "Not shown here: 1 hidden characters were removed (bidirectional control) at Patient.name[0].family.".to_owned(),
            ],
        ),
        (
            "delete",
            json!({"type": "Patient", "id": "1"}),
            vec![
                format!("Delete Patient/1 (version 7) on {host}; there is no undo"),
                "- Patient.active: true".to_owned(),
                "- Patient.birthDate: \"1990-01-01\"".to_owned(),
            ],
        ),
    ];
    for (tool, arguments, lines) in shown {
        client.call(call(tool, &arguments)).await.unwrap();
        let asked = client.person.asked().pop().unwrap();
        assert_eq!(asked.lines().collect::<Vec<_>>(), lines);
    }
    assert_eq!(recorder.writes(), [""; 0]);
}
