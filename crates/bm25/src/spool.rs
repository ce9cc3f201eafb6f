//! Documents that wait for the end of a build: compounds are cut into terms of the index itself,
//! which are known only when all documents have been read.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::fs;
use std::path::Path;

use treffer_disk::FileWriter;
use treffer_types::DocId;

use crate::analysis::compounds::{for_each_part, is_plain_word};
use crate::error::Error;

/// The file in which documents wait. A finished index does not have it.
const WAITING: &str = "waiting.tmp";

/// Ends a term that may be a compound. Others end in a space.
pub(crate) const END_OF_WORD: char = '\t';

/// The terms of all documents so far, on disk, and the words among them, in memory.
#[derive(Debug)]
pub(crate) struct Spool {
    file: FileWriter,
    words: HashSet<String>,
}

impl Spool {
    pub(crate) fn create(dir: &Path) -> Result<Self, Error> {
        Ok(Spool {
            file: FileWriter::create(&dir.join(WAITING))?,
            words: HashSet::new(),
        })
    }

    /// Adds a document with the terms of its fields.
    pub(crate) fn push(&mut self, doc: DocId, fields: &[String]) -> Result<(), Error> {
        self.file.push(&doc.0.to_le_bytes())?;
        for terms in fields {
            self.file.push(&(terms.len() as u64).to_le_bytes())?;
            self.file.push(terms.as_bytes())?;
            for term in terms.split_ascii_whitespace() {
                if is_plain_word(term) && !self.words.contains(term) {
                    self.words.insert(term.to_owned());
                }
            }
        }
        Ok(())
    }

    /// Passes on every document with the terms of its fields, the parts of its compounds among
    /// them, and removes the file.
    pub(crate) fn drain(
        mut self,
        n_fields: usize,
        mut write: impl FnMut(DocId, Vec<String>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let all_words = std::mem::take(&mut self.words);
        let parts = parts_of_all(&all_words);
        let (mut at, end) = (0, self.file.bytes());
        while at < end {
            let doc = DocId(u32::from_le_bytes(self.array(&mut at)?));
            let mut fields = Vec::with_capacity(n_fields);
            for _ in 0..n_fields {
                let len = u64::from_le_bytes(self.array(&mut at)?);
                let mut terms = vec![0; len as usize];
                self.file.read_back(at, &mut terms)?;
                at += len;
                let mut terms = String::from_utf8(terms).map_err(|_| Error::Damaged {
                    dir: self.file.path().to_owned(),
                    reason: "it does not hold what was written to it".to_owned(),
                })?;
                let further: Vec<&str> = words(&terms)
                    .filter_map(|word| parts.get(word).map(String::as_str))
                    .collect();
                terms.push_str(&further.concat());
                fields.push(terms);
            }
            write(doc, fields)?;
        }
        let path = self.file.path().to_owned();
        drop(self.file);
        fs::remove_file(&path).map_err(|source| Error::Io {
            action: "remove",
            path,
            source,
        })
    }

    /// The next bytes from `at` on.
    fn array<const N: usize>(&mut self, at: &mut u64) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        self.file.read_back(*at, &mut bytes)?;
        *at += N as u64;
        Ok(bytes)
    }
}

/// Those among `terms` that may be compounds.
fn words(terms: &str) -> impl Iterator<Item = &str> {
    let mut ended = terms.split(END_OF_WORD);
    // After the last of them are other terms only.
    ended.next_back();
    ended.map(|terms| terms.rsplit(' ').next().unwrap_or(terms))
}

/// The parts of each compound among `words`, nested ones too, a space after each.
fn parts_of_all(words: &HashSet<String>) -> HashMap<&str, String> {
    let mut all = HashMap::new();
    for word in words {
        let mut parts = String::new();
        let Ok(()) = for_each_part(
            word,
            &mut |part: &str| Ok::<_, Infallible>(words.contains(part)),
            &mut |part| {
                parts.push_str(part);
                parts.push(' ');
            },
        );
        if !parts.is_empty() {
            all.insert(word.as_str(), parts);
        }
    }
    all
}
