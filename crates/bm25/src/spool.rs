//! Documents that wait for the end of a build: compounds are cut into terms of the index itself,
//! which are known only when all documents have been read.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fs;
use std::path::Path;

use rayon::prelude::*;
use treffer_disk::FileWriter;
use treffer_types::DocId;

use crate::analysis::compounds::{SHORT_WORDS, for_each_part, is_plain_word, may_be_cut};
use crate::batch::{Analyzed, END_OF_WORD};
use crate::error::Error;

/// The file in which documents wait. A finished index does not have it.
const WAITING: &str = "waiting.tmp";

/// How much of the file is read at once, in bytes, and how many documents get their parts at once.
const READ: usize = 1 << 20;
const DOCUMENTS: usize = 2048;

/// What a word is to compounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Uses {
    /// Compounds are cut into it.
    is_piece: bool,
    /// The same, because this build says so, not another part of the index alone.
    is_own_piece: bool,
    /// The same, because it was listed, whether or not a document holds it.
    is_listed: bool,
    /// A document holds it in a place where compounds are cut.
    is_compound: bool,
}

impl Uses {
    const OWN_PIECE: Self = Uses {
        is_piece: true,
        is_own_piece: true,
        is_listed: false,
        is_compound: false,
    };
    const LISTED: Self = Uses {
        is_listed: true,
        ..Self::OWN_PIECE
    };

    fn and(self, other: Self) -> Self {
        Uses {
            is_piece: self.is_piece || other.is_piece,
            is_own_piece: self.is_own_piece || other.is_own_piece,
            is_listed: self.is_listed || other.is_listed,
            is_compound: self.is_compound || other.is_compound,
        }
    }
}

/// Words by spelling.
type Words = HashMap<String, Uses, foldhash::fast::RandomState>;

/// Words of a finished build, sorted.
pub(crate) struct Known {
    /// What compounds are cut into, without words of other parts.
    pub(crate) pieces: Vec<String>,
    /// Those among them that were listed.
    pub(crate) listed: Vec<String>,
    /// What may be a compound, each with its pieces and a blank before each.
    pub(crate) compounds: Vec<String>,
}

/// The terms of all documents so far, on disk, and the words among them, in memory.
#[derive(Debug)]
pub(crate) struct Spool {
    file: FileWriter,
    words: Words,
}

impl Spool {
    pub(crate) fn create(dir: &Path) -> Result<Self, Error> {
        Ok(Spool {
            file: FileWriter::create(&dir.join(WAITING))?,
            words: SHORT_WORDS
                .iter()
                .map(|word| ((*word).to_owned(), Uses::OWN_PIECE))
                .collect(),
        })
    }

    /// Adds words that compounds are cut into besides those of the documents.
    pub(crate) fn add_pieces(&mut self, pieces: Vec<String>) {
        self.note(pieces, Uses::LISTED);
    }

    /// Adds words of other parts of the index.
    pub(crate) fn add_known(&mut self, pieces: Vec<String>) {
        let uses = Uses {
            is_piece: true,
            ..Uses::default()
        };
        self.note(pieces, uses);
    }

    fn note(&mut self, words: Vec<String>, uses: Uses) {
        for word in words {
            let noted = self.words.entry(word).or_default();
            *noted = noted.and(uses);
        }
    }

