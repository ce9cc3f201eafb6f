//! A search result with every score that led to it.

use serde::Serialize;

use crate::candidate::PassageId;
use crate::score::{Score, StageMap};

/// What one stage said of a hit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct StageScore {
    /// As the stage computed it; `None` if it never looked.
    pub raw: Option<Score>,
    /// `raw` on the common scale of the fusion.
    pub normalized: Option<f64>,
    /// `normalized` times the stage's weight: its part of the fused score.
    pub weighted: f64,
    /// Rank from 1 among the candidates that the stage scored; `None` if it never looked.
    pub rank: Option<u32>,
}

/// One result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hit {
    /// From 1.
    pub rank: u32,
    /// The corpus's name of the document.
    pub id: String,
    /// The fused score: the sum of the weighted scores.
    pub score: f64,
    /// The passage that was scored.
    pub passage: PassageId,
    /// Title of the document, possibly empty.
    pub title: String,
    /// Text of the passage.
    pub text: String,
    /// Score by stage.
    pub stages: StageMap<StageScore>,
    /// Tokens of the passage that the cross-encoder could not read.
    pub tokens_cut: u32,
}
