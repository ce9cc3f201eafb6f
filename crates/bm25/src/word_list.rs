//! Words in a file: sorted, looked up by halving.

use std::path::Path;
use std::str::Utf8Error;
use std::sync::Arc;

use treffer_disk::{FileWriter, Numbers, Prologue, Sealed, VerifiedFile, partition_point};

use crate::error::Error;

/// What compounds are cut into: a prologue, where each word ends as u32, and the words.
pub(crate) const PIECES: &str = "pieces.words";
/// The same of those among them that were listed.
pub(crate) const LISTED: &str = "listed.words";
/// The same of what may be a compound, each with the pieces that it was cut into, a blank before
/// each.
pub(crate) const COMPOUNDS: &str = "compounds.words";

const PROLOGUE: Prologue = Prologue {
    magic: *b"TRFpiec\n",
    version: 1,
};

/// Writes `words`, which are sorted and distinct.
pub(crate) fn write(dir: &Path, name: &str, words: &[String]) -> Result<(), Error> {
    let mut file = FileWriter::create(&dir.join(name))?;
    file.push(&PROLOGUE.to_bytes())?;
    let mut end = 0u32;
    for word in words {
        let sum = u32::try_from(word.len())
            .ok()
            .and_then(|len| end.checked_add(len));
        end = sum.ok_or_else(|| Error::TooManyWords {
            dir: dir.to_owned(),
        })?;
        file.push(&end.to_le_bytes())?;
    }
    for word in words {
        file.push(word.as_bytes())?;
    }
    Ok(file.finish()?)
}

/// The words of a finished index.
pub(crate) struct WordList {
    ends: Numbers<u32>,
    file: Arc<VerifiedFile>,
    /// Where the first word begins.
    start: usize,
}

impl WordList {
    /// Opens the file of `n` words.
    pub(crate) fn open(sealed: &Sealed, name: &str, n: u32) -> Result<Self, Error> {
        let file = sealed.file(name)?;
        PROLOGUE.check_file(&file)?;
        let ends = Numbers::new(Arc::clone(&file), Prologue::BYTES, n as usize)?;
        Ok(WordList {
            start: Prologue::BYTES + 4 * n as usize,
            ends,
            file,
        })
    }

    pub(crate) fn contains(&self, word: &str) -> Result<bool, Error> {
        let n = self.ends.len();
        let at = partition_point(n, |i| Ok::<_, Error>(self.get(i)? < word.as_bytes()))?;
        Ok(at < n && self.get(at)? == word.as_bytes())
    }

    fn get(&self, i: usize) -> Result<&[u8], Error> {
        let start = match i.checked_sub(1) {
            None => 0,
            Some(before) => self.ends.get(before)? as usize,
        };
        let end = self.ends.get(i)? as usize;
        Ok(self.file.bytes(self.start + start..self.start + end)?)
    }

    /// Every word, in order.
    pub(crate) fn all(&self) -> Result<Vec<&str>, Error> {
        let word = |i| {
            let bytes: Result<&str, Utf8Error> = str::from_utf8(self.get(i)?);
            bytes.map_err(|_| Error::Damaged {
                dir: self.file.path().to_owned(),
                reason: format!("its word {i} is not UTF-8"),
            })
        };
        (0..self.ends.len()).map(word).collect()
    }

    /// Reports words that are out of order.
    pub(crate) fn check(&self, report: &mut dyn FnMut(&Path, String)) -> Result<(), Error> {
        let mut last: &[u8] = b"";
        for i in 0..self.ends.len() {
            let word = self.get(i)?;
            if word <= last {
                let reason = format!("its word {i} is out of order");
                report(self.file.path(), reason);
                return Ok(());
            }
            last = word;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use treffer_disk::seal;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn every_word_is_found_and_no_other(
            words in prop::collection::btree_set("[a-c]{1,5}", 0..60),
            others in prop::collection::vec("[a-c]{0,5}", 0..40),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let sorted: Vec<String> = words.iter().cloned().collect();
            write(dir.path(), PIECES, &sorted).unwrap();
            seal(dir.path()).unwrap();
            let sealed = Sealed::open(dir.path()).unwrap();
            let pieces = WordList::open(&sealed, PIECES, words.len() as u32).unwrap();
            prop_assert_eq!(pieces.all().unwrap(), sorted.clone());
            let known: BTreeSet<&str> = words.iter().map(String::as_str).collect();
            for word in sorted.iter().chain(&others) {
                prop_assert_eq!(pieces.contains(word).unwrap(), known.contains(word.as_str()));
            }
            let mut problems = 0;
            pieces.check(&mut |_, _| problems += 1).unwrap();
            prop_assert_eq!(problems, 0);
        }
    }
}
