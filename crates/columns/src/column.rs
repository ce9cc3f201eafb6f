//! One column, read.

use std::ops::Range;
use std::sync::Arc;

use treffer_disk::{Number, Numbers, Sealed, VerifiedFile};

use crate::dictionary::Dictionary;
use crate::error::{Error, damaged};
use crate::format::{Header, wrong_length};
use crate::key;
use crate::value::{FieldType, Value};

/// A column of an open folder.
pub(crate) struct Column {
    pub(crate) header: Header,
    file: Arc<VerifiedFile>,
    pub(crate) codes: Codes,
    /// Where each document's codes start, and one more; only if some have several.
    starts: Option<Numbers<u32>>,
    /// Of keywords.
    words: Option<Dictionary>,
}

/// Codes, as wide as the largest needs.
pub(crate) enum Codes {
    One(Numbers<u8>),
    Two(Numbers<u16>),
    Four(Numbers<u32>),
    Eight(Numbers<u64>),
}

/// A code as it is held in a column.
pub(crate) trait Code: Number + Copy + Ord + Into<u64> + TryFrom<u64> {}

impl<T: Number + Copy + Ord + Into<u64> + TryFrom<u64>> Code for T {}

/// A code of any width.
pub(crate) fn wide<T: Code>(code: T) -> u64 {
    code.into()
}

/// Runs an expression on the numbers of whatever width.
macro_rules! with_codes {
    ($codes:expr, $numbers:ident => $run:expr) => {
        match $codes {
            $crate::column::Codes::One($numbers) => $run,
            $crate::column::Codes::Two($numbers) => $run,
            $crate::column::Codes::Four($numbers) => $run,
            $crate::column::Codes::Eight($numbers) => $run,
        }
    };
}
pub(crate) use with_codes;

impl Column {
    /// Opens the column of a field: checks its length and header.
    pub(crate) fn open(
        sealed: &Sealed,
        name: &str,
        field_type: FieldType,
        n_docs: u32,
    ) -> Result<Self, Error> {
        let file = sealed.file(name)?;
        let header = Header::read(&file, field_type, n_docs)?;
        let n_codes = header.n_codes();
        let after_codes = pad(Header::BYTES as u128 + n_codes as u128 * u128::from(header.width));
        let starts_bytes = if header.is_single {
            0
        } else {
            4 * (u128::from(n_docs) + 1)
        };
        let after_starts = pad(after_codes + starts_bytes);
        let needed = after_starts + 8 * u128::from(header.n_terms) + u128::from(header.term_bytes);
        if file.len() as u128 != needed {
            return Err(wrong_length(file.path(), file.len(), needed));
        }
        // The file is as long as all of them together.
        let [after_codes, after_starts] = [after_codes, after_starts].map(|at| at as usize);
        let clone = || Arc::clone(&file);
        let codes = match header.width {
            1 => Codes::One(Numbers::new(clone(), Header::BYTES, n_codes)?),
            2 => Codes::Two(Numbers::new(clone(), Header::BYTES, n_codes)?),
            4 => Codes::Four(Numbers::new(clone(), Header::BYTES, n_codes)?),
            _ => Codes::Eight(Numbers::new(clone(), Header::BYTES, n_codes)?),
        };
        let starts = if header.is_single {
            None
        } else {
            Some(Numbers::new(clone(), after_codes, n_docs as usize + 1)?)
        };
        let words = match field_type {
            FieldType::Keyword => Some(Dictionary::open(
                clone(),
                after_starts,
                header.n_terms as usize,
            )?),
            _ => None,
        };
        Ok(Column {
            header,
            codes,
            starts,
            words,
            file,
        })
    }

    pub(crate) fn words(&self) -> Option<&Dictionary> {
        self.words.as_ref()
    }

    /// Where the codes of each document start, if documents may have several.
    pub(crate) fn starts(&self) -> Result<Option<&[u32]>, Error> {
        match &self.starts {
            Some(starts) => Ok(Some(starts.slice(0..starts.len())?)),
            None => Ok(None),
        }
    }

    /// The places of a document's codes, if documents may have several.
    fn places(&self, doc: u32) -> Result<Option<Range<usize>>, Error> {
        let Some(starts) = &self.starts else {
            return Ok(None);
        };
        let at = doc as usize;
        let range = starts.get(at)? as usize..starts.get(at + 1)? as usize;
        if range.start > range.end || range.end > self.header.n_codes() {
            return Err(self.bad_start(doc));
        }
        Ok(Some(range))
    }

