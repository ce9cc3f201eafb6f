//! Vectors in NumPy's format `.npy`: one two-dimensional array, a row for each record.
//!
//! The format is that of NumPy's documentation (`numpy.lib.format`): `\x93NUMPY`, two bytes of
//! version, the length of the header (16 bits in version 1.0, 32 in 2.0, little-endian), the
//! header, which is a Python dictionary as text, and the values.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::problem::Reason;

mod header;

use header::{Header, Kind};

const MAGIC: &[u8] = b"\x93NUMPY";
/// The longest header that is read. NumPy itself reads none above 10,000 bytes.
const LONGEST_HEADER: u32 = 10_000;
/// What is read at once.
const BUFFER: usize = 256 * 1024;

/// An array of vectors in a file: 16-, 32- or 64-bit floating-point numbers, little-endian, in C
/// order. Rows are counted from 0, as in NumPy. A row is read when it is asked for, so that memory
/// holds none of them; rows that are asked for in order are read in one pass.
#[derive(Debug)]
pub struct VectorFile {
    path: PathBuf,
    kind: Kind,
    rows: u64,
    dimension: usize,
    /// Where the first row begins.
    start: u64,
    reader: RefCell<Rows>,
}

#[derive(Debug)]
struct Rows {
    file: BufReader<File>,
    /// Where the next byte is read from.
    at: u64,
    row: Vec<u8>,
}

impl VectorFile {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// If it cannot be read, is no regular file, is not in NumPy's format 1.0 or 2.0, holds
    /// anything but a two-dimensional array of such numbers, or is not as long as its shape says.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let open = |source| Error::Open {
            path: path.to_owned(),
            source,
        };
        let wrong = |why: String| Error::Vectors {
            path: path.to_owned(),
            why,
        };
        let metadata = std::fs::metadata(path).map_err(open)?;
        if !metadata.is_file() {
            return Err(wrong("it is no regular file".into()));
        }
        let mut file = BufReader::with_capacity(BUFFER, File::open(path).map_err(open)?);
        let (text, start) = match read_header(&mut file) {
            Ok(Ok(header)) => header,
            Ok(Err(why)) => return Err(wrong(why)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(wrong("it is cut short within its header".into()));
            }
            Err(error) => return Err(open(error)),
        };
        let header = Header::parse(&text).map_err(wrong)?;
        let (kind, rows, dimension) = header.vectors().map_err(wrong)?;
        let expected = (rows.checked_mul(dimension as u64))
            .and_then(|n| n.checked_mul(kind.bytes() as u64)?.checked_add(start));
        if expected != Some(metadata.len()) {
            return Err(wrong(format!(
                "its shape is ({rows}, {dimension}) in {} bits, which is not what its {} bytes hold; it was cut short, or more was appended",
                8 * kind.bytes(),
                metadata.len()
            )));
        }
        Ok(VectorFile {
            path: path.to_owned(),
            kind,
            rows,
            dimension,
            start,
            reader: RefCell::new(Rows {
                file,
                at: start,
                row: vec![0; dimension * kind.bytes()],
            }),
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many vectors there are.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Values of each vector, at least 1.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// A vector, or why it cannot be used: as [`vector`](crate::vector) of JSON, it has to be of
    /// finite numbers in 32 bits, at least one of them not 0.
    ///
    /// # Errors
    /// If there is no such row, or the file cannot be read.
    pub fn row(&self, row: u64) -> Result<Result<Vec<f32>, Reason>, Error> {
        if row >= self.rows {
            return Err(self.other_count(None));
        }
        let failed = |source| Error::VectorRow {
            path: self.path.clone(),
            row,
            source,
        };
        let mut reader = self.reader.borrow_mut();
        let reader = &mut *reader;
        let width = reader.row.len() as u64;
        let at = self.start + row * width;
        if at != reader.at {
            // What is in the buffer stays there if it serves.
            let by = i64::try_from(i128::from(at) - i128::from(reader.at));
            match by {
                Ok(by) => reader.file.seek_relative(by),
                Err(_) => reader.file.seek(SeekFrom::Start(at)).map(|_| ()),
            }
            .map_err(failed)?;
        }
        reader.at = u64::MAX; // unknown, should reading fail
        reader.file.read_exact(&mut reader.row).map_err(failed)?;
        reader.at = at + width;
        let values = reader.row.chunks_exact(self.kind.bytes());
        let values: Vec<f64> = values.map(|bytes| self.kind.value(bytes)).collect();
        let bad = |why: &str| {
            let path = self.path.display();
            Ok(Err(Reason::BadVector {
                why: format!("row {row} of {path}: {why}"),
            }))
        };
        if values.iter().any(|value| !value.is_finite()) {
            return bad("a value is not a finite number");
        }
        let vector: Vec<f32> = values.iter().map(|value| *value as f32).collect();
        if vector.iter().any(|value| !value.is_finite()) {
            return bad("a value is too large for 32 bits");
        }
        if vector.iter().all(|value| *value == 0.0) {
            return bad("it has no direction: no value but 0");
        }
        Ok(Ok(vector))
    }

    /// The error of as many records as `found`, or of more than there are rows.
    pub fn other_count(&self, found: Option<u64>) -> Error {
        let found = match found {
            None => "there are more".to_owned(),
            Some(1) => "there is 1".to_owned(),
            Some(n) => format!("there are {n}"),
        };
        Error::Vectors {
            path: self.path.clone(),
            why: format!(
                "it has {} rows, one for each record of the input, bad ones included, and {found} of these",
                self.rows
            ),
        }
    }
}

/// The text of the header, and where it ends; or why there is none.
fn read_header(file: &mut impl Read) -> io::Result<Result<(String, u64), String>> {
    let mut magic = [0; 6];
    file.read_exact(&mut magic)?;
    if magic != MAGIC {
        return Ok(Err(
            "it is not in NumPy's format .npy, as numpy.save writes it".into(),
        ));
    }
    let mut version = [0; 2];
    file.read_exact(&mut version)?;
    let (length, before) = match version {
        [1, 0] => {
            let mut length = [0; 2];
            file.read_exact(&mut length)?;
            (u32::from(u16::from_le_bytes(length)), 10)
        }
        [2, 0] => {
            let mut length = [0; 4];
            file.read_exact(&mut length)?;
            (u32::from_le_bytes(length), 12)
        }
        [major, minor] => {
            return Ok(Err(format!(
                "it is of version {major}.{minor} of NumPy's format; 1.0 and 2.0 can be read"
            )));
        }
    };
    if length > LONGEST_HEADER {
        return Ok(Err(format!(
            "its header has {length} bytes; that of an array of numbers has fewer than {LONGEST_HEADER}"
        )));
    }
    let mut text = vec![0; length as usize];
    file.read_exact(&mut text)?;
    // Latin-1, and all that is of use is ASCII.
    let text = text.into_iter().map(char::from).collect();
    Ok(Ok((text, before + u64::from(length))))
}

#[cfg(test)]
mod tests;
