//! The passages that a hit shows: which are its best, and what is marked in them.

use std::cell::OnceCell;
use std::collections::HashSet;

use treffer_api::{HitPassage, SearchOptions};
use treffer_bm25::{Highlighter, Mention};
use treffer_types::{
    BoxError, Candidate, Document, Evidence, Language, Passage, PassageId, Query, StageName,
};
use unicode_segmentation::UnicodeSegmentation;

use crate::engine::Engine;
use crate::error::{Error, part};
use crate::gather::query_name;
use crate::profile::Profile;
use crate::stages::StageQuery;

/// What hits are to show of their passages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// How many of them at most.
    pub passages: usize,
    /// Whether words of the query are marked.
    pub highlight: bool,
    /// Whether the sentence is marked that answers best.
    pub sentences: bool,
    /// Whether they have their scores.
    pub explain: bool,
    /// Whether the tokens are shown that late interaction found nearest to those of the query.
    pub alignment: bool,
}

impl Shown {
    /// Where the best passage is, and its scores.
    pub const EXPLAINED: Shown = Shown {
        passages: 1,
        highlight: false,
        sentences: false,
        explain: true,
        alignment: false,
    };

    /// The same, and which of its tokens are near those of the query.
    pub const ALIGNED: Shown = Shown {
        alignment: true,
        ..Shown::EXPLAINED
    };

    /// What a request asks for.
    pub fn of(options: &SearchOptions) -> Self {
        Shown {
            passages: options.passages,
            highlight: options.highlight,
            sentences: options.sentences,
            explain: options.explain,
            alignment: options.explain,
        }
    }
}

/// A document that was found.
#[derive(Clone, Copy)]
struct Found<'a> {
    candidate: &'a Candidate,
    document: &'a Document,
    passages: &'a [Passage],
    language: Option<Language>,
}

/// Makes the passages of the hits of one query.
pub(super) struct Passages<'a> {
    engine: &'a Engine,
    query: &'a Query,
    /// The stages that ran, in their order.
    stages: &'a [StageName],
    shown: Shown,
    /// Made when the words of the query are first looked for, which most searches never do.
    highlighter: OnceCell<Highlighter<'a>>,
    /// What compares the query with sentences, and what does so for documents whose language the
    /// reranker does not know; BM25 if nothing else does.
    reader: Option<Reader<'a>>,
    other_reader: Option<Reader<'a>>,
    /// What tells which tokens are near each other, if it ran and that is to be shown.
    aligner: Option<Box<dyn StageQuery + 'a>>,
}

/// A stage with its work on the query.
type Reader<'a> = (StageName, Box<dyn StageQuery + 'a>);

impl<'a> Passages<'a> {
    pub(super) fn new(
        engine: &'a Engine,
        query: &'a Query,
        stages: &'a [StageName],
        candidates: &[Candidate],
        shown: Shown,
    ) -> Result<Self, Error> {
        let mut passages = Passages {
            engine,
            query,
            stages,
            shown,
            highlighter: OnceCell::new(),
            reader: None,
            other_reader: None,
            aligner: None,
        };
        if shown.sentences {
            // A stage that was left out, for the query's language or a deadline, chooses nothing.
            let has_run = |stage: &StageName| candidates.iter().any(|one| one.is_scored_by(*stage));
            let is_reranker = |stage: &StageName| {
                let mut available = engine.available().stages.iter();
                available.any(|one| one.name == *stage && one.capabilities.reranks)
            };
            passages.reader = passages.last_reader(&has_run)?;
            let best = passages.reader.as_ref().map(|(stage, _)| *stage);
            let is_unreadable = |one: &Candidate| one.is_unreadable;
            if best.is_some_and(|best| is_reranker(&best)) && candidates.iter().any(is_unreadable) {
                let other = |stage: &StageName| has_run(stage) && !is_reranker(stage);
                passages.other_reader = passages.last_reader(&other)?;
            }
        }
        if shown.alignment && stages.contains(&StageName::LATE) {
            let begun = passages.begin(StageName::LATE)?;
            passages.aligner = begun.into_iter().next();
        }
        Ok(passages)
    }

