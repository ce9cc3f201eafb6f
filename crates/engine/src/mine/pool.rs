//! What could be a hard negative: what the stages rank within the window, below the margin.

use std::collections::{HashMap, HashSet};

use treffer_types::{BoxError, DocId};

use super::work::Work;
use super::{MineReport, Source};
use crate::error::Error;
use crate::gather::retrieve;
use crate::stages::{Found, StageQuery};

/// A document that a stage ranks within the window.
pub(super) struct Candidate {
    pub(super) doc: DocId,
    /// The passage that the stage scored highest; `None` if it scores documents.
    pub(super) passage: Option<u32>,
    pub(super) source: Source,
    /// Whether somebody judged that it is not relevant.
    pub(super) is_refused: bool,
}

/// Candidates, and everything that was ranked.
pub(super) struct Pool {
    /// Each document once, with its best rank.
    pub(super) candidates: Vec<Candidate>,
    /// The documents that some stage found down to the end of the window.
    pub(super) met: HashSet<DocId>,
}

impl Work<'_> {
    pub(super) fn pool(&self, report: &mut MineReport) -> Result<Pool, Error> {
        let (from, to) = (*self.request.ranks.start(), *self.request.ranks.end());
        let mut excluded: Vec<DocId> = Vec::new();
        for id in &self.sought.query.exclude {
            excluded.extend(self.engine.find(id)?);
        }
        let mut best: HashMap<DocId, (usize, Candidate)> = HashMap::new();
        let mut met: HashSet<DocId> = excluded.iter().copied().collect();
        let (mut above, mut before) = (HashSet::new(), HashSet::new());
        for (stage, answer) in &self.stages {
            let failed = self.failed(*stage);
            let found = retrieve(self.engine, *answer, to, &excluded, None).map_err(&failed)?;
            let limit = self.limit(*answer).map_err(&failed)?;
            let mut seen = HashSet::new();
            for Found { doc, evidence } in found {
                if !seen.insert(doc) {
                    continue;
                }
                met.insert(doc);
                let rank = seen.len();
                if self.sought.answers.iter().any(|answer| answer.doc == doc) {
                    continue;
                }
                let score = evidence.score.value();
                let is_refused = self.sought.refused.contains(&doc);
                // What somebody judged is no false negative, whatever its score and rank.
                if !is_refused && !limit.allows(score) {
                    above.insert(doc);
                    continue;
                }
                if rank < from {
                    if !is_refused {
                        before.insert(doc);
                    }
                    continue;
                }
                let candidate = Candidate {
                    doc,
                    passage: evidence.passage,
                    source: Source::Stage {
                        stage: *stage,
                        rank,
                        score,
                    },
                    is_refused,
                };
                match best.get(&doc) {
                    Some((known, _)) if *known <= rank => {}
                    _ => {
                        best.insert(doc, (rank, candidate));
                    }
                }
            }
        }
        // Too close to what is relevant in one stage is too close, and so is too high.
        best.retain(|doc, _| !above.contains(doc) && !before.contains(doc));
        report.above_margin += above.len();
        let mut candidates: Vec<Candidate> = best.into_values().map(|(_, one)| one).collect();
        candidates.sort_by_key(|candidate| candidate.doc);
        Ok(Pool { candidates, met })
    }

    /// The highest score that a negative may have in a stage.
    fn limit(&self, answer: &dyn StageQuery) -> Result<Limit, BoxError> {
        let Some(margin) = self.request.margin else {
            return Ok(Limit::None);
        };
        let mut docs: Vec<DocId> = self
            .sought
            .answers
            .iter()
            .map(|answer| answer.doc)
            .collect();
        docs.sort_unstable();
        docs.dedup();
        let scores = answer.score(&docs)?.into_iter();
        let best = scores.map(|found| found.evidence.score).max();
        let Some(best) = best else {
            // Without a common word, BM25 has no score for a document, which is below all others.
            return Ok(Limit::Nothing);
        };
        let best = f64::from(best.value());
        Ok(Limit::Most(best - margin * best.abs()))
    }
}

/// How high a negative may score.
enum Limit {
    None,
    Most(f64),
    /// The stage has no score for what is relevant, so that nothing is below it.
    Nothing,
}

impl Limit {
    fn allows(&self, score: f32) -> bool {
        match self {
            Limit::None => true,
            Limit::Most(most) => f64::from(score) <= *most,
            Limit::Nothing => false,
        }
    }
}
