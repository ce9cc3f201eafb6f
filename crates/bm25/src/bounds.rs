//! What the postings of a term can score at most, block by block: a search passes over blocks
//! without one of the best documents (Ding and Suel, Faster Top-k Document Retrieval Using
//! Block-Max Indexes, 2011).
//!
//! `k1`, `b` and weights are free when an index is searched, so a score is not kept. A score grows
//! with the frequency and falls with the length, whatever the settings are. So a block keeps pairs
//! of both, its peaks, such that each posting has at most the frequency and at least the length of
//! one of them (as Lucene's impacts).

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tantivy::SegmentReader;
use tantivy::postings::TermInfo;
use tantivy::schema::{Field, IndexRecordOption};
use treffer_disk::{FileWriter, Numbers, Prologue, Sealed, partition_point};

use crate::error::Error;
use crate::guard::backend;

/// Postings that tantivy keeps together. A list that is not longer has no bounds: reading it costs
/// no more than reading them.
pub(crate) const BLOCK: usize = 128;

/// Most peaks of a block. Pairs of more are put together, frequency and length apart.
const PEAKS: usize = 3;

/// A block: its last row, then its peaks.
pub(crate) type Block = [u32; 1 + PEAKS];

const PROLOGUE: Prologue = Prologue {
    magic: *b"TRFbnds\n",
    version: 1,
};

/// Where the blocks begin: a multiple of 8, so that the starts are aligned.
const START: usize = Prologue::BYTES.next_multiple_of(8);

/// How much a file of bounds holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BoundsCounts {
    /// Terms with more than one block.
    terms: u32,
    /// Their blocks.
    blocks: u32,
}

/// At least the frequency and at most the length of some postings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peak {
    pub(crate) tf: u32,
    pub(crate) length: u32,
}

impl Peak {
    /// From here on, any frequency.
    const MOST_TF: u32 = 0xff;
    /// Any greater length is taken as this one.
    const MOST_LENGTH: u32 = 0x00ff_ffff;

    fn pack(self) -> u32 {
        self.tf.min(Self::MOST_TF) << 24 | self.length.min(Self::MOST_LENGTH)
    }

    /// The peaks of a block.
    pub(crate) fn of(block: &Block) -> impl Iterator<Item = Self> {
        let packed = block[1..].iter().take_while(|&&packed| packed != 0);
        packed.map(|packed| {
            let tf = packed >> 24;
            Peak {
                tf: if tf == Self::MOST_TF { u32::MAX } else { tf },
                length: packed & Self::MOST_LENGTH,
            }
        })
    }
}

/// The bounds of one field of a finished part.
pub(crate) struct Bounds {
    /// Of each term, where its postings start: ascending.
    starts: Numbers<u64>,
    /// Of each term, its first block.
    firsts: Numbers<u32>,
    /// Of all terms, one block after the other.
    blocks: Numbers<u32>,
}

impl Bounds {
    pub(crate) fn open(sealed: &Sealed, name: &str, counts: BoundsCounts) -> Result<Self, Error> {
        let file = sealed.file(name)?;
        PROLOGUE.check_file(&file)?;
        let (n_terms, n_numbers) = (counts.terms as usize, numbers_of(counts.blocks as usize));
        let starts = START + size_of::<u32>() * n_numbers;
        let firsts = starts + size_of::<u64>() * n_terms;
        let end = firsts + size_of::<u32>() * n_terms;
        if file.len() != end {
            return Err(Error::Damaged {
                dir: sealed.dir().to_owned(),
                reason: format!("`{name}` has {} bytes instead of {end}", file.len()),
            });
        }
        Ok(Bounds {
            starts: Numbers::new(Arc::clone(&file), starts, n_terms)?,
            firsts: Numbers::new(Arc::clone(&file), firsts, n_terms)?,
            blocks: Numbers::new(file, START, n_numbers)?,
        })
    }

