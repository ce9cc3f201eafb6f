//! What one stage contributes to a hit.

use serde::{Deserialize, Serialize};

use crate::score::Score;
use crate::stage::StageName;

/// The part of one stage in the score of a hit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StageScore {
    /// As the stage computed it; `None` if it did not score the document.
    pub raw: Option<Score>,
    /// `raw` on the common scale of the fusion.
    pub normalized: Option<f64>,
    /// The stage whose score counts in the place of this one's, if one does: see the profile's
    /// `cross_language`. `normalized` is then what counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stand_in: Option<StageName>,
    /// `normalized` times the stage's weight: its part of the fused score.
    pub weighted: f64,
    /// Rank from 1 among the candidates that the stage scored; `None` if it did not
    /// score this one.
    pub rank: Option<u32>,
}
