//! What becomes of a text, step by step: for people who wonder why something is found or not.

use serde::Serialize;
use treffer_types::Language;

use super::compounds::{for_each_part, split};
use super::runs::{Gap, Kind, Runs};
use super::{Analysis, AskedWord, Collected, Form, Languages, Role, Scratch, Word, add};
use crate::language::Detection;

/// A text on its way to the index, and as a query.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trace {
    /// Its language, and what speaks for it.
    pub detection: Detection,
    /// The languages in which it is analyzed as a document; one, unless it is unsure.
    pub as_document: Vec<Language>,
    /// Those in which it is asked as a query.
    pub as_query: Vec<Language>,
    /// The text with its characters folded.
    pub characters: String,
    /// Letters, numbers and signs, in their order.
    pub runs: Vec<RunTrace>,
    /// Its words.
    pub words: Vec<WordTrace>,
    /// What it adds to the length of a document.
    pub length: u32,
}

/// Characters with nothing between them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunTrace {
    /// The characters.
    pub text: String,
    /// `letters`, `number`, `unspaced` (letters of a script without blanks) or `sign`.
    pub kind: &'static str,
}

/// A word: what is one thing, however it is written.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WordTrace {
    /// How it is written, characters folded.
    pub written: String,
    /// What it adds to the length of a document. 0 for a stop word.
    pub length: u32,
    /// Whether it is dropped, as a stop word or for want of a letter.
    pub dropped: bool,
    /// The terms under which a document is indexed that holds it.
    pub indexed: Vec<TermTrace>,
    /// The forms in which a query asks for it.
    pub asked: Vec<Form>,
    /// The forms in which a query asks, besides, that it is negated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub negated: Vec<Form>,
}

/// A term of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TermTrace {
    /// The term.
    pub term: String,
    /// `part` (of what is written), `whole`, `also` (found by those who write it otherwise),
    /// `negated` (what is negated), or `piece` (of a compound).
    pub role: &'static str,
}

impl Analysis {
    /// Follows a text through the chain. `is_piece` says what compounds are cut into.
    pub(crate) fn trace<E>(
        &self,
        text: &str,
        detection: Detection,
        query_languages: Languages,
        mut is_piece: impl FnMut(&str) -> Result<bool, E>,
    ) -> Result<Trace, E> {
        let mut scratch = Scratch::default();
        self.read_runs(text, &mut scratch);
        let document_languages = Languages::from(detection.language);
        let documents = self.steps(&mut scratch, document_languages);
        let queries = self.steps(&mut scratch, query_languages);
        let runs = &scratch.runs;
        let mut words = Vec::with_capacity(documents.len());
        for ((range, document), (_, query)) in documents.into_iter().zip(queries) {
            let mut word = WordTrace {
                written: written(runs, range),
                length: document.iter().map(|word| longest(word)).sum(),
                dropped: true,
                indexed: Vec::new(),
                asked: Vec::new(),
                negated: Vec::new(),
            };
            for in_languages in &document {
                index_terms(in_languages, &mut is_piece, &mut word.indexed)?;
            }
            for in_languages in query {
                let mut cut = |term: &str| {
                    let pieces = split(term, &mut is_piece)?;
                    Ok(pieces.into_iter().map(str::to_owned).collect())
                };
                let asked = AskedWord::of(in_languages, &mut cut)?;
                for form in asked.word.forms {
                    add(form, &mut word.asked);
                }
                for form in asked.negated.forms {
                    add(form, &mut word.negated);
                }
            }
            word.dropped = word.indexed.is_empty() && word.asked.is_empty();
            words.push(word);
        }
        Ok(Trace {
            detection,
            as_document: self.named(document_languages),
            as_query: self.named(query_languages),
            runs: (0..)
                .map_while(|i| {
                    Some(RunTrace {
                        kind: kind(runs.get(i)?.kind),
                        text: runs.text(i).to_owned(),
                    })
                })
                .collect(),
            length: words.iter().map(|word| word.length).sum(),
            characters: scratch.normalized,
            words,
        })
    }

    fn named(&self, languages: Languages) -> Vec<Language> {
        let vocabularies = self.vocabularies(languages).iter();
        vocabularies.map(super::Vocabulary::language).collect()
    }

    /// The runs of each word, and the words that come of them, each in every language.
    fn steps(
        &self,
        scratch: &mut Scratch,
        languages: Languages,
    ) -> Vec<(std::ops::Range<usize>, Vec<Vec<Word>>)> {
        let mut steps: Vec<(std::ops::Range<usize>, Vec<Vec<Word>>)> = Vec::new();
        for vocabulary in self.vocabularies(languages) {
            self.find_negated(scratch, vocabulary);
            let (mut at, mut n) = (0, 0);
            while scratch.runs.get(at).is_some() {
                let mut collected = Collected::default();
                let end = self.words(scratch, vocabulary, &mut collected).step(at);
                if n == steps.len() {
                    steps.push((at..end, Vec::new()));
                }
                let words = &mut steps[n].1;
                words.resize_with(words.len().max(collected.words.len()), Vec::new);
                for (word, further) in words.iter_mut().zip(collected.words) {
                    word.push(further);
                }
                (at, n) = (end, n + 1);
            }
        }
        steps
    }
}

fn longest(in_languages: &[Word]) -> u32 {
    let lengths = in_languages.iter().map(|word| word.length);
    lengths.max().unwrap_or(0)
}