    /// The blocks of a term; none if it has only one.
    pub(crate) fn of(&self, term: &TermInfo) -> Result<&[Block], Error> {
        if term.doc_freq as usize <= BLOCK {
            return Ok(&[]);
        }
        let start = term.postings_range.start as u64;
        let at = partition_point(self.starts.len(), |i| {
            Ok::<_, Error>(self.starts.get(i)? < start)
        })?;
        if at == self.starts.len() || self.starts.get(at)? != start {
            return Err(self.damaged(format!("it lacks the postings that start at byte {start}")));
        }
        let first = self.firsts.get(at)? as usize;
        let end = first + (term.doc_freq as usize).div_ceil(BLOCK);
        let numbers = self.blocks.slice(numbers_of(first)..numbers_of(end))?;
        Ok(numbers.as_chunks().0)
    }

    /// Compares all bounds with those that the postings give.
    pub(crate) fn check(
        &self,
        dir: &Path,
        field: Field,
        reader: Option<&SegmentReader>,
        lengths: &[u32],
        report: &mut dyn FnMut(&Path, String),
    ) -> Result<(), Error> {
        let path = self.blocks.file().path();
        let mut n_terms = 0;
        let mut n_wrong = 0;
        for_each_term(dir, field, reader, lengths, |info, blocks| {
            n_terms += 1;
            if self.of(info).ok() != Some(blocks) {
                n_wrong += 1;
            }
            Ok(())
        })?;
        if n_wrong > 0 || n_terms != self.starts.len() {
            let n = self.starts.len();
            let reason =
                format!("of {n} terms, {n_wrong} have other bounds, and {n_terms} should have any");
            report(path, reason);
        }
        Ok(())
    }

    fn damaged(&self, reason: String) -> Error {
        Error::Damaged {
            dir: self.blocks.file().path().to_owned(),
            reason,
        }
    }
}

fn numbers_of(blocks: usize) -> usize {
    blocks * (1 + PEAKS)
}

/// Writes the bounds of a field whose rows have these lengths.
pub(crate) fn write(
    dir: &Path,
    name: &str,
    field: Field,
    reader: Option<&SegmentReader>,
    lengths: &[u32],
) -> Result<BoundsCounts, Error> {
    let mut file = FileWriter::create(&dir.join(name))?;
    file.push(&PROLOGUE.to_bytes())?;
    file.push(&[0; START - Prologue::BYTES])?;
    let (mut starts, mut firsts) = (Vec::new(), Vec::new());
    let mut n_blocks = 0;
    for_each_term(dir, field, reader, lengths, |info, blocks| {
        starts.push(info.postings_range.start as u64);
        firsts.push(n_blocks);
        n_blocks += blocks.len() as u32;
        for number in blocks.as_flattened() {
            file.push(&number.to_le_bytes())?;
        }
        Ok(())
    })?;
    for start in &starts {
        file.push(&start.to_le_bytes())?;
    }
    for first in firsts {
        file.push(&first.to_le_bytes())?;
    }
    file.finish()?;
    Ok(BoundsCounts {
        terms: starts.len() as u32,
        blocks: n_blocks,
    })
}

/// Visits each term that has bounds, with them.
fn for_each_term(
    dir: &Path,
    field: Field,
    reader: Option<&SegmentReader>,
    lengths: &[u32],
    mut visit: impl FnMut(&TermInfo, &[Block]) -> Result<(), Error>,
) -> Result<(), Error> {
    let Some(reader) = reader else {
        return Ok(());
    };
    let index = reader
        .inverted_index(field)
        .map_err(backend("read back", dir))?;
    let mut terms = index.terms().stream().map_err(backend("read back", dir))?;
    let mut blocks = Vec::new();
    let mut highest = Highest::new();
    while terms.advance() {
        let info = terms.value();
        if info.doc_freq as usize <= BLOCK {
            continue;
        }
        let postings = index.read_block_postings_from_terminfo(info, IndexRecordOption::WithFreqs);
        let mut postings = postings.map_err(backend("read back", dir))?;
        blocks.clear();
        while let Some(&last) = postings.docs().last() {
            for (&row, &tf) in postings.docs().iter().zip(postings.freqs()) {
                let length = lengths.get(row as usize).copied();
                let length = length.ok_or_else(|| Error::Damaged {
                    dir: dir.to_owned(),
                    reason: format!("row {row} is beyond its {} lengths", lengths.len()),
                })?;
                highest.add(tf, length);
            }
            blocks.push(highest.block(last));
            postings.advance();
        }
        visit(info, &blocks)?;
    }
    Ok(())
}

