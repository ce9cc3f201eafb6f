//! The words of a keyword column, ascending: by place, and places by word.

use std::sync::Arc;

use treffer_disk::{Numbers, VerifiedFile, partition_point};

use crate::error::{Error, damaged};

pub(crate) struct Dictionary {
    file: Arc<VerifiedFile>,
    /// Where each word ends, from the first one's start.
    ends: Numbers<u64>,
    /// Where the first word starts in the file.
    start: usize,
}

impl Dictionary {
    /// The `n` words whose ends begin at byte `at`.
    pub(crate) fn open(file: Arc<VerifiedFile>, at: usize, n: usize) -> Result<Self, Error> {
        Ok(Dictionary {
            ends: Numbers::new(Arc::clone(&file), at, n)?,
            start: at + 8 * n,
            file,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The word at a place that is there.
    pub(crate) fn get(&self, place: usize) -> Result<&str, Error> {
        let start = match place.checked_sub(1) {
            Some(before) => self.ends.get(before)?,
            None => 0,
        };
        let [start, end] = [start, self.ends.get(place)?].map(|offset| {
            // A mapped file fits the address space; an offset beyond it is refused.
            usize::try_from(offset)
                .unwrap_or(usize::MAX)
                .saturating_add(self.start)
        });
        std::str::from_utf8(self.file.bytes(start..end)?)
            .map_err(|_| damaged(self.file.path(), format!("word {place} is no text")))
    }

    /// How many words at the beginning `is_before` holds for, if it holds for none after those.
    pub(crate) fn partition_point(
        &self,
        mut is_before: impl FnMut(&str) -> bool,
    ) -> Result<usize, Error> {
        partition_point(self.len(), |place| Ok(is_before(self.get(place)?)))
    }

    /// Reads all words; reports what is not ascending or no text.
    pub(crate) fn verify(&self, report: &mut dyn FnMut(String)) {
        let mut last: Option<&str> = None;
        for place in 0..self.len() {
            match self.get(place) {
                Ok(word) if last.is_some_and(|last| last >= word) => {
                    return report(format!("word {place} is out of order"));
                }
                Ok(word) => last = Some(word),
                Err(error) => return report(error.to_string()),
            }
        }
    }
}
