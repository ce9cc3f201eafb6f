//! Which rows of a part a search may find.

use fixedbitset::FixedBitSet;

/// The rows of a part, without those that are deleted or not allowed.
pub(crate) struct Rows<'a> {
    /// The row of the index that row 0 is.
    pub(crate) first: u32,
    /// Number of rows, whatever may be found of them.
    pub(crate) n: u32,
    /// Rows of the part.
    pub(crate) deleted: Option<&'a FixedBitSet>,
    /// Rows of the index; every row if there is no set.
    pub(crate) allowed: Option<&'a FixedBitSet>,
}

impl Rows<'_> {
    /// The row of the index that a row of the part is.
    pub(crate) fn global(&self, row: u32) -> u32 {
        self.first + row
    }

    /// Whether a row of the part may be found.
    pub(crate) fn contains(&self, row: u32) -> bool {
        self.is_live(row)
            && self
                .allowed
                .is_none_or(|allowed| allowed.contains(self.global(row) as usize))
    }

    fn is_live(&self, row: u32) -> bool {
        self.deleted
            .is_none_or(|deleted| !deleted.contains(row as usize))
    }

    /// The number of rows that are allowed, deleted ones among them; `None` if all are.
    pub(crate) fn n_allowed(&self) -> Option<usize> {
        let allowed = self.allowed?;
        let end = (self.first as usize + self.n as usize).min(allowed.len());
        Some(allowed.count_ones((self.first as usize).min(end)..end))
    }

    /// The rows of the part that may be found, ascending, if the index has a set of those that
    /// are allowed.
    pub(crate) fn allowed(&self) -> impl Iterator<Item = u32> {
        let (first, n) = (self.first as usize, self.n as usize);
        let allowed = self.allowed.into_iter();
        let ones = allowed.flat_map(move |allowed| ones_from(allowed, first));
        let rows = ones
            .map(move |row| row - first)
            .take_while(move |&row| row < n);
        rows.map(|row| row as u32).filter(|&row| self.is_live(row))
    }
}

/// The elements of a set from `start` on, ascending.
fn ones_from(set: &FixedBitSet, start: usize) -> impl Iterator<Item = usize> {
    const BITS: usize = usize::BITS as usize;
    let words = set.as_slice().iter().enumerate().skip(start / BITS);
    words.flat_map(move |(at, &word)| {
        let before = start.saturating_sub(at * BITS);
        let mut left = word & usize::MAX.checked_shl(before as u32).unwrap_or(0);
        std::iter::from_fn(move || {
            let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
            left &= left - 1;
            Some(at * BITS + bit)
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_rows_that_may_be_found_are_those_that_pass_one_by_one(
            first in 0u32..200,
            n in 0u32..200,
            deleted in prop::option::of(prop::collection::vec(any::<bool>(), 0..200)),
            allowed in prop::option::of(prop::collection::vec(any::<bool>(), 0..500)),
        ) {
            let set = |bits: &Vec<bool>| {
                let mut set = FixedBitSet::with_capacity(bits.len());
                for (i, &bit) in bits.iter().enumerate() {
                    set.set(i, bit);
                }
                set
            };
            let (deleted, allowed) = (deleted.as_ref().map(set), allowed.as_ref().map(set));
            let rows = Rows { first, n, deleted: deleted.as_ref(), allowed: allowed.as_ref() };
            let expected: Vec<u32> = (0..n).filter(|&row| rows.contains(row)).collect();
            match &allowed {
                Some(allowed) => {
                    prop_assert_eq!(rows.allowed().collect::<Vec<_>>(), expected);
                    let counted = (0..n).filter(|row| allowed.contains((first + row) as usize));
                    prop_assert_eq!(rows.n_allowed(), Some(counted.count()));
                }
                None => prop_assert_eq!((rows.allowed().next(), rows.n_allowed()), (None, None)),
            }
        }
    }
}
