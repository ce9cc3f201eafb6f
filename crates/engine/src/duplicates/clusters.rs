//! Connected components, by union and find.

use std::collections::{BTreeMap, HashMap};

use treffer_types::DocId;

use super::Pair;

/// The documents that pairs connect: each component ascending, the largest first, then by first
/// document.
pub(super) fn components(pairs: &[Pair]) -> Vec<Vec<DocId>> {
    let mut parents: HashMap<DocId, DocId> = HashMap::new();
    for (a, b) in pairs {
        let (a, b) = (root(&mut parents, *a), root(&mut parents, *b));
        // The lowest number stands for all, whatever the order of the pairs.
        parents.insert(a.max(b), a.min(b));
    }
    let mut docs: Vec<DocId> = parents.keys().copied().collect();
    docs.sort_unstable();
    let mut by_root: BTreeMap<DocId, Vec<DocId>> = BTreeMap::new();
    for doc in docs {
        let root = root(&mut parents, doc);
        by_root.entry(root).or_default().push(doc);
    }
    let mut components: Vec<Vec<DocId>> = by_root.into_values().collect();
    components.sort_by_key(|docs| (std::cmp::Reverse(docs.len()), docs[0]));
    components
}

/// The component of each document.
pub(super) fn places(components: &[Vec<DocId>]) -> HashMap<DocId, usize> {
    let placed = components.iter().enumerate();
    placed
        .flat_map(|(place, docs)| docs.iter().map(move |doc| (*doc, place)))
        .collect()
}

fn root(parents: &mut HashMap<DocId, DocId>, doc: DocId) -> DocId {
    let mut root = doc;
    while let Some(parent) = parents.get(&root).filter(|parent| **parent != root) {
        root = *parent;
    }
    // The next time, the way is short.
    let mut next = doc;
    while let Some(parent) = parents.insert(next, root).filter(|parent| *parent != next) {
        next = parent;
    }
    root
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn pairs(pairs: &[(u32, u32)]) -> Vec<Pair> {
        let pair = |(a, b): &(u32, u32)| (DocId(*a.min(b)), DocId(*a.max(b)));
        pairs.iter().map(pair).collect()
    }

    fn shown(components: &[Vec<DocId>]) -> Vec<Vec<u32>> {
        let numbers = |docs: &Vec<DocId>| docs.iter().map(|doc| doc.0).collect();
        components.iter().map(numbers).collect()
    }

    #[test]
    fn chains_are_one_component_and_the_largest_comes_first() {
        let found = components(&pairs(&[(1, 2), (8, 9), (5, 7), (7, 3)]));
        assert_eq!(shown(&found), [vec![3, 5, 7], vec![1, 2], vec![8, 9]]);
        assert_eq!(places(&found)[&DocId(9)], 2);
        assert!(components(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn the_order_of_pairs_does_not_matter_and_each_document_is_in_one_component(
            edges in prop::collection::vec((0..20_u32, 0..20_u32), 0..30),
            seed in any::<prop::sample::Index>(),
        ) {
            let edges: Vec<(u32, u32)> = edges.into_iter().filter(|(a, b)| a != b).collect();
            let found = components(&pairs(&edges));
            let mut turned = edges.clone();
            turned.rotate_left(if edges.is_empty() { 0 } else { seed.index(edges.len()) });
            prop_assert_eq!(&found, &components(&pairs(&turned)));
            let docs: BTreeSet<u32> = edges.iter().flat_map(|(a, b)| [*a, *b]).collect();
            let placed = places(&found);
            prop_assert_eq!(found.iter().map(Vec::len).sum::<usize>(), docs.len());
            for (a, b) in edges {
                prop_assert_eq!(placed[&DocId(a)], placed[&DocId(b)]);
            }
        }
    }
}
