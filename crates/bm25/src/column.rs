//! A number for each document, by its row: a file of a prologue and u32.

use std::path::Path;

use treffer_disk::{FileWriter, Numbers, Prologue, Sealed};

use crate::error::Error;

const PROLOGUE: Prologue = Prologue {
    magic: *b"TRFcolm\n",
    version: 1,
};

/// Writes one column.
#[derive(Debug)]
pub(crate) struct ColumnWriter {
    file: FileWriter,
    /// Sum of all numbers.
    sum: u64,
}

impl ColumnWriter {
    pub(crate) fn create(dir: &Path, name: &str) -> Result<Self, Error> {
        let mut file = FileWriter::create(&dir.join(name))?;
        file.push(&PROLOGUE.to_bytes())?;
        Ok(ColumnWriter { file, sum: 0 })
    }

    pub(crate) fn push(&mut self, number: u32) -> Result<(), Error> {
        self.file.push(&number.to_le_bytes())?;
        self.sum += u64::from(number);
        Ok(())
    }

    /// Returns the sum of all numbers.
    pub(crate) fn finish(self) -> Result<u64, Error> {
        self.file.finish()?;
        Ok(self.sum)
    }
}

/// Opens a column of `n_docs` numbers.
pub(crate) fn open(sealed: &Sealed, name: &str, n_docs: u32) -> Result<Numbers<u32>, Error> {
    let file = sealed.file(name)?;
    PROLOGUE.check_file(&file)?;
    let expected = Prologue::BYTES + 4 * n_docs as usize;
    if file.len() != expected {
        return Err(Error::Damaged {
            dir: sealed.dir().to_owned(),
            reason: format!("`{name}` has {} bytes instead of {expected}", file.len()),
        });
    }
    Ok(Numbers::new(file, Prologue::BYTES, n_docs as usize)?)
}