    #[cold]
    pub(crate) fn bad_start(&self, doc: u32) -> Error {
        self.damaged(format!("the values of document {doc} are out of range"))
    }

    /// Calls `visit` with each code of a document that is there, ascending.
    pub(crate) fn for_each_code(
        &self,
        doc: u32,
        visit: &mut dyn FnMut(u64) -> Result<(), Error>,
    ) -> Result<(), Error> {
        match self.places(doc)? {
            Some(places) => with_codes!(&self.codes, codes => {
                for &code in codes.slice(places)? {
                    visit(self.checked(wide(code))?)?;
                }
            }),
            None => {
                let stored = with_codes!(&self.codes, codes => wide(codes.get(doc as usize)?));
                if let Some(code) = stored.checked_sub(1) {
                    visit(self.checked(code)?)?;
                }
            }
        }
        Ok(())
    }

    /// The smallest or the largest code of a document that is there.
    pub(crate) fn extreme(&self, doc: u32, largest: bool) -> Result<Option<u64>, Error> {
        let mut extreme = None;
        self.for_each_code(doc, &mut |code| {
            if extreme.is_none() || largest {
                extreme = Some(code);
            }
            Ok(())
        })?;
        Ok(extreme)
    }

    /// A code of the column, refused if it cannot be one.
    pub(crate) fn checked(&self, code: u64) -> Result<u64, Error> {
        if code <= self.header.max_code && self.header.n_values > 0 {
            Ok(code)
        } else {
            Err(self.damaged(format!(
                "it holds the code {code}, the largest is {}",
                self.header.max_code
            )))
        }
    }

    /// The value of a checked code.
    pub(crate) fn value(&self, code: u64) -> Result<Value, Error> {
        if let Some(words) = &self.words {
            return Ok(Value::Keyword(words.get(code as usize)?.to_owned()));
        }
        let key = self.header.base + self.header.step * code;
        key::value(self.header.field_type, key).ok_or_else(|| {
            let field_type = self.header.field_type;
            self.damaged(format!("it holds {key:x}, which is no {field_type}"))
        })
    }

    pub(crate) fn damaged(&self, reason: String) -> Error {
        damaged(self.file.path(), reason)
    }

    /// Compares everything with everything else; reports the first contradiction of each kind.
    pub(crate) fn verify(&self, report: &mut dyn FnMut(String)) {
        if let Some(words) = &self.words {
            words.verify(report);
        }
        if let Err(error) = self.verify_codes() {
            report(match error {
                Error::Damaged { reason, .. } => reason,
                other => other.to_string(),
            });
        }
    }

    fn verify_codes(&self) -> Result<(), Error> {
        let header = &self.header;
        let (mut n_values, mut n_present, mut largest) = (0u64, 0u32, None);
        let mut is_used = vec![false; header.n_terms as usize];
        if let Some(starts) = self.starts()?
            && (starts.first(), starts.last()) != (Some(&0), Some(&header.n_values))
        {
            return Err(self.damaged("its values are not all those of documents".to_owned()));
        }
        for doc in 0..header.n_docs {
            let mut last = None;
            self.for_each_code(doc, &mut |code| {
                if last.is_some_and(|last| last >= code) {
                    return Err(self.damaged(format!("values of document {doc} are out of order")));
                }
                if self.words.is_none() {
                    self.value(code)?;
                } else if let Some(used) = is_used.get_mut(code as usize) {
                    *used = true;
                }
                n_values += 1;
                last = Some(code);
                Ok(())
            })?;
            n_present += u32::from(last.is_some());
            largest = largest.max(last);
        }
        if (n_values, n_present) != (u64::from(header.n_values), header.n_present) {
            return Err(self.damaged(format!(
                "it has {n_values} values of {n_present} documents instead of {} of {}",
                header.n_values, header.n_present
            )));
        }
        if largest.unwrap_or(0) != header.max_code {
            return Err(self.damaged(format!("its largest code is not {}", header.max_code)));
        }
        match is_used.iter().position(|used| !used) {
            Some(word) => Err(self.damaged(format!("no document has word {word}"))),
            None => Ok(()),
        }
    }
}

fn pad(bytes: u128) -> u128 {
    bytes.next_multiple_of(8)
}
