//! Near matches for misspelt names.

/// The names nearest to `name`, best first: at most five, none when all are far.
pub fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let lower = name.to_lowercase();
    let limit = (name.chars().count() / 3).clamp(1, 4);
    let mut near: Vec<(usize, &str)> = names
        .into_iter()
        .filter_map(|candidate| {
            let other = candidate.to_lowercase();
            let distance = distance(&lower, &other);
            let related = lower.len() >= 4
                && (other.contains(&lower) || (other.len() >= 4 && lower.contains(&other)));
            (distance <= limit || related).then_some((distance, candidate))
        })
        .collect();
    near.sort_by_key(|(distance, candidate)| (*distance, *candidate));
    near.dedup();
    near.truncate(5);
    near.into_iter().map(|(_, candidate)| candidate).collect()
}

/// Edits from `a` to `b`: insertions, deletions, substitutions (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (j, to) in b.iter().enumerate() {
            let above = row.get(j + 1).copied().unwrap_or_default();
            let substitution = diagonal + usize::from(from != *to);
            diagonal = above;
            let best = substitution.min(above + 1).min(left + 1);
            if let Some(cell) = row.get_mut(j) {
                *cell = left;
            }
            left = best;
        }
        if let Some(cell) = row.last_mut() {
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn counts_edits() {
        for (a, b, edits) in [
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("kitten", "sitting", 3),
            ("ab", "ba", 2),
            ("abc", "", 3),
        ] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }

    #[test]
    fn finds_near_names_first() {
        let names = ["birthDate", "active", "name", "gender"];
        assert_eq!(nearest("birthdate", names), ["birthDate"]);
        assert_eq!(nearest("nam", names), ["name"]);
        assert!(nearest("zzzzzz", names).is_empty());
    }
}