/// Adds the terms of a word, with the pieces of those that are compounds.
fn index_terms<E>(
    in_languages: &[Word],
    is_piece: &mut impl FnMut(&str) -> Result<bool, E>,
    indexed: &mut Vec<TermTrace>,
) -> Result<(), E> {
    let mut terms = TermTraces(Vec::new());
    super::union(in_languages, &mut terms);
    for (role, term) in terms.0 {
        let mut pieces = Vec::new();
        if super::is_word(role, &term) {
            for_each_part(&term, is_piece, &mut |piece| pieces.push(piece.to_owned()))?;
        }
        let role = match role {
            Role::Part | Role::Word => "part",
            Role::Whole => "whole",
            Role::Also => "also",
            Role::Negated => "negated",
        };
        indexed.push(TermTrace { term, role });
        indexed.extend(pieces.into_iter().map(|term| TermTrace {
            term,
            role: "piece",
        }));
    }
    Ok(())
}

struct TermTraces(Vec<(Role, String)>);

impl super::Sink for TermTraces {
    fn term(&mut self, role: Role, term: &str) {
        self.0.push((role, term.to_owned()));
    }

    fn end_word(&mut self, _length: u32) {}
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Letters => "letters",
        Kind::Number => "number",
        Kind::Unspaced => "unspaced",
        Kind::Sign => "sign",
    }
}

/// The runs of a word with what stands between them.
fn written(runs: &Runs, range: std::ops::Range<usize>) -> String {
    let mut text = String::new();
    for i in range.clone() {
        if i > range.start {
            text.push_str(match runs.get(i).map(|run| run.gap) {
                Some(Gap::Hyphen) => "-",
                Some(Gap::Blank) => " ",
                Some(Gap::Slash) => "/",
                Some(Gap::Tight | Gap::Break) | None => "",
            });
        }
        text.push_str(runs.text(i));
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::analysis::tests::config;
    use crate::config::{Analyzer, Bm25Config};
    use crate::language::Detector;

    fn analysis(analyzer: Analyzer) -> Analysis {
        Analysis::new(&Bm25Config {
            negation: true,
            ..config(analyzer)
        })
    }

    fn trace(analyzer: Analyzer, text: &str, pieces: &[&str]) -> Trace {
        let analysis = analysis(analyzer);
        let detection = Detector::new().detect(text);
        let languages = detection.language.map_or(Languages::Both, Languages::One);
        let is_piece = |word: &str| Ok::<_, std::convert::Infallible>(pieces.contains(&word));
        let Ok(trace) = analysis.trace(text, detection, languages, is_piece);
        trace
    }

    #[test]
    fn every_step_is_shown() {
        let text = "Die Laborkühlschränke nach DIN-13277 sind für das Labor";
        let trace = trace(Analyzer::Mixed, text, &["labor", "kuhlschrank"]);
        assert_eq!(trace.detection.language, Some(Language::German));
        assert_eq!(trace.as_document, [Language::German]);
        assert!(
            trace
                .characters
                .starts_with("die laborkühlschränke nach din-13277")
        );
        assert_eq!(trace.runs[4].kind, "number");
        let dropped = trace.words.iter().filter(|word| word.dropped);
        let dropped: Vec<&str> = dropped.map(|word| word.written.as_str()).collect();
        assert_eq!(dropped, ["die", "nach", "sind", "für", "das"]);
        let compound = &trace.words[1];
        let indexed: Vec<(&str, &str)> = compound
            .indexed
            .iter()
            .map(|t| (t.term.as_str(), t.role))
            .collect();
        assert_eq!(
            indexed,
            [
                ("laborkuhlschrank", "part"),
                ("labor", "piece"),
                ("kuhlschrank", "piece")
            ]
        );
        assert_eq!(compound.asked.len(), 2);
        assert_eq!(
            compound.asked[0].cut_from.as_deref(),
            Some("laborkuhlschrank")
        );
        assert_eq!(trace.words[3].written, "din-13277");
        assert_eq!((trace.words[3].length, trace.length), (2, 4));
    }

    proptest! {
        /// What is shown is what is done.
        #[test]
        fn a_trace_is_what_documents_and_queries_get(text in "[a-zäöüß0-9 .×'LD-]{0,40}|((ohne|nicht|no|die|[a-z]{3,6}|[0-9])[ ,-]){0,8}|.{0,20}") {
            for analyzer in [Analyzer::German, Analyzer::Mixed, Analyzer::Plain] {
                let trace = trace(analyzer, &text, &[]);
                let analysis = analysis(analyzer);
                let languages = trace.detection.language.map_or(Languages::Both, Languages::One);
                let document = analysis.document(&text, languages);
                let terms: Vec<&String> =
                    trace.words.iter().flat_map(|word| &word.indexed).map(|t| &t.term).collect();
                prop_assert_eq!(terms, document.terms.iter().collect::<Vec<_>>());
                prop_assert_eq!(trace.length, document.length);
                let Ok(query) = analysis.query(&text, languages, |_| {
                    Ok::<_, std::convert::Infallible>(Vec::new())
                });
                let forms: Vec<&Form> = query.iter().flat_map(|word| &word.forms).collect();
                let traced = trace.words.iter().flat_map(|word| word.asked.iter().chain(&word.negated));
                let traced: Vec<&Form> = traced.collect();
                if !text.contains(|c: char| !c.is_ascii() && !"äöüß".contains(c)) {
                    prop_assert_eq!(traced, forms);
                }
            }
        }
    }
}
