//! Unit vectors, in memory while an index is built and mapped from `vectors` after.
//!
//! The file is a prologue, the dimension, the number of rows and the form of the values (u32
//! each), zeros up to byte 64, then the values, row after row. Of `int8` there are three
//! parts: the scales (f32), the high bytes, the low bytes. Each part begins at a multiple of
//! 64 bytes, which is a cache line, after zeros.

use std::path::{Path, PathBuf};

use treffer_disk::{FileWriter, Numbers, Prologue, Sealed};
use treffer_types::Score;

use crate::error::{Error, Owner, damaged};
use crate::format::{DIMENSIONS, MOST_VECTORS, VERSION};
use crate::search::Away;
use crate::storage::{Coarse, Query, Storage, Stored, Values};

const VECTORS: &str = "vectors";
const PROLOGUE: Prologue = Prologue {
    magic: *b"TRFvecs\n",
    version: VERSION,
};
/// What each part begins at a multiple of.
const ALIGNMENT: usize = 64;

/// Squared lengths may differ from 1 by this much: wide enough for vectors that went
/// through half precision, far too narrow for one that was never normalized.
const UNIT_TOLERANCE: f64 = 2e-3;

/// Rows of equal length, each a unit vector, in memory.
#[derive(Debug)]
pub(crate) struct Vectors {
    dimension: usize,
    rows: usize,
    values: Values,
}

impl Vectors {
    /// No rows yet. `dimension` is at least 2.
    pub(crate) fn new(dimension: usize, storage: Storage) -> Self {
        Vectors {
            dimension,
            rows: 0,
            values: Values::new(storage),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    pub(crate) fn dimension(&self) -> usize {
        self.dimension
    }

    pub(crate) fn storage(&self) -> Storage {
        self.values.storage()
    }

    /// Checks and adds a row.
    pub(crate) fn push(&mut self, owner: Owner, vector: &[f32]) -> Result<(), Error> {
        check_unit(self.dimension, owner, vector)?;
        self.values.push(vector);
        self.rows += 1;
        Ok(())
    }

    /// Adds a row of another index, as it is if it is of the same form.
    pub(crate) fn push_stored(&mut self, owner: Owner, stored: Stored<'_>) -> Result<(), Error> {
        let vector = stored.values();
        check_unit(self.dimension, owner, &vector)?;
        if !self.values.push_stored(stored) {
            self.values.push(&vector);
        }
        self.rows += 1;
        Ok(())
    }

    /// One row. Panics if there is no such row, as a slice does.
    pub(crate) fn row(&self, row: u32) -> Stored<'_> {
        let start = row as usize * self.dimension;
        let range = start..start + self.dimension;
        match &self.values {
            Values::F32(values) => Stored::F32(&values[range]),
            Values::F16(values) => Stored::F16(&values[range]),
            Values::Int8 { high, low, scales } => Stored::Int8 {
                high: &high[range.clone()],
                low: &low[range],
                scale: scales[row as usize],
            },
        }
    }

    /// What distances of the graph are computed from.
    #[inline]
    pub(crate) fn coarse(&self, row: u32) -> Coarse<'_> {
        self.row(row).coarse()
    }

    /// The distance of two rows in the graph.
    pub(crate) fn distance(&self, a: u32, b: u32) -> f32 {
        self.coarse(a).distance(self.coarse(b))
    }

    /// Writes `vectors`.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), Error> {
        let mut file = FileWriter::create(&dir.join(VECTORS))?;
        file.push(&PROLOGUE.to_bytes())?;
        file.push(&(self.dimension as u32).to_le_bytes())?;
        file.push(&(self.rows as u32).to_le_bytes())?;
        file.push(&code_of(self.values.storage()).to_le_bytes())?;
        pad(&mut file)?;
        match &self.values {
            Values::F32(values) => push_all(&mut file, values, f32::to_le_bytes)?,
            Values::F16(values) => push_all(&mut file, values, u16::to_le_bytes)?,
            Values::Int8 { high, low, scales } => {
                push_all(&mut file, scales, f32::to_le_bytes)?;
                pad(&mut file)?;
                push_all(&mut file, high, i8::to_le_bytes)?;
                pad(&mut file)?;
                push_all(&mut file, low, i8::to_le_bytes)?;
            }
        }
        Ok(file.finish()?)
    }
}

