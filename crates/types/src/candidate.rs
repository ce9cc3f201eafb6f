//! What passes between the stages: a passage and the raw scores it has so far.

use serde::{Deserialize, Serialize};

use crate::document::DocId;
use crate::score::{Score, StageMap, StageName};

/// A passage of a document. A document that was not cut has one, number 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PassageId {
    /// The document it belongs to.
    pub doc: DocId,
    /// Its number within the document, from 0.
    pub passage: u32,
}

impl PassageId {
    /// The one passage of a document that was not cut.
    pub fn whole(doc: DocId) -> Self {
        PassageId { doc, passage: 0 }
    }
}

/// Raw scores by stage. `None` means that the stage never looked, which is not zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageScores(StageMap<Option<Score>>);

impl StageScores {
    /// The raw score of `stage`, if it looked.
    pub fn get(&self, stage: StageName) -> Option<Score> {
        self.0[stage]
    }

    /// Records the raw score of `stage`.
    pub fn set(&mut self, stage: StageName, score: Score) {
        self.0[stage] = Some(score);
    }
}

/// A passage that some stage brought in, with the scores given to it so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What is scored. Fusion and ties go by its document.
    pub passage: PassageId,
    /// Raw scores.
    pub scores: StageScores,
    /// How many tokens of the passage the cross-encoder could not read; 0 if it
    /// read all of it or none.
    pub tokens_cut: u32,
}

impl Candidate {
    /// A candidate that no stage has scored.
    pub fn new(passage: PassageId) -> Self {
        Candidate {
            passage,
            scores: StageScores::default(),
            tokens_cut: 0,
        }
    }

    /// The document it belongs to.
    pub fn doc(&self) -> DocId {
        self.passage.doc
    }
}