/// The postings of a block that no other exceeds.
struct Highest {
    /// By frequency, the least length; `u32::MAX` if there is none.
    least: Box<[u32; Peak::MOST_TF as usize + 1]>,
    most_tf: u32,
}

impl Highest {
    fn new() -> Self {
        Highest {
            least: Box::new([u32::MAX; Peak::MOST_TF as usize + 1]),
            most_tf: 0,
        }
    }

    fn add(&mut self, tf: u32, length: u32) {
        let (tf, length) = (tf.min(Peak::MOST_TF), length.min(Peak::MOST_LENGTH));
        let least = &mut self.least[tf as usize];
        *least = length.min(*least);
        self.most_tf = tf.max(self.most_tf);
    }

    /// The block of all postings since the last call.
    fn block(&mut self, last: u32) -> Block {
        // From the highest frequency on: only a shorter text can score as much.
        let mut peaks: Vec<Peak> = Vec::new();
        for tf in (0..=self.most_tf).rev() {
            let length = std::mem::replace(&mut self.least[tf as usize], u32::MAX);
            if length != u32::MAX && peaks.last().is_none_or(|peak| length < peak.length) {
                peaks.push(Peak { tf, length });
            }
        }
        self.most_tf = 0;
        while peaks.len() > PEAKS {
            let both = |pair: &[Peak]| Peak {
                tf: pair[0].tf,
                length: pair[1].length,
            };
            // The pair that comes least above what it was, whatever the settings are.
            let growth = |pair: &[Peak]| {
                let (tf, length) = (f64::from(pair[0].tf), f64::from(pair[1].length));
                let tf = tf / f64::from(pair[1].tf.max(1));
                let length = f64::from(pair[0].length) / length.max(1.0);
                tf.min(length)
            };
            let pairs = peaks.windows(2).map(growth).enumerate();
            let least = pairs.min_by(|a, b| a.1.total_cmp(&b.1));
            let at = least.map_or(0, |(at, _)| at);
            peaks[at] = both(&peaks[at..at + 2]);
            peaks.remove(at + 1);
        }
        let mut block = [0; 1 + PEAKS];
        block[0] = last;
        for (packed, peak) in block[1..].iter_mut().zip(peaks) {
            *packed = peak.pack();
        }
        block
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_posting_is_below_a_peak_and_each_peak_is_of_the_block(
            postings in prop::collection::vec((1u32..400, 0u32..60_000), 1..=BLOCK),
            huge in prop::option::of((any::<u32>(), any::<u32>())),
            twice in any::<bool>(),
        ) {
            let mut highest = Highest::new();
            if twice {
                highest.add(300, 0);
                highest.block(1);
            }
            let mut postings = postings;
            postings.extend(huge.map(|(tf, length)| (tf.max(1), length)));
            for &(tf, length) in &postings {
                highest.add(tf, length);
            }
            let block = highest.block(77);
            prop_assert_eq!(block[0], 77);
            let peaks: Vec<Peak> = Peak::of(&block).collect();
            for &(tf, length) in &postings {
                prop_assert!(peaks.iter().any(|peak| tf <= peak.tf && length >= peak.length));
            }
            for peak in &peaks {
                let (tf, length) = (peak.tf.min(Peak::MOST_TF), peak.length);
                let is_tf = |posting: &(u32, u32)| posting.0.min(Peak::MOST_TF) == tf;
                let is_length = |posting: &(u32, u32)| posting.1.min(Peak::MOST_LENGTH) == length;
                prop_assert!(postings.iter().any(is_tf) && postings.iter().any(is_length));
            }
        }
    }
}
