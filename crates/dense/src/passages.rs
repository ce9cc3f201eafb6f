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
        Ok(Passages {
            numbers: Numbers::new(file, START, 2 * rows)?,
        })
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

    /// The row of a passage, if it has one.
    pub(crate) fn row(&self, passage: PassageId) -> Result<Option<u32>, Error> {
        let row = self.first(|other| other < passage)?;
        let found = (row as usize) < self.len() && self.get(row)? == passage;
        Ok(found.then_some(row))
    }

    /// The rows of a document's passages.
    pub(crate) fn rows_of(&self, doc: DocId) -> Result<Range<u32>, Error> {
        let start = self.first(|other| other.doc < doc)?;
        let mut end = start;
        while (end as usize) < self.len() && self.get(end)?.doc == doc {
            end += 1;
        }
        Ok(start..end)
    }

    /// The first row for whose passage `is_before` does not hold.
    fn first(&self, is_before: impl Fn(PassageId) -> bool) -> Result<u32, Error> {
        let row = partition_point(self.len(), |row| self.get(row as u32).map(&is_before))?;
        Ok(row as u32)
    }
}
