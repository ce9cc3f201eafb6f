//! What passes between the stages: a document and the evidence that each found for it.

use std::cmp::Ordering;

use smallvec::SmallVec;

use crate::document::DocId;
use crate::score::Score;
use crate::stage::StageName;

/// What one stage found in a document or in one of its passages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The passage, numbered within the document from 0; `None` if the stage scored the document
    /// as a whole.
    pub passage: Option<u32>,
    /// The stage's raw score of it.
    pub score: Score,
    /// Tokens of the passage that the stage's model could not read; 0 if it read all.
    pub tokens_cut: u32,
}

impl Evidence {
    /// The score of a passage that was read completely.
    pub fn new(passage: u32, score: Score) -> Self {
        Evidence {
            passage: Some(passage),
            score,
            tokens_cut: 0,
        }
    }

    /// The score of a document as a whole.
    pub fn whole(score: Score) -> Self {
        Evidence {
            passage: None,
            score,
            tokens_cut: 0,
        }
    }
}

/// A document that some stage retrieved, with the evidence found for it so far.
///
/// A stage without evidence never scored the document, which is not a score of zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The document.
    pub doc: DocId,
    /// Whether it is known to be in another language than the query.
    pub is_foreign: bool,
    /// Whether it is known to be in a language that the reranker's model does not know. Then it is
    /// not read, and ranks by what the other stages say of it.
    pub is_unreadable: bool,
    // By stage in the order in which they scored, then by passage. Inline for the
    // usual document of one passage and few stages.
    evidence: SmallVec<[(StageName, Evidence); 3]>,
}

impl Candidate {
    /// A candidate that no stage has scored.
    pub fn new(doc: DocId) -> Self {
        Candidate {
            doc,
            is_foreign: false,
            is_unreadable: false,
            evidence: SmallVec::new(),
        }
    }

    /// Adds what `stage` found; earlier evidence of that stage for the same passage is
    /// replaced.
    pub fn add(&mut self, stage: StageName, evidence: Evidence) {
        let same = |(name, old): &&mut (StageName, Evidence)| {
            *name == stage && old.passage == evidence.passage
        };
        match self.evidence.iter_mut().find(same) {
            Some((_, old)) => *old = evidence,
            None => self.evidence.push((stage, evidence)),
        }
    }

    /// Adds all that `stage` found in the document; its earlier evidence is replaced.
    pub fn set(&mut self, stage: StageName, found: impl IntoIterator<Item = Evidence>) {
        self.forget(stage);
        let found = found.into_iter().map(|evidence| (stage, evidence));
        self.evidence.extend(found);
    }

    /// Removes all evidence of `stage`, as if it had never scored the document.
    pub fn forget(&mut self, stage: StageName) {
        self.evidence.retain(|(name, _)| *name != stage);
    }

    /// The evidence of `stage`, one for each passage that it scored.
    pub fn evidence(&self, stage: StageName) -> impl Iterator<Item = &Evidence> + Clone {
        let of_stage = move |(name, _): &&(StageName, Evidence)| *name == stage;
        self.evidence
            .iter()
            .filter(of_stage)
            .map(|(_, evidence)| evidence)
    }

    /// Whether `stage` scored any passage of the document.
    pub fn is_scored_by(&self, stage: StageName) -> bool {
        self.evidence(stage).next().is_some()
    }

    /// The best evidence of `stage`: the highest score, of equal ones that of the earlier
    /// passage.
    pub fn best(&self, stage: StageName) -> Option<&Evidence> {
        self.evidence(stage).min_by(|a, b| better_first(a, b))
    }

    /// The evidence of `stage` in the order of [`best`](Self::best).
    pub fn ranked(&self, stage: StageName) -> Vec<&Evidence> {
        let mut ranked: Vec<&Evidence> = self.evidence(stage).collect();
        ranked.sort_by(|a, b| better_first(a, b));
        ranked
    }

    /// The stage's highest raw score over the document's passages.
    pub fn best_score(&self, stage: StageName) -> Option<Score> {
        self.best(stage).map(|evidence| evidence.score)
    }

    /// All evidence with its stage, in the order in which it was found.
    pub fn all_evidence(&self) -> impl ExactSizeIterator<Item = (StageName, &Evidence)> {
        self.evidence
            .iter()
            .map(|(stage, evidence)| (*stage, evidence))
    }
}

fn better_first(a: &Evidence, b: &Evidence) -> Ordering {
    b.score.cmp(&a.score).then(a.passage.cmp(&b.passage))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(passage: u32, score: f32) -> Evidence {
        Evidence::new(passage, Score::new(score).unwrap())
    }

    #[test]
    fn the_best_passage_wins_and_of_equal_ones_the_first() {
        let mut candidate = Candidate::new(DocId(3));
        for (passage, score) in [(2, 0.5), (0, 0.7), (1, 0.7)] {
            candidate.add(StageName::DENSE, evidence(passage, score));
        }
        assert_eq!(candidate.best(StageName::DENSE), Some(&evidence(0, 0.7)));
        assert_eq!(candidate.best(StageName::BM25), None);
        candidate.add(StageName::DENSE, evidence(0, 0.1));
        assert_eq!(candidate.best(StageName::DENSE), Some(&evidence(1, 0.7)));
        assert_eq!(candidate.evidence(StageName::DENSE).count(), 3);
        let ranked = candidate.ranked(StageName::DENSE);
        let passages: Vec<_> = ranked.iter().filter_map(|one| one.passage).collect();
        assert_eq!(passages, [1, 2, 0]);
    }

    #[test]
    fn forgetting_a_stage_leaves_the_others() {
        let mut candidate = Candidate::new(DocId(0));
        candidate.add(StageName::BM25, evidence(0, 3.0));
        candidate.add(StageName::CROSS, evidence(0, -1.0));
        candidate.forget(StageName::CROSS);
        assert!(candidate.is_scored_by(StageName::BM25));
        assert!(!candidate.is_scored_by(StageName::CROSS));
    }
}