    /// The last of these stages that can compare the query with any text.
    fn last_reader(&self, of: &dyn Fn(&StageName) -> bool) -> Result<Option<Reader<'a>>, Error> {
        for stage in self.stages.iter().rev().filter(|stage| of(stage)) {
            let begun = self.begin(*stage)?;
            let mut readers = begun.into_iter().filter(|reader| reader.reads_any_text());
            if let Some(reader) = readers.next() {
                return Ok(Some((*stage, reader)));
            }
        }
        Ok(None)
    }

    fn begin(&self, stage: StageName) -> Result<Vec<Box<dyn StageQuery + 'a>>, Error> {
        let parameters = Profile::default().parameters();
        let begun = self.engine.begin(stage, &[self.query], parameters);
        begun.map_err(|source| self.failed(stage, source))
    }

    fn failed(&self, stage: StageName, source: BoxError) -> Error {
        Error::Stage {
            stage,
            query: query_name(self.query),
            source,
        }
    }

    /// The best passages of a document, the best first.
    pub(super) fn of(
        &self,
        candidate: &Candidate,
        document: &Document,
        passages: &[Passage],
    ) -> Result<Vec<HitPassage>, Error> {
        let found = Found {
            candidate,
            document,
            passages,
            language: self.engine.language_of(candidate.doc)?,
        };
        let order = self.ranked(&found)?;
        let shown = order.into_iter().take(self.shown.passages);
        shown.map(|at| self.shown(&found, at)).collect()
    }

    /// The passages by the last stage that scored them, those that it did not score by the stage
    /// before it, and so on; what no stage scored by the words of the query.
    fn ranked(&self, found: &Found<'_>) -> Result<Vec<usize>, Error> {
        let Found {
            candidate,
            document,
            passages,
            language,
        } = *found;
        if passages.len() == 1 {
            return Ok(vec![0]);
        }
        let mut order = Vec::new();
        for stage in self.stages.iter().rev() {
            let found = candidate.ranked(*stage).into_iter();
            let found = found.filter_map(|one| one.passage);
            for at in found.map(|passage| passage as usize) {
                if at < passages.len() && !order.contains(&at) {
                    order.push(at);
                }
            }
            if order.len() >= self.shown.passages {
                return Ok(order);
            }
        }
        let mut rest = Vec::new();
        for (at, passage) in passages.iter().enumerate() {
            if !order.contains(&at) {
                let piece = passage.piece(&document.text).unwrap_or_default();
                rest.push((at, weight_of(&self.mentions(piece, language)?)));
            }
        }
        // Stable: of equally good ones the first.
        rest.sort_by(|a, b| b.1.total_cmp(&a.1));
        order.extend(rest.into_iter().map(|(at, _)| at));
        Ok(order)
    }

    fn mentions(&self, text: &str, language: Option<Language>) -> Result<Vec<Mention>, Error> {
        let failed = || part("read", "BM25 part", self.engine.dir());
        let highlighter = match self.highlighter.get() {
            Some(highlighter) => highlighter,
            None => {
                let made = self.engine.bm25().highlighter(&self.query.text);
                let made = made.map_err(failed())?;
                self.highlighter.get_or_init(|| made)
            }
        };
        highlighter.find(text, language).map_err(failed())
    }

    fn shown(&self, found: &Found<'_>, at: usize) -> Result<HitPassage, Error> {
        let Found {
            candidate,
            document,
            passages,
            language,
        } = *found;
        let passage = &passages[at];
        let piece = passage.piece(&document.text).unwrap_or_default();
        let start = passage.start as usize;
        let number = at as u32;
        let mut shown = HitPassage {
            number,
            of: passages.len() as u32,
            place: (start, passage.end as usize),
            context: match passages.len() {
                1 => String::new(), // the title, which the hit has
                _ => passage.context.clone(),
            },
            ..HitPassage::default()
        };
        if self.shown.highlight {
            let mentions = self.mentions(piece, language)?.into_iter();
            let place = |one: Mention| (start + one.place.start, start + one.place.end);
            shown.highlights = mentions.map(place).collect();
        }
        if self.shown.sentences {
            let sentence = self.best_sentence(piece, candidate, language)?;
            shown.sentence = sentence.map(|(from, to)| (start + from, start + to));
        }
        if self.shown.explain {
            let is_it =
                |evidence: &Evidence| evidence.passage == Some(number) || passages.len() == 1;
            let mut cut = 0;
            for (stage, evidence) in candidate.all_evidence().filter(|(_, one)| is_it(one)) {
                shown.scores.insert(stage, evidence.score);
                cut = cut.max(evidence.tokens_cut);
            }
            shown.tokens_cut = Some(cut);
        }
        let is_scored = candidate.is_scored_by(StageName::LATE);
        if let Some(aligner) = self.aligner.as_ref().filter(|_| is_scored) {
            let id = PassageId {
                doc: candidate.doc,
                passage: number,
            };
            let text = passage.full_text(&document.text);
            let aligned = aligner.align(id, &text);
            shown.alignment = aligned.map_err(|source| self.failed(StageName::LATE, source))?;
            // The piece is at the end of what is read; what is before it has no place in the hit.
            let before = text.len() - piece.len();
            for one in &mut shown.alignment {
                let of_piece = one.place.filter(|(from, _)| *from >= before);
                one.place = of_piece.map(|(from, to)| (from - before + start, to - before + start));
            }
        }
        Ok(shown)
    }

    /// Where the sentence of the text is that answers the query best, the first of equally good
    /// ones; `None` if there is none.
    fn best_sentence(
        &self,
        text: &str,
        candidate: &Candidate,
        language: Option<Language>,
    ) -> Result<Option<(usize, usize)>, Error> {
        let sentences = sentences(text);
        let texts: Vec<&str> = sentences
            .iter()
            .map(|(from, to)| &text[*from..*to])
            .collect();
        let is_unknown = candidate.is_unreadable && self.other_reader.is_some();
        let reader = if is_unknown {
            &self.other_reader
        } else {
            &self.reader
        };
        let scores: Vec<f64> = match reader {
            Some((stage, reader)) => {
                let scores = reader.compare(&texts);
                let scores = scores.map_err(|source| self.failed(*stage, source))?;
                scores
                    .iter()
                    .map(|score| f64::from(score.value()))
                    .collect()
            }
            None => {
                let weight = |text: &&str| Ok(weight_of(&self.mentions(text, language)?));
                texts.iter().map(weight).collect::<Result<_, Error>>()?
            }
        };
        let better =
            |best: (usize, f64), one: (usize, f64)| if one.1 > best.1 { one } else { best };
        let best = scores.into_iter().enumerate().reduce(better);
        Ok(best.and_then(|(at, _)| sentences.get(at).copied()))
    }
}

/// How much of a query a text mentions: the sum of the IDF of the words, each once.
fn weight_of(mentions: &[Mention]) -> f64 {
    let mut seen = HashSet::new();
    let new = mentions.iter().filter(|one| seen.insert(one.term.as_str()));
    new.map(|one| one.idf).sum()
}

/// Where the sentences of a text are, without white space around them: by the rules of Unicode
/// Standard Annex 29, and at most a line each.
fn sentences(text: &str) -> Vec<(usize, usize)> {
    let mut sentences = Vec::new();
    let of_line = |line| UnicodeSegmentation::split_sentence_bounds(line);
    for sentence in text.lines().flat_map(of_line) {
        let trimmed = sentence.trim();
        let start = trimmed.as_ptr().addr() - text.as_ptr().addr();
        if !trimmed.is_empty() {
            sentences.push((start, start + trimmed.len()));
        }
    }
    sentences
}