fn push_all<T: Copy, const N: usize>(
    file: &mut FileWriter,
    values: &[T],
    bytes: impl Fn(T) -> [u8; N],
) -> Result<(), Error> {
    for &value in values {
        file.push(&bytes(value))?;
    }
    Ok(())
}

fn pad(file: &mut FileWriter) -> Result<(), Error> {
    let at = file.bytes() as usize;
    file.push(&[0; ALIGNMENT][..at.next_multiple_of(ALIGNMENT) - at])?;
    Ok(())
}

/// The number of a form in the file.
fn code_of(storage: Storage) -> u32 {
    match storage {
        Storage::F32 => 0,
        Storage::F16 => 1,
        Storage::Int8 => 2,
    }
}

/// The rows of an index on disk.
#[derive(Debug)]
pub(crate) struct MappedVectors {
    dimension: usize,
    rows: usize,
    path: PathBuf,
    values: MappedValues,
}

#[derive(Debug)]
enum MappedValues {
    F32(Numbers<f32>),
    F16(Numbers<u16>),
    Int8 {
        high: Numbers<i8>,
        low: Numbers<i8>,
        scales: Numbers<f32>,
    },
}

impl MappedVectors {
    pub(crate) fn open(sealed: &Sealed) -> Result<Self, Error> {
        let file = sealed.file(VECTORS)?;
        PROLOGUE.check_file(&file)?;
        let path = file.path().to_owned();
        let head = Numbers::<u32>::new(file.clone(), Prologue::BYTES, 3)?;
        let (dimension, rows) = (head.get(0)? as usize, head.get(1)? as usize);
        let code = head.get(2)?;
        let all = [Storage::F32, Storage::F16, Storage::Int8];
        let Some(storage) = all.into_iter().find(|&form| code_of(form) == code) else {
            return Err(damaged(&path, format!("its values are of form {code}")));
        };
        let wrong = || {
            let reason = format!(
                "its {} bytes are not {rows} vectors of {dimension} dimensions",
                file.len()
            );
            Err(damaged(&path, reason))
        };
        // With these limits, no size of a part overflows.
        if !DIMENSIONS.contains(&dimension) || rows > MOST_VECTORS {
            return wrong();
        }
        let n = rows * dimension;
        let (scales, high, low, end) = match storage {
            Storage::F32 => (0, ALIGNMENT, 0, ALIGNMENT + 4 * n),
            Storage::F16 => (0, ALIGNMENT, 0, ALIGNMENT + 2 * n),
            Storage::Int8 => {
                let high = (ALIGNMENT + 4 * rows).next_multiple_of(ALIGNMENT);
                let low = (high + n).next_multiple_of(ALIGNMENT);
                (ALIGNMENT, high, low, low + n)
            }
        };
        if file.len() != end {
            return wrong();
        }
        let values = match storage {
            Storage::F32 => MappedValues::F32(Numbers::new(file.clone(), high, n)?),
            Storage::F16 => MappedValues::F16(Numbers::new(file.clone(), high, n)?),
            Storage::Int8 => MappedValues::Int8 {
                scales: Numbers::new(file.clone(), scales, rows)?,
                high: Numbers::new(file.clone(), high, n)?,
                low: Numbers::new(file.clone(), low, n)?,
            },
        };
        Ok(MappedVectors {
            dimension,
            rows,
            path,
            values,
        })
    }

