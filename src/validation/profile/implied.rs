//! Vital signs: an Observation with one of these LOINC codes has the profile,
//! whether it says so or not
//! (<https://hl7.org/fhir/R4/observation-vitalsigns.html>).

use crate::model::Observation;

/// The code of each vital sign and the name of its profile.
const VITAL_SIGNS: [(&str, &str); 10] = [
    ("85353-1", "vitalspanel"),
    ("9279-1", "resprate"),
    ("8867-4", "heartrate"),
    ("2708-6", "oxygensat"),
    ("8310-5", "bodytemp"),
    ("8302-2", "bodyheight"),
    ("9843-4", "headcircum"),
    ("29463-7", "bodyweight"),
    ("39156-5", "bmi"),
    ("85354-9", "bp"),
];

/// The name of the profile that an Observation has by its code.
pub(super) fn profile(observation: &Observation) -> Option<&'static str> {
    let codings = observation.code.as_ref()?.coding.iter();
    codings
        .filter_map(|coding| {
            let code = coding.code.as_deref()?;
            let (_, profile) = VITAL_SIGNS.iter().find(|(known, _)| *known == code)?;
            (coding.system.as_deref() == Some("http://loinc.org")).then_some(*profile)
        })
        .next()
}
