//! A search result with every score that led to it.

use serde::Serialize;

use crate::candidate::PassageId;
use crate::score::Score;
use crate::stage::StageMap;

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

/// What one feature did to a score through the trees of a learned fusion.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FeatureScore {
    /// Its name; `mean` for what the trees give every candidate.
    pub feature: String,
    /// Its value; `None` if it is unknown, as a score that a stage did not give.
    pub value: Option<f32>,
    /// Its part of the score.
    pub part: f64,
}

/// One result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hit {
    /// From 1.
    pub rank: u32,
    /// The corpus's name of the document.
    pub id: String,
    /// The fused score: the sum of the weighted scores, and of what trees added.
    pub score: f64,
    /// The passage that was scored.
    pub passage: PassageId,
    /// Title of the document, possibly empty.
    pub title: String,
    /// Text of the passage.
    pub text: String,
    /// Score by stage.
    pub stages: StageMap<StageScore>,
    /// What the features of a learned fusion added, the strongest first; empty under
    /// weights alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub learned: Vec<FeatureScore>,
    /// Tokens of the passage that the cross-encoder could not read.
    pub tokens_cut: u32,
}
