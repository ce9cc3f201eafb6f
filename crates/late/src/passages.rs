//! The passage of each row and its tokens: `passages.u32`.
//!
//! The file is a prologue, the number of rows (u32), then document number, passage number and
//! the number of the token after its last (u32 each) of each row, ascending.

use std::ops::Range;
use std::path::Path;

use treffer_disk::{FileWriter, Numbers, Prologue, Sealed, partition_point};
use treffer_types::{DocId, PassageId};

use crate::error::{Error, damaged};
use crate::format::VERSION;

const PASSAGES: &str = "passages.u32";
const PROLOGUE: Prologue = Prologue {
    magic: *b"TRFltpa\n",
    version: VERSION,
};
const FIRST: usize = Prologue::BYTES + 4;
/// Numbers of a row.
const NUMBERS: usize = 3;

/// A passage with the end of its tokens.
pub(crate) type Row = (PassageId, u32);

/// Writes `passages.u32`.
pub(crate) fn write(dir: &Path, rows: &[Row]) -> Result<(), Error> {
    let mut file = FileWriter::create(&dir.join(PASSAGES))?;
    file.push(&PROLOGUE.to_bytes())?;
    file.push(&(rows.len() as u32).to_le_bytes())?;
    for (PassageId { doc, passage }, end) in rows {
        file.push(&doc.0.to_le_bytes())?;
        file.push(&passage.to_le_bytes())?;
        file.push(&end.to_le_bytes())?;
    }
    Ok(file.finish()?)
}

/// The passages of an index on disk.
#[derive(Debug)]
pub(crate) struct Passages {
    /// Three for each row.
    numbers: Numbers<u32>,
    /// One more than the number of the last document.
    docs: u64,
}

impl Passages {
    /// Opens the passages of the given number of tokens.
    pub(crate) fn open(sealed: &Sealed, tokens: usize) -> Result<Self, Error> {
        let file = sealed.file(PASSAGES)?;
        PROLOGUE.check_file(&file)?;
        let rows = Numbers::<u32>::new(file.clone(), Prologue::BYTES, 1)?.get(0)? as usize;
        if file.len() != FIRST + 4 * NUMBERS * rows {
            let reason = format!("it has {rows} passages in {} bytes", file.len());
            return Err(damaged(file.path(), reason));
        }
        let mut passages = Passages {
            numbers: Numbers::new(file, FIRST, NUMBERS * rows)?,
            docs: 0,
        };
        let mut end = 0;
        if let Some(last) = rows.checked_sub(1) {
            passages.docs = u64::from(passages.doc(last as u32)?.0) + 1;
            end = passages.row(last as u32)?.1;
        }
        if end as usize != tokens {
            let reason = format!("its passages have {end} tokens, `tokens` has {tokens}");
            return Err(damaged(passages.path(), reason));
        }
        Ok(passages)
    }

    pub(crate) fn len(&self) -> usize {
        self.numbers.len() / NUMBERS
    }

    pub(crate) fn path(&self) -> &Path {
        self.numbers.file().path()
    }

    /// One more than the number of the last document, 0 if there are no rows.
    pub(crate) fn docs(&self) -> u64 {
        self.docs
    }

    /// The passage of one row, and where its tokens end.
    pub(crate) fn row(&self, row: u32) -> Result<Row, Error> {
        let start = NUMBERS * row as usize;
        let numbers = self.numbers.slice(start..start + NUMBERS)?;
        let passage = PassageId {
            doc: DocId(numbers[0]),
            passage: numbers[1],
        };
        Ok((passage, numbers[2]))
    }

    /// The passage of one row, and its tokens.
    pub(crate) fn get(&self, row: u32) -> Result<(PassageId, Range<usize>), Error> {
        let start = match row.checked_sub(1) {
            None => 0,
            Some(before) => self.row(before)?.1,
        };
        let (passage, end) = self.row(row)?;
        if start >= end {
            let reason = format!("the tokens of row {row} go from {start} to {end}");
            return Err(damaged(self.path(), reason));
        }
        Ok((passage, start as usize..end as usize))
    }

    fn doc(&self, row: u32) -> Result<DocId, Error> {
        Ok(DocId(self.numbers.get(NUMBERS * row as usize)?))
    }

    /// The rows of a document's passages.
    pub(crate) fn rows_of(&self, doc: DocId) -> Result<Range<u32>, Error> {
        let start = partition_point(self.len(), |row| {
            Ok::<_, Error>(self.doc(row as u32)? < doc)
        })?;
        let mut end = start;
        while end < self.len() && self.doc(end as u32)? == doc {
            end += 1;
        }
        Ok(start as u32..end as u32)
    }
}
