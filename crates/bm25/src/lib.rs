//! BM25 over an inverted index: the only crate that depends on tantivy.
//!
//! tantivy keeps dictionary and postings. Scoring is this crate's own, because tantivy
//! has `k1` and `b` as constants and rounds document lengths to one byte. Here both are
//! settings, and lengths are exact.
//!
//! # Formula
//!
//! For a document of an index of `N`, summed over the distinct words of the query:
//!
//! ```text
//! score = sum over words  query_tf * best
//! best  = max over the word's forms  sum over the form's terms  idf * tf' / (k1 + tf')
//! idf   = ln(1 + (N - df + 0.5) / (df + 0.5))
//! tf'   = sum over fields  weight * tf / (1 - b + b * length / average_length)
//! ```
//!
//! With one field of weight 1 this is BM25 (Robertson and Zaragoza, The Probabilistic
//! Relevance Framework: BM25 and Beyond, 2009), `idf * tf / (tf + k1 * norm)`, as Lucene
//! has computed it since version 8: without the factor `k1 + 1`, which changes no
//! ranking. With title and text apart it is BM25F with a norm per field and one `b`
//! (Zaragoza, Craswell, Taylor, Saria and Robertson, Microsoft Cambridge at TREC 13,
//! 2004, after Robertson, Zaragoza and Taylor, Simple BM25 Extension to Multiple
//! Weighted Fields, 2004); `df` counts documents that hold the term in any searched
//! field. A word that the query repeats counts as often as it is repeated (`query_tf`).
//!
//! Nearly all words have one form of one term, and the formula is the usual one. Compounds,
//! part numbers and quantities have two, their parts and the whole (`LABO-288` is `labo` and
//! `288`, or `labo288`): so a word counts once however it is written, as in Lucene's
//! disjunction maximum. A compound that is cut into terms of the index gives most where the whole
//! is: the score of its parts is multiplied by `min(1, 0.8 * idf(whole) / sum of their idf)`, where
//! a whole that occurs nowhere has a `df` of 0. Lengths count words as they were written, after stop words are gone,
//! and not the further terms under which a document is indexed.
//!
//! Sums are made in double precision, rarest term first, and rounded to single precision
//! once. So the scores of [`Bm25Index::search`] and [`Bm25Index::score`] are equal
//! bit for bit and do not depend on the order of the query's words, unless order makes another
//! word of them (`LABO 288`).
//!
//! # Parts
//!
//! [`Bm25Writer`] builds a folder, which never changes afterwards. [`Bm25Index`] is a view over a
//! list of folders, its parts: the documents of a part follow those of the part before, and some of
//! its rows may be deleted. A deleted document keeps its number, but is never found, and counts
//! nowhere. `N`, the average lengths and `df` are those of all other documents over all parts. So
//! order and scores are, bit for bit, those of an index that is built at once of the documents that
//! are left, however they are spread over parts.
//!
//! Where a part has deleted rows, opening subtracts their lengths, and the first query for a term
//! counts those that hold it.
//!
//! # Compounds over several parts
//!
//! A compound is cut into words that the index knows: those of all of its parts. Which these are can
//! change after a part is built, so whoever changes the list of parts keeps to this:
//!
//! 1. Build the new part, with what the index knows so far: [`Bm25Index::pieces`], passed to
//!    [`Bm25Writer::know_pieces`].
//! 2. Open the index with its new list of parts, and ask [`Bm25Index::parts_affected_by`] (with no
//!    further words) for those that were cut with other words than all parts know by now.
//! 3. Build each of these again from its documents, with [`Bm25Index::pieces`] of the index of
//!    step 2, and put it in its old place. It knows the same words as before, so one round is enough.
//!
//! The same is done after parts were merged or dropped: the words of deleted documents are known
//! until then. A part that is built of the documents of others is given their listed words too:
//! [`Bm25Index::listed_pieces`], passed to [`Bm25Writer::add_pieces`]. A part keeps its own words in
//! its folder (of its documents and of [`Bm25Writer::add_pieces`]), and of each word that may be a
//! compound how it was cut. Thus step 2 reads no document and is exact. Analyzers that cut no
//! compounds need none of this.
//!
//! # Files
//!
//! Of a part:
//!
//! | file | holds |
//! |---|---|
//! | tantivy's | dictionary and postings, in one segment; a row is tantivy's document number |
//! | `body-length.u32`, or `title-length.u32` and `text-length.u32` | the lengths of each row |
//! | `body.bounds`, or `title.bounds` and `text.bounds` | what postings can score at most, block by block |
//! | `languages.u8` | the language of each row |
//! | `pieces.words` | its words that compounds are cut into, for a language that has them |
//! | `listed.words` | those among them that were listed when it was built |
//! | `compounds.words` | its words that may be compounds, and how each was cut |
//! | `bm25.json` | how it was built, and the sums of the lengths |
//! | `checksums` | the seal (see `treffer_disk`), written last: without it there is no part |
//!
//! While it is built, a part for a language with compounds also has `waiting.tmp`, the terms of
//! all documents, and keeps its vocabulary in memory.
//!
//! A finished part is read through its seal: files are mapped, and each block is verified
//! when a query first touches it. Without deleted rows, opening reads neither postings nor
//! dictionaries nor columns.
//!
//! # Queries are words
//!
//! A query has no syntax: it goes through the analyzer, and its terms are looked up. A
//! query without terms (empty, or stop words only) finds nothing.
//!
//! # Analysis
//!
//! Documents and queries go through one chain, which `src/analysis.rs` describes: characters
//! are folded (NFKC, full case folding, accents), numbers, units, part numbers and compounds
//! meet in all their spellings, and scripts without blanks are indexed by pairs of characters.
//! German compounds and their parts find one another.
//!
//! ```
//! use treffer_bm25::{Analyzer, Fields, Bm25Config, Bm25Index, Bm25Writer};
//! use treffer_types::DocId;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let temporary = tempfile::tempdir()?;
//! # let dir = temporary.path();
//! let config = Bm25Config {
//!     analyzer: Analyzer::English,
//!     fold_accents: None,
//!     negation: false,
//!     words: None,
//!     k1: 0.9,
//!     b: 0.4,
//!     fields: Fields::Concatenated,
//! };
//! let mut writer = Bm25Writer::create(dir, &config)?;
//! writer.add(DocId(0), "Refrigerators", "A laboratory refrigerator cools to 5 degrees.")?;
//! writer.add(DocId(1), "Freezers", "A freezer cools much further.")?;
//! writer.finish()?;
//!
//! let index = Bm25Index::open_folder(dir, &config)?;
//! let hits = index.search("laboratory refrigerators", 10, None)?;
//! assert_eq!(hits[0].0, DocId(0));
//! assert_eq!(index.score("laboratory refrigerators", &[DocId(0)])?, [hits[0].1]);
//! # Ok(())
//! # }
//! ```

mod analysis;
mod batch;
mod bounds;
mod clause;
mod column;
mod config;
mod cursor;
mod deleted;
mod directory;
mod error;
mod explain;
mod formula;
mod guard;
mod highlight;
mod index;
mod known_words;
mod language;
mod language_column;
mod layout;
mod part;
mod rows;
mod search;
mod spool;
mod stop_words;
mod text_analysis;
mod top;
mod verify;
mod word_list;
mod writer;

pub use analysis::{Form, QueryWord, RunTrace, TermTrace, Trace, WordTrace};
pub use config::{Analyzer, Bm25Config, Fields};
pub use error::Error;
pub use explain::{FieldScore, TermScore};
pub use highlight::{Highlighter, Mention};
pub use index::Bm25Index;
pub use language::Detection;
pub use language_column::LanguageCounts;
pub use part::Bm25Part;
pub use text_analysis::TextAnalysis;
pub use writer::Bm25Writer;