    pub(crate) fn dimension(&self) -> usize {
        self.dimension
    }

    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn storage(&self) -> Storage {
        match self.values {
            MappedValues::F32(_) => Storage::F32,
            MappedValues::F16(_) => Storage::F16,
            MappedValues::Int8 { .. } => Storage::Int8,
        }
    }

    /// One row.
    pub(crate) fn row(&self, row: u32) -> Result<Stored<'_>, Error> {
        let start = row as usize * self.dimension;
        let range = start..start + self.dimension;
        Ok(match &self.values {
            MappedValues::F32(values) => Stored::F32(values.slice(range)?),
            MappedValues::F16(values) => Stored::F16(values.slice(range)?),
            MappedValues::Int8 { high, low, scales } => Stored::Int8 {
                high: high.slice(range.clone())?,
                low: low.slice(range)?,
                scale: scales.get(row as usize)?,
            },
        })
    }

    /// What a search of the graph reads of one row.
    #[inline]
    pub(crate) fn coarse(&self, row: u32) -> Result<Coarse<'_>, Error> {
        let start = row as usize * self.dimension;
        let range = start..start + self.dimension;
        Ok(match &self.values {
            MappedValues::F32(values) => Coarse::F32(values.slice(range)?),
            MappedValues::F16(values) => Coarse::F16(values.slice(range)?),
            MappedValues::Int8 { high, scales, .. } => Coarse::Int8 {
                high: high.slice(range)?,
                scale: scales.get(row as usize)?,
            },
        })
    }

    /// Distances of rows from a query, for a search of the graph.
    pub(crate) fn away_from<'a>(&'a self, query: &'a Query) -> impl Away + 'a {
        AwayFrom {
            vectors: self,
            query,
        }
    }

    /// Says that a row will be scored soon.
    pub(crate) fn prefetch(&self, row: u32) -> Result<(), Error> {
        self.row(row)?.prefetch();
        Ok(())
    }

    /// Cosine similarity of a checked query and one row.
    pub(crate) fn score(&self, query: &Query, row: u32) -> Result<Score, Error> {
        Score::new(query.cosine(self.row(row)?))
            .ok_or_else(|| damaged(self.path(), format!("vector {row} is not finite")))
    }
}

struct AwayFrom<'a> {
    vectors: &'a MappedVectors,
    query: &'a Query,
}

impl Away for AwayFrom<'_> {
    #[inline]
    fn to(&mut self, row: u32) -> Result<f32, Error> {
        Ok(self.query.distance(self.vectors.coarse(row)?))
    }

    #[inline]
    fn expect(&mut self, row: u32) -> Result<(), Error> {
        self.vectors.coarse(row)?.prefetch();
        Ok(())
    }
}

/// Refuses a vector for which a dot product would not be the cosine.
pub(crate) fn check_unit(dimension: usize, owner: Owner, vector: &[f32]) -> Result<(), Error> {
    if vector.len() != dimension {
        return Err(Error::WrongDimension {
            owner,
            expected: dimension,
            found: vector.len(),
        });
    }
    let squared: f64 = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    // Written so that NaN fails.
    if (squared - 1.0).abs() <= UNIT_TOLERANCE {
        Ok(())
    } else {
        let length = squared.sqrt();
        Err(Error::NotUnit { owner, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_that_is_no_unit_vector_is_refused_with_its_length() {
        let message = |vector: &[f32]| match check_unit(2, Owner::Query, vector) {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        };
        assert_eq!(message(&[0.6, 0.8]), "");
        assert_eq!(message(&[0.6002, 0.7998]), "");
        assert!(message(&[3.0, 4.0]).contains("the query has the length 5;"));
        assert!(message(&[0.0, 0.0]).contains("length 0;"));
        assert!(message(&[f32::NAN, 1.0]).contains("length NaN;"));
        assert!(message(&[f32::INFINITY, 0.0]).contains("length inf;"));
        assert!(message(&[1.0]).contains("has 1 dimensions, the index has 2"));
    }
}