    /// Adds documents. Compounds are cut into the words of those for which `has_pieces` holds.
    pub(crate) fn push(
        &mut self,
        documents: &[Analyzed],
        has_pieces: impl Fn(&Analyzed) -> bool + Sync,
    ) -> Result<(), Error> {
        // Most words are known already, which many threads can see at once.
        let known = &self.words;
        let new: Vec<(&str, Uses)> = documents
            .par_iter()
            .flat_map_iter(|document| {
                let is_piece = has_pieces(document);
                let terms = document.fields.iter().flat_map(|terms| ended(terms));
                terms.filter_map(move |(term, is_compound)| {
                    let uses = Uses {
                        is_piece,
                        is_own_piece: is_piece,
                        is_listed: false,
                        is_compound,
                    };
                    let is_new = uses != Uses::default()
                        && is_plain_word(term)
                        && known
                            .get(term)
                            .is_none_or(|known| known.and(uses) != *known);
                    is_new.then_some((term, uses))
                })
            })
            .collect();
        for (word, uses) in new {
            match self.words.get_mut(word) {
                Some(known) => *known = known.and(uses),
                None => {
                    self.words.insert(word.to_owned(), uses);
                }
            }
        }
        for Analyzed { doc, fields, .. } in documents {
            self.file.push(&doc.0.to_le_bytes())?;
            for terms in fields {
                self.file.push(&(terms.len() as u64).to_le_bytes())?;
                self.file.push(terms.as_bytes())?;
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
    ) -> Result<Known, Error> {
        let words = std::mem::take(&mut self.words);
        let parts = parts_of_all(&words);
        let mut reader = Reader::new(&mut self.file);
        loop {
            let mut documents = Vec::with_capacity(DOCUMENTS);
            while documents.len() < DOCUMENTS && !reader.is_at_end() {
                documents.push(reader.document(n_fields)?);
            }
            if documents.is_empty() {
                break;
            }
            documents.par_iter_mut().for_each(|(_, fields)| {
                for terms in fields {
                    add_parts(terms, &parts);
                }
            });
            for (doc, fields) in documents {
                write(doc, fields)?;
            }
        }
        let compounds = words.par_iter().filter(|(_, uses)| uses.is_compound);
        let with_pieces = compounds
            .filter(|(word, _)| may_be_cut(word))
            .map(|(word, _)| {
                let mut line = word.clone();
                for part in parts
                    .get(word.as_str())
                    .into_iter()
                    .flat_map(|all| all.split_terminator(' '))
                {
                    line.push(' ');
                    line.push_str(part);
                }
                line
            });
        let mut compounds: Vec<String> = with_pieces.collect();
        compounds.par_sort_unstable();
        drop(parts);
        let path = self.file.path().to_owned();
        drop(self.file);
        fs::remove_file(&path).map_err(|source| Error::Io {
            action: "remove",
            path,
            source,
        })?;
        let listed = words.iter().filter(|(_, uses)| uses.is_listed);
        let mut listed: Vec<String> = listed.map(|(word, _)| word.clone()).collect();
        listed.par_sort_unstable();
        let pieces = words.into_iter().filter(|(_, uses)| uses.is_own_piece);
        let mut pieces: Vec<String> = pieces.map(|(word, _)| word).collect();
        pieces.par_sort_unstable();
        Ok(Known {
            pieces,
            listed,
            compounds,
        })
    }
}

/// Reads the documents back, many at once.
struct Reader<'a> {
    file: &'a mut FileWriter,
    /// What was read, and where in it the next byte is.
    buffer: Vec<u8>,
    at: usize,
    /// Where in the file the buffer ends.
    end: u64,
}

impl<'a> Reader<'a> {
    fn new(file: &'a mut FileWriter) -> Self {
        Reader {
            file,
            buffer: Vec::new(),
            at: 0,
            end: 0,
        }
    }

    fn is_at_end(&self) -> bool {
        self.at == self.buffer.len() && self.end == self.file.bytes()
    }

    fn document(&mut self, n_fields: usize) -> Result<(DocId, Vec<String>), Error> {
        let doc = DocId(u32::from_le_bytes(self.array()?));
        let mut fields = Vec::with_capacity(n_fields);
        for _ in 0..n_fields {
            let len = u64::from_le_bytes(self.array()?) as usize;
            let terms = self.take(len)?.to_owned();
            fields.push(String::from_utf8(terms).map_err(|_| self.damaged())?);
        }
        Ok((doc, fields))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// The next `len` bytes.
    fn take(&mut self, len: usize) -> Result<&[u8], Error> {
        if self.buffer.len() - self.at < len {
            self.buffer.drain(..self.at);
            self.at = 0;
            let left = self.file.bytes() - self.end;
            let wanted = (len - self.buffer.len()).max(READ) as u64;
            let n = wanted.min(left) as usize;
            let kept = self.buffer.len();
            if kept + n < len {
                return Err(self.damaged());
            }
            self.buffer.resize(kept + n, 0);
            self.file.read_back(self.end, &mut self.buffer[kept..])?;
            self.end += n as u64;
        }
        self.at += len;
        Ok(&self.buffer[self.at - len..self.at])
    }

    fn damaged(&self) -> Error {
        Error::Damaged {
            dir: self.file.path().to_owned(),
            reason: "it does not hold what was written to it".to_owned(),
        }
    }
}

/// The parts of each compound, nested ones too, a space after each.
type Parts<'a> = HashMap<&'a str, String, foldhash::fast::RandomState>;

fn parts_of_all(words: &Words) -> Parts<'_> {
    let compounds = words.par_iter().filter(|(_, uses)| uses.is_compound);
    let compounds = compounds.filter_map(|(word, _)| {
        let mut parts = String::new();
        let Ok(()) = for_each_part(
            word,
            &mut |part: &str| {
                Ok::<_, Infallible>(words.get(part).is_some_and(|uses| uses.is_piece))
            },
            &mut |part| {
                parts.push_str(part);
                parts.push(' ');
            },
        );
        (!parts.is_empty()).then_some((word.as_str(), parts))
    });
    compounds.collect()
}

/// Adds the parts of the compounds among `terms`.
fn add_parts(terms: &mut String, parts: &Parts<'_>) {
    let mut further = String::new();
    for word in words(terms) {
        if let Some(parts) = parts.get(word) {
            further.push_str(parts);
        }
    }
    terms.push_str(&further);
}

/// Every term, and whether it may be a compound.
fn ended(terms: &str) -> impl Iterator<Item = (&str, bool)> {
    let ended = terms.split_inclusive([' ', END_OF_WORD]);
    ended.map(|term| match term.strip_suffix(END_OF_WORD) {
        Some(term) => (term, true),
        None => (term.trim_end_matches(' '), false),
    })
}

/// Those among `terms` that may be compounds.
fn words(terms: &str) -> impl Iterator<Item = &str> {
    let mut ended = terms.split(END_OF_WORD);
    // After the last of them are other terms only.
    ended.next_back();
    ended.map(|terms| terms.rsplit(' ').next().unwrap_or(terms))
}
