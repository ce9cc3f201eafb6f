//! Documents that wait for the end of a build: compounds are cut into terms of the index itself,
//! which are known only when all documents have been read.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::fs;
use std::path::Path;

use treffer_disk::FileWriter;
use treffer_types::DocId;

use crate::analysis::compounds::{SHORT_WORDS, for_each_part, is_plain_word};
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
            words: SHORT_WORDS.iter().map(|word| (*word).to_owned()).collect(),
        })
    }

    /// Adds words that compounds are cut into besides those of the documents.
    pub(crate) fn add_pieces(&mut self, pieces: Vec<String>) {
        self.words.extend(pieces);
    }

    /// Adds a document with the terms of its fields. Compounds are cut into its words if
    /// `has_pieces`.
    pub(crate) fn push(
        &mut self,
        doc: DocId,
        fields: &[String],
        has_pieces: bool,
    ) -> Result<(), Error> {
        self.file.push(&doc.0.to_le_bytes())?;
        for terms in fields {
            self.file.push(&(terms.len() as u64).to_le_bytes())?;
            self.file.push(terms.as_bytes())?;
            for term in terms.split_ascii_whitespace() {
                if has_pieces && is_plain_word(term) && !self.words.contains(term) {
                    self.words.insert(term.to_owned());
                }
            }
        }
        Ok(())
    }

    /// Passes on every document with the terms of its fields, the parts of its compounds among
    /// them, and removes the file. Returns the words that compounds are cut into, sorted.
    pub(crate) fn drain(
        mut self,
        n_fields: usize,
        mut write: impl FnMut(DocId, Vec<String>) -> Result<(), Error>,
    ) -> Result<Vec<String>, Error> {
        let all_words = std::mem::take(&mut self.words);
        let mut parts = HashMap::new();
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
                let mut further = String::new();
                for word in words(&terms) {
                    if !parts.contains_key(word) {
                        parts.insert(word.to_owned(), parts_of(word, &all_words));
                    }
                    further.push_str(&parts[word]);
                }
                terms.push_str(&further);
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
        })?;
        let mut words: Vec<String> = all_words.into_iter().collect();
        words.sort_unstable();
        Ok(words)
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

/// The parts of a compound, nested ones too, a space after each; empty for other words.
fn parts_of(word: &str, words: &HashSet<String>) -> String {
    let mut parts = String::new();
    let Ok(()) = for_each_part(
        word,
        &mut |part: &str| Ok::<_, Infallible>(words.contains(part)),
        &mut |part| {
            parts.push_str(part);
            parts.push(' ');
        },
    );
    parts
}
