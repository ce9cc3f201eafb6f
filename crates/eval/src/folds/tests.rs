//! Folds are a partition that depends only on the ids and the seed.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn folds_are_a_balanced_partition(
        (ids, shuffled) in prop::collection::vec("[a-z]{1,4}", 2..60)
            .prop_flat_map(|ids| (Just(ids.clone()), Just(ids).prop_shuffle())),
        folds in 2_usize..8,
        seed: u64,
    ) {
        let distinct: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
        let split = k_fold(ids.iter().map(String::as_str), folds, seed);
        if distinct.len() < folds {
            let is_refused = matches!(split, Err(Error::BadFolds { .. }));
            prop_assert!(is_refused);
            return Ok(());
        }
        let split = split.unwrap();
        prop_assert_eq!(&split, &k_fold(shuffled.iter().map(String::as_str), folds, seed).unwrap());
        prop_assert_eq!(split.len(), folds);
        let sizes: Vec<usize> = split.iter().map(Vec::len).collect();
        prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
        prop_assert_eq!(split.iter().flatten().count(), distinct.len());
        prop_assert_eq!(split.iter().flatten().map(String::as_str).collect::<BTreeSet<_>>(), distinct);
    }
}

/// Published results depend on the split, so it must not change between versions.
#[test]
fn a_split_does_not_change_between_versions() {
    let ids = ["a", "b", "c", "d", "e", "f", "g"];
    let split = |seed| k_fold(ids, 3, seed).unwrap();
    assert_eq!(
        split(1),
        [vec!["c", "e", "f"], vec!["b", "g"], vec!["a", "d"]]
    );
    assert_ne!(split(1), split(2));
}

#[test]
fn too_few_queries_or_folds_are_refused() {
    let message = k_fold(["a", "b", "a"], 3, 0).unwrap_err().to_string();
    assert!(
        message.starts_with("could not split 2 queries into 3 folds"),
        "{message}"
    );
    for folds in [0, 1] {
        assert!(k_fold(["a", "b"], folds, 0).is_err());
    }
}
