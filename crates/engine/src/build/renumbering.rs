//! The numbers that documents get when segments are merged.

use std::ops::Range;

use treffer_types::DocId;

/// Of the documents of some neighboring segments, those that are left move together, and those
/// of later segments move up.
pub(super) struct Renumbering {
    old: Range<u32>,
    left: Vec<DocId>,
}

impl Renumbering {
    /// Of the documents numbered `old`, only `left` are left, ascending.
    pub(super) fn new(old: Range<u32>, left: Vec<DocId>) -> Self {
        Renumbering { old, left }
    }

    /// Those that are left, by their old numbers.
    pub(super) fn left(&self) -> &[DocId] {
        &self.left
    }

    /// The new number of a document; that of the next one that is left, if it is not.
    pub(super) fn new_number(&self, number: u32) -> u32 {
        let Range { start, end } = self.old;
        if number < start {
            return number;
        }
        if number >= end {
            return number - (end - start) + self.left.len() as u32;
        }
        start + self.left.partition_point(|doc| doc.0 < number) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_move_together() {
        let renumbering = Renumbering::new(3..8, [4, 7].map(DocId).to_vec());
        let numbers: Vec<u32> = (0..10)
            .map(|number| renumbering.new_number(number))
            .collect();
        assert_eq!(numbers, [0, 1, 2, 3, 3, 4, 4, 4, 5, 6]);
    }
}
