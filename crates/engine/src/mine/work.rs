//! One query: from what the stages rank to passages to learn from.

use std::collections::HashSet;

use treffer_types::{BoxError, DocId, Scoring, StageName};

use super::chance::Chance;
use super::pool::{Candidate, Pool};
use super::{MineReport, MineRequest, Mined, MinedPassage, Sought, Source};
use crate::engine::Engine;
use crate::error::{Error, part};
use crate::gather::query_name;
use crate::stages::StageQuery;

/// A query with all that is asked about it.
pub(super) struct Work<'a> {
    pub(super) engine: &'a Engine,
    pub(super) request: &'a MineRequest<'a>,
    /// What the cross-encoder's scores are.
    pub(super) scoring: &'a Scoring,
    pub(super) sought: &'a Sought,
    /// The stages whose ranks are looked through.
    pub(super) stages: Vec<(StageName, &'a dyn StageQuery)>,
    pub(super) cross: Option<&'a dyn StageQuery>,
}

/// Tries to find one more document at random, for each that is wanted: in an index of which
/// nearly everything was found, there may be none.
const TRIES: u64 = 100;

impl Work<'_> {
    /// What can be learned of the query, if anything.
    pub(super) fn mine(&self, report: &mut MineReport) -> Result<Option<Mined>, Error> {
        let query = &self.sought.query;
        if self.sought.answers.is_empty() {
            report.without_answer += 1;
            return Ok(None);
        }
        let Pool {
            mut candidates,
            mut met,
        } = self.pool(report)?;
        let mut passages = self.answers()?;
        let most = self.request.relevant.unwrap_or(usize::MAX);
        report.answers_left_out += passages.len().saturating_sub(most);
        passages.truncate(most);
        let n_answers = passages.len();
        if n_answers == 0 {
            report.without_answer += 1;
            return Ok(None);
        }
        let chance = Chance::new(self.request.seed).of(&query.id).of(&query.text);
        candidates.sort_by_key(|one| (chance.at(u64::from(one.doc.0)), one.doc));
        self.add_hard(candidates, &mut passages, report)?;
        let n_found = passages.len();
        met.extend(self.sought.answers.iter().map(|answer| answer.doc));
        self.add_random(chance.of("random"), &mut met, &mut passages)?;
        if passages.len() == n_answers {
            report.without_negative += 1;
            return Ok(None);
        }
        self.teach(&mut passages, report)?;
        report.answers += n_answers;
        report.random += passages.len() - n_found;
        for passage in &passages[n_answers..n_found] {
            if let Source::Stage { stage, .. } = passage.source {
                *report.hard.entry(stage).or_default() += 1;
            }
        }
        Ok(Some(Mined {
            query_id: query.id.clone(),
            query: query.text.clone(),
            origin: self.sought.origin,
            passages,
        }))
    }

    /// An error of a stage on this query.
    pub(super) fn failed(&self, stage: StageName) -> impl Fn(BoxError) -> Error {
        let query = query_name(&self.sought.query);
        move |source| Error::Stage {
            stage,
            query: query.clone(),
            source,
        }
    }

    fn answers(&self) -> Result<Vec<MinedPassage>, Error> {
        let mut passages = Vec::with_capacity(self.sought.answers.len());
        for answer in &self.sought.answers {
            let text = match &answer.text {
                Some(text) => text.clone(),
                None => self.text(answer.doc, self.best_passage(answer.doc)?)?,
            };
            // A document without a body, asked for by its title, says nothing.
            if !text.trim().is_empty() {
                passages.push(MinedPassage {
                    doc: self.engine.doc_id(answer.doc)?.to_owned(),
                    text,
                    grade: answer.grade,
                    source: Source::Answer,
                    cross: None,
                });
            }
        }
        Ok(passages)
    }

    /// Adds the first candidates that are no false negatives, until there are enough.
    fn add_hard(
        &self,
        candidates: Vec<Candidate>,
        passages: &mut Vec<MinedPassage>,
        report: &mut MineReport,
    ) -> Result<(), Error> {
        let n_answers = passages.len();
        let wanted = n_answers + self.request.negatives;
        let mut rest = candidates.into_iter();
        while passages.len() < wanted {
            let some: Vec<Candidate> = rest.by_ref().take(wanted - passages.len()).collect();
            if some.is_empty() {
                break;
            }
            let mut found: Vec<(bool, MinedPassage)> = Vec::new();
            for candidate in some {
                let passage = match candidate.passage {
                    Some(passage) => passage,
                    None => self.best_passage(candidate.doc)?,
                };
                let passage = self.passage(candidate.doc, passage, candidate.source)?;
                let is_answer = |one: &MinedPassage| one.grade > 0 && one.text == passage.text;
                if passages.iter().any(is_answer) {
                    report.same_text += 1;
                } else if !passage.text.trim().is_empty() {
                    found.push((candidate.is_refused, passage));
                }
            }
            self.guard(found, passages, report)?;
        }
        Ok(())
    }

    /// Adds those that the cross-encoder does not find relevant, or that somebody judged.
    fn guard(
        &self,
        mut found: Vec<(bool, MinedPassage)>,
        passages: &mut Vec<MinedPassage>,
        report: &mut MineReport,
    ) -> Result<(), Error> {
        if let (Some(guard), Some(_)) = (self.request.guard, self.cross) {
            let unjudged = found.iter_mut().filter(|(is_refused, _)| !is_refused);
            self.read(unjudged.map(|(_, passage)| passage).collect(), report)?;
            let before = found.len();
            let is_relevant = |score: f32| self.scoring.share(score) >= guard;
            found.retain(|(is_refused, passage)| {
                *is_refused || !passage.cross.is_some_and(is_relevant)
            });
            report.guarded += before - found.len();
        }
        passages.extend(found.into_iter().map(|(_, passage)| passage));
        Ok(())
    }

    fn add_random(
        &self,
        chance: Chance,
        met: &mut HashSet<DocId>,
        passages: &mut Vec<MinedPassage>,
    ) -> Result<(), Error> {
        let store = self.engine.store();
        let wanted = passages.len() + self.request.random;
        let most = TRIES * self.request.random as u64;
        for at in 0..most {
            if passages.len() == wanted || store.is_empty() {
                break;
            }
            let drawn = chance.at(2 * at) % store.len() as u64;
            let doc = DocId(u32::try_from(drawn).unwrap_or(u32::MAX));
            if !store.is_live(doc) || !met.insert(doc) {
                continue;
            }
            let count = u64::from(self.engine.n_passages_of(doc)?.max(1));
            let passage = (chance.at(2 * at + 1) % count) as u32;
            let passage = self.passage(doc, passage, Source::Random)?;
            let is_known = |one: &MinedPassage| one.text == passage.text;
            if !passage.text.trim().is_empty() && !passages.iter().any(is_known) {
                passages.push(passage);
            }
        }
        Ok(())
    }

    /// Has the cross-encoder read what it has not read, if it is the teacher.
    fn teach(&self, passages: &mut [MinedPassage], report: &mut MineReport) -> Result<(), Error> {
        if !self.request.teacher {
            return Ok(());
        }
        let unread = passages.iter_mut().filter(|one| one.cross.is_none());
        self.read(unread.collect(), report)
    }

    fn read(&self, mut some: Vec<&mut MinedPassage>, report: &mut MineReport) -> Result<(), Error> {
        let Some(cross) = self.cross else {
            return Ok(());
        };
        let texts: Vec<&str> = some.iter().map(|one| one.text.as_str()).collect();
        let scores = cross
            .compare(&texts)
            .map_err(self.failed(StageName::CROSS))?;
        report.read += texts.len();
        for (passage, score) in some.iter_mut().zip(scores) {
            passage.cross = Some(score.value());
        }
        Ok(())
    }

    fn passage(&self, doc: DocId, passage: u32, source: Source) -> Result<MinedPassage, Error> {
        Ok(MinedPassage {
            doc: self.engine.doc_id(doc)?.to_owned(),
            text: self.text(doc, passage)?,
            grade: 0,
            source,
            cross: None,
        })
    }

    /// What a model reads of a passage. For a query that is a title or heading, without titles
    /// and headings before it: only what is relevant would lack its own.
    fn text(&self, doc: DocId, passage: u32) -> Result<String, Error> {
        let split = self.engine.store().split_document(doc);
        let (document, passages) = split.map_err(part("read", "store", self.engine.dir()))?;
        let found = passages.get(passage as usize).or(passages.first());
        Ok(match found {
            Some(found) if self.sought.origin.is_silver() => {
                found.piece(&document.text).unwrap_or_default().to_owned()
            }
            Some(found) => found.full_text(&document.text),
            None => document.full_text(),
        })
    }

    /// The passage of a document that the last stage that tells passages apart scores highest.
    fn best_passage(&self, doc: DocId) -> Result<u32, Error> {
        if self.engine.n_passages_of(doc)? < 2 {
            return Ok(0);
        }
        for (stage, answer) in self.stages.iter().rev() {
            let found = answer.score(&[doc]).map_err(self.failed(*stage))?;
            let mut best = None;
            for one in &found {
                let Some(passage) = one.evidence.passage else {
                    continue;
                };
                if best.is_none_or(|(score, _)| one.evidence.score > score) {
                    best = Some((one.evidence.score, passage));
                }
            }
            if let Some((_, passage)) = best {
                return Ok(passage);
            }
        }
        Ok(0)
    }
}
