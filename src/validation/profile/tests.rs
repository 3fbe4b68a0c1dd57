//! The profiles of the specification, and how they are found.

use super::*;

#[test]
fn all_profiles_of_the_specification_can_be_loaded() {
    let registry = Registry::default();
    let mut count = 0;
    for url in builtin::urls() {
        let profile = registry.profile(url).expect("a known profile");
        assert!(profile.is_ok(), "{:?}", profile.err());
        count += 1;
    }
    // 44 profiles, SimpleQuantity and MoneyQuantity.
    assert_eq!(count, 46);
}

#[test]
fn a_profile_keeps_only_what_it_tightens() {
    let registry = Registry::default();
    let url = format!("{BASE}bodyweight");
    let profile = registry.profile(&url).expect("known").expect("usable");
    let names: Vec<&str> = profile
        .root
        .children
        .iter()
        .map(|child| child.name.as_str())
        .collect();
    assert!(
        names.contains(&"category") && names.contains(&"value"),
        "{names:?}"
    );
    assert!(
        !names.contains(&"identifier") && !names.contains(&"device"),
        "{names:?}"
    );
    let category = profile.root.child("category").expect("category");
    assert_eq!((category.min, category.slices.len()), (1, 1));
}
