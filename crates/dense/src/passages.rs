//! The passage of each row: `passages.u32`.
//!
//! The file is a prologue, the number of rows (u32), then document and passage number (u32
//! each) of each row, ascending: a row is found by its passage as well as the other way.

use std::ops::Range;
use std::path::Path;

use treffer_disk::{FileWriter, Numbers, Prologue, Sealed, partition_point};
use treffer_types::{DocId, PassageId};

use crate::error::{Error, damaged};
use crate::format::VERSION;

const PASSAGES: &str = "passages.u32";
const PROLOGUE: Prologue = Prologue {
    magic: *b"TRFpass\n",
    version: VERSION,
};
const START: usize = Prologue::BYTES + 4;

/// Writes `passages.u32`.
pub(crate) fn write(dir: &Path, passages: &[PassageId]) -> Result<(), Error> {
    let mut file = FileWriter::create(&dir.join(PASSAGES))?;
    file.push(&PROLOGUE.to_bytes())?;
    file.push(&(passages.len() as u32).to_le_bytes())?;
    for PassageId { doc, passage } in passages {
        file.push(&doc.0.to_le_bytes())?;
        file.push(&passage.to_le_bytes())?;
    }
    Ok(file.finish()?)
}

/// The passages of an index on disk.
#[derive(Debug)]
pub(crate) struct Passages {
    /// Two for each row.
    numbers: Numbers<u32>,
    /// One more than the number of the last document.
    docs: u64,
}

impl Passages {
    /// Opens the passages of the given number of rows.
    pub(crate) fn open(sealed: &Sealed, rows: usize) -> Result<Self, Error> {
        let file = sealed.file(PASSAGES)?;
        PROLOGUE.check_file(&file)?;
        let found = Numbers::<u32>::new(file.clone(), Prologue::BYTES, 1)?.get(0)?;
        if found as usize != rows || file.len() != START + 8 * rows {
            let reason = format!(
                "it has {found} passages in {} bytes instead of {rows}",
                file.len()
            );
            return Err(damaged(file.path(), reason));
        }
        let mut passages = Passages {
            numbers: Numbers::new(file, START, 2 * rows)?,
            docs: 0,
        };
        if let Some(last) = rows.checked_sub(1) {
            passages.docs = u64::from(passages.doc(last as u32)?.0) + 1;
        }
        Ok(passages)
    }

    pub(crate) fn len(&self) -> usize {
        self.numbers.len() / 2
    }

    pub(crate) fn path(&self) -> &Path {
        self.numbers.file().path()
    }

    /// The passage of one row.
    pub(crate) fn get(&self, row: u32) -> Result<PassageId, Error> {
        let start = 2 * row as usize;
        let numbers = self.numbers.slice(start..start + 2)?;
        Ok(PassageId {
            doc: DocId(numbers[0]),
            passage: numbers[1],
        })
    }

    /// One more than the number of the last document, 0 if there are no rows.
    pub(crate) fn docs(&self) -> u64 {
        self.docs
    }

    /// The document of one row.
    #[inline]
    pub(crate) fn doc(&self, row: u32) -> Result<DocId, Error> {
        Ok(DocId(self.numbers.get(2 * row as usize)?))
    }

    /// The rows of a document's passages.
    pub(crate) fn rows_of(&self, doc: DocId) -> Result<Range<u32>, Error> {
        let start = self.first_of(doc)?;
        let mut end = start;
        while (end as usize) < self.len() && self.doc(end)? == doc {
            end += 1;
        }
        Ok(start..end)
    }

    /// The first row whose document is not before `doc`.
    ///
    /// Documents are numbered without large gaps, so a row is looked for where it would be
    /// if all documents had equally many passages, then where it would be between the rows
    /// that were found, and only then by halves (interpolation search: Peterson, 1957).
    fn first_of(&self, doc: DocId) -> Result<u32, Error> {
        /// Enough where documents have about equally many passages.
        const GUESSES: usize = 4;
        let (mut start, mut end) = (0, self.len());
        let (mut low, mut high) = (0, self.docs);
        let wanted = u64::from(doc.0);
        for _ in 0..GUESSES {
            if start == end || wanted < low || wanted >= high {
                break;
            }
            // No more than the length: the quotient is below 1.
            let share = (wanted - low) as u128 * (end - start) as u128 / u128::from(high - low);
            let guess = start + share as usize;
            let found = u64::from(self.doc(guess as u32)?.0);
            if found < wanted {
                (start, low) = (guess + 1, found);
            } else if guess == start || u64::from(self.doc(guess as u32 - 1)?.0) < wanted {
                return Ok(guess as u32);
            } else {
                (end, high) = (guess, found + 1);
            }
        }
        let row = partition_point(end - start, |row| {
            Ok::<_, Error>(self.doc((start + row) as u32)? < doc)
        })?;
        Ok((start + row) as u32)
    }

    /// The row of a passage, if it has one.
    pub(crate) fn row(&self, passage: PassageId) -> Result<Option<u32>, Error> {
        let rows = self.rows_of(passage.doc)?;
        let before = partition_point(rows.len(), |row| {
            Ok::<_, Error>(self.get(rows.start + row as u32)? < passage)
        })?;
        let row = rows.start + before as u32;
        Ok((rows.contains(&row) && self.get(row)? == passage).then_some(row))
    }
}
