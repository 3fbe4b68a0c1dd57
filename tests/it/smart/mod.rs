//! Authorization at the FHIR server, against an EHR on loopback.

mod compartment;
mod discovery;
mod id_token;
mod launch;
mod refresh;
mod settings;
mod sign_in;

use crate::support::cases::hold;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_smart_client_holds() {
    let mut cases = discovery::cases();
    cases.extend(sign_in::cases());
    cases.extend(id_token::cases());
    cases.extend(refresh::cases());
    cases.extend(launch::cases());
    hold("SMART client", 45, cases).await;
}

#[tokio::test]
async fn a_launch_for_a_patient_stays_with_them() {
    hold("patient compartment", 24, compartment::cases()).await;
}
