//! Near matches for names that were mistyped.

/// Suggestions at most.
const MAX_SUGGESTIONS: usize = 3;

/// Names of more bytes are no mistyped ones.
const LONGEST: usize = 64;

/// Edits at most from what was written to what was meant.
const MOST_EDITS: usize = 4;

/// The candidates that lie near a name, the nearest first: case, `-` and `_`
/// do not count, a third of the letters may differ.
pub fn matches<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    if name.len() > LONGEST {
        return Vec::new();
    }
    let wanted = folded(name);
    let limit = (wanted.chars().count() / 3).clamp(1, MOST_EDITS);
    let mut near: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter_map(|candidate| {
            let distance = distance(&wanted, &folded(candidate));
            (distance <= limit).then_some((distance, candidate))
        })
        .collect();
    near.sort();
    near.dedup();
    if near.first().is_some_and(|(distance, _)| *distance == 0) {
        near.retain(|(distance, _)| *distance == 0);
    }
    near.truncate(MAX_SUGGESTIONS);
    near.into_iter().map(|(_, candidate)| candidate).collect()
}

/// Edit distance; a name that merely continues the other counts as near, too.
fn distance(wanted: &str, candidate: &str) -> usize {
    let shared = wanted.len().min(candidate.len());
    if shared >= 4 && (candidate.starts_with(wanted) || wanted.starts_with(candidate)) {
        return wanted.len().abs_diff(candidate.len()).min(2);
    }
    // It takes as many edits to make them equally long; most names end here.
    let lengths = wanted.chars().count().abs_diff(candidate.chars().count());
    if lengths > MOST_EDITS {
        return lengths;
    }
    strsim::osa_distance(wanted, candidate)
}

fn folded(name: &str) -> String {
    name.chars()
        .filter(|letter| letter.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn mistakes_find_what_was_meant() {
        let types = ["Patient", "Observation", "ObservationDefinition", "Person"];
        assert_eq!(matches("patient", types), ["Patient"]);
        assert_eq!(matches("Pateint", types), ["Patient"]);
        assert_eq!(matches("observations", types)[0], "Observation");
        assert_eq!(
            matches("birthDate", ["birthdate", "death-date"]),
            ["birthdate"]
        );
        assert_eq!(matches("Xyzzy", types), [""; 0]);
        let long = "Observation".repeat(100_000);
        assert_eq!(matches(&long, types), [""; 0]);
    }
}
