//! The files of columns: their names, and how each begins.
//!
//! `fields.table` is a prologue, the number of documents (u32) and of fields (u32), then for each
//! field, by name: its type (u8), the bytes of its name (u32), its name.
//!
//! `column-N`, of the field at place N of that table, is a [`Header`], then three parts, each from
//! a multiple of 8 bytes on, with zeros before it:
//!
//! * the codes, each `width` bytes. Single: one for each document, 0 for none and 1 more than its
//!   code otherwise. Several: `n_values` codes, those of a document together, ascending, each
//!   once;
//! * several only: where the codes of each document start, and one more for the end (u32);
//! * keywords only: where each word ends (u64, counted from the first word's start), then the
//!   words, ascending by their bytes.
//!
//! A value's key (see `key`) is `base + step * code`; a keyword's key is its place among the words.

use std::path::Path;

use treffer_disk::{FileWriter, Prologue, VerifiedFile};

use crate::error::{Error, damaged};
use crate::value::FieldType;

/// Must be incremented with every change to any file of columns.
const VERSION: u32 = 1;

pub(crate) const FIELDS: &str = "fields.table";
pub(crate) const FIELDS_PROLOGUE: Prologue = Prologue {
    magic: *b"TRFflds\n",
    version: VERSION,
};
const COLUMN_PROLOGUE: Prologue = Prologue {
    magic: *b"TRFcolu\n",
    version: VERSION,
};

/// The file of the field at `place`.
pub(crate) fn column_file(place: usize) -> String {
    format!("column-{place}")
}

const TYPES: [FieldType; 5] = [
    FieldType::Keyword,
    FieldType::Integer,
    FieldType::Float,
    FieldType::Date,
    FieldType::Boolean,
];

pub(crate) fn type_code(field_type: FieldType) -> u8 {
    match field_type {
        FieldType::Keyword => 0,
        FieldType::Integer => 1,
        FieldType::Float => 2,
        FieldType::Date => 3,
        FieldType::Boolean => 4,
    }
}

pub(crate) fn type_of_code(code: u8) -> Option<FieldType> {
    TYPES.get(usize::from(code)).copied()
}

/// What a column begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) field_type: FieldType,
    /// Whether no document has more than one value.
    pub(crate) is_single: bool,
    /// Bytes of a code: 1, 2, 4 or 8.
    pub(crate) width: u8,
    pub(crate) n_docs: u32,
    /// Values of all documents.
    pub(crate) n_values: u32,
    /// Documents with a value.
    pub(crate) n_present: u32,
    /// Keywords: how many words there are.
    pub(crate) n_terms: u32,
    pub(crate) base: u64,
    /// At least 1.
    pub(crate) step: u64,
    /// The largest code, 0 if there are no values.
    pub(crate) max_code: u64,
    /// Bytes of all words.
    pub(crate) term_bytes: u64,
}

impl Header {
    pub(crate) const BYTES: usize = 64;

    /// How many codes there are.
    pub(crate) fn n_codes(&self) -> usize {
        if self.is_single {
            self.n_docs as usize
        } else {
            self.n_values as usize
        }
    }

    pub(crate) fn write(&self, out: &mut FileWriter) -> Result<(), Error> {
        let mut bytes = COLUMN_PROLOGUE.to_bytes().to_vec();
        bytes.extend([
            type_code(self.field_type),
            u8::from(self.is_single),
            self.width,
            0,
        ]);
        for number in [self.n_docs, self.n_values, self.n_present, self.n_terms] {
            bytes.extend(number.to_le_bytes());
        }
        for number in [self.base, self.step, self.max_code, self.term_bytes] {
            bytes.extend(number.to_le_bytes());
        }
        Ok(out.push(&bytes)?)
    }

    /// Reads and checks the header of a column of `field_type` and `n_docs` documents.
    pub(crate) fn read(
        file: &VerifiedFile,
        field_type: FieldType,
        n_docs: u32,
    ) -> Result<Self, Error> {
        COLUMN_PROLOGUE.check_file(file)?;
        let bytes = file.bytes(0..Self::BYTES)?;
        let number = |at: usize| {
            let mut number = [0; 4];
            number.copy_from_slice(&bytes[at..at + 4]);
            u32::from_le_bytes(number)
        };
        let long = |at: usize| u64::from(number(at)) | u64::from(number(at + 4)) << 32;
        let header = Header {
            field_type: type_of_code(bytes[12])
                .ok_or_else(|| damaged(file.path(), format!("it has type {}", bytes[12])))?,
            is_single: bytes[13] == 1,
            width: bytes[14],
            n_docs: number(16),
            n_values: number(20),
            n_present: number(24),
            n_terms: number(28),
            base: long(32),
            step: long(40),
            max_code: long(48),
            term_bytes: long(56),
        };
        if header.field_type != field_type || header.n_docs != n_docs {
            let reason = format!(
                "it holds {} documents of type {} instead of {n_docs} of type {field_type}",
                header.n_docs, header.field_type
            );
            return Err(damaged(file.path(), reason));
        }
        match header.contradiction(bytes[13], bytes[15]) {
            Some(reason) => Err(damaged(file.path(), reason)),
            None => Ok(header),
        }
    }

    /// What cannot be, if anything.
    fn contradiction(&self, shape: u8, zero: u8) -> Option<&'static str> {
        let widest = match self.width {
            1 => u64::from(u8::MAX),
            2 => u64::from(u16::MAX),
            4 => u64::from(u32::MAX),
            8 => u64::MAX,
            _ => return Some("its codes have an unknown width"),
        };
        if shape > 1 || zero != 0 {
            return Some("it has an unknown shape");
        }
        let fits = match self.max_code.checked_add(u64::from(self.is_single)) {
            Some(largest) => largest <= widest,
            None => false,
        };
        let last = self
            .step
            .checked_mul(self.max_code)
            .and_then(|span| span.checked_add(self.base));
        let Some(last) = last.filter(|_| fits && self.step > 0) else {
            return Some("its largest code is too large");
        };
        let is_keyword = self.field_type == FieldType::Keyword;
        let words = match (is_keyword, self.n_values) {
            (true, 1..) => self.max_code.saturating_add(1),
            _ => 0,
        };
        if u64::from(self.n_terms) != words
            || is_keyword && (self.base, self.step) != (0, 1)
            || self.field_type == FieldType::Boolean && last > 1
        {
            return Some("its largest code contradicts its type");
        }
        let counts = self.n_present <= self.n_docs
            && self.n_present <= self.n_values
            && (!self.is_single || self.n_present == self.n_values)
            && (self.n_present > 0 || self.n_values == 0);
        (!counts).then_some("its numbers of values and documents contradict each other")
    }
}

/// Writes zeros up to a multiple of 8 bytes.
pub(crate) fn pad(out: &mut FileWriter) -> Result<(), Error> {
    let beyond = (out.bytes() % 8) as usize;
    Ok(out.push(&[0; 8][..(8 - beyond) % 8])?)
}

/// The files and the number of documents, as an error names them.
pub(crate) fn wrong_length(path: &Path, found: usize, needed: u128) -> Error {
    damaged(path, format!("it has {found} bytes instead of {needed}"))
}
