//! Which segments are merged.
//!
//! Segments are merged with their neighbors alone, so that documents keep their order, in tiers of
//! sizes: as soon as [`SEGMENTS_PER_TIER`] neighbors are all of a tier or below, and none is larger
//! than the others together, they become one. So a document is written anew once for each tier, and an index of a million
//! documents has a few dozen segments at most (as `LogMergePolicy` of Lucene). A segment of which
//! more than [`MOST_DELETED`] is deleted is written anew without what is deleted.

use std::ops::Range;

/// Neighbors of a tier that become one segment.
const SEGMENTS_PER_TIER: usize = 8;

/// Documents of a segment of the lowest tier, at most. A tier has this many times
/// [`SEGMENTS_PER_TIER`] to its power.
const LOWEST_TIER: u32 = 1000;

/// The share of deleted documents above which a segment is written anew.
const MOST_DELETED: f64 = 0.3;

/// A segment, as far as the policy looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    /// Documents that are not deleted.
    pub(super) live: u32,
    pub(super) deleted: u32,
}

impl Size {
    fn tier(self) -> u32 {
        let mut tier = 0;
        let mut most = u64::from(LOWEST_TIER);
        while u64::from(self.live) > most {
            most *= SEGMENTS_PER_TIER as u64;
            tier += 1;
        }
        tier
    }

    fn is_worn(self) -> bool {
        let all = f64::from(self.live) + f64::from(self.deleted);
        f64::from(self.deleted) > MOST_DELETED * all
    }
}

/// The neighbors to be merged next, or the one segment to be written anew; `None` if all is well.
pub(super) fn choose(sizes: &[Size]) -> Option<Range<usize>> {
    let highest = sizes.iter().map(|size| size.tier()).max()?;
    for tier in 0..=highest {
        let mut start = 0;
        for (at, size) in sizes.iter().enumerate() {
            if size.tier() > tier {
                start = at + 1;
            } else if at + 1 - start >= SEGMENTS_PER_TIER {
                let neighbors = at + 1 - SEGMENTS_PER_TIER..at + 1;
                if are_alike(&sizes[neighbors.clone()]) {
                    return Some(neighbors);
                }
            }
        }
    }
    let worn = sizes.iter().position(|size| size.is_worn())?;
    Some(worn..worn + 1)
}

/// Whether no segment has more documents than all others together: a large one is not written anew
/// for the sake of some small ones.
fn are_alike(sizes: &[Size]) -> bool {
    let live = || sizes.iter().map(|size| u64::from(size.live));
    2 * live().max().unwrap_or(0) <= live().sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn live(sizes: &[u32]) -> Vec<Size> {
        let size = |live: &u32| Size {
            live: *live,
            deleted: 0,
        };
        sizes.iter().map(size).collect()
    }

    #[test]
    fn small_neighbors_are_merged_and_large_segments_are_left_alone() {
        assert_eq!(choose(&[]), None);
        assert_eq!(choose(&live(&[5; 7])), None);
        assert_eq!(choose(&live(&[5; 8])), Some(0..8));
        let mut sizes = vec![1_000_000];
        sizes.extend([10; 8]);
        assert_eq!(choose(&live(&sizes)), Some(1..9));
        let mixed = [10, 10, 10, 10, 500_000, 10, 10, 10, 10];
        assert_eq!(choose(&live(&mixed)), None);
    }

    #[test]
    fn a_worn_segment_is_written_anew() {
        let worn = Size {
            live: 60,
            deleted: 40,
        };
        assert_eq!(choose(&[live(&[9])[0], worn]), Some(1..2));
        let empty = Size {
            live: 0,
            deleted: 1,
        };
        assert_eq!(choose(&[empty]), Some(0..1));
    }

    proptest! {
        /// Merging comes to an end, and leaves few segments.
        #[test]
        fn an_index_that_grows_has_few_segments(batches in prop::collection::vec(1_u32..3000, 1..300)) {
            let mut sizes: Vec<Size> = Vec::new();
            for batch in &batches {
                sizes.extend(live(&[*batch]));
                let mut merges = 0;
                while let Some(range) = choose(&sizes) {
                    let sum = sizes[range.clone()].iter().map(|size| size.live).sum();
                    sizes.splice(range, live(&[sum]));
                    merges += 1;
                    prop_assert!(merges < 10);
                }
                prop_assert!(sizes.len() <= 8 * 4, "{} segments", sizes.len());
            }
            let all: u32 = sizes.iter().map(|size| size.live).sum();
            prop_assert_eq!(all, batches.iter().sum::<u32>());
        }
    }
}
