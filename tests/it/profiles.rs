//! Profiles: of the specification, implied by a code, and of packages.

use std::{fs, path::PathBuf};

use fhir_mcp_server::validation::Validator;

/// Official examples that claim or imply a profile and do not have it.
const NOT_OF_THEIR_PROFILE: &[(&str, &str)] = &[];

#[test]
fn official_examples_have_their_profiles() {
    let Some(folder) = std::env::var_os("FHIR_EXAMPLES_DIR") else {
        println!("skipped: FHIR_EXAMPLES_DIR is not set");
        return;
    };
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.metadata().is_ok_and(|data| data.len() < 4_000_000))
        .collect();
    paths.sort();
    let validator = Validator::default();
    let mut found = Vec::new();
    for path in paths {
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        for issue in validator.read(&fs::read(&path).expect("a file")).issues {
            if issue.rule.code().starts_with("profile-") {
                found.push(format!("{name} {issue}"));
            }
        }
    }
    for line in &found {
        println!("{line}");
    }
    assert_eq!(found.len(), NOT_OF_THEIR_PROFILE.len());
}
