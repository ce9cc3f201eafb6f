//! From the scores of a document's passages to one score of the document.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use treffer_types::{Candidate, Score, StageName};

use crate::error::Error;

/// How the raw scores that one stage gave to the passages of a document become the raw
/// score of the document.
///
/// The scores of each stage are aggregated separately, before they are normalized. Only
/// passages that the stage has scored count. A document of one passage gets exactly that
/// passage's score under every aggregation.
///
/// As text, in configuration too: `max`, `first`, `mean`, or `mean:3` for the mean of the three
/// best.
///
/// ```
/// use treffer_fusion::Aggregation;
/// use treffer_types::{Candidate, DocId, Evidence, Score, StageName};
///
/// let mut document = Candidate::new(DocId(0));
/// for (passage, score) in [(0, 0.25), (1, 0.75), (2, 0.5)] {
///     document.add(StageName::DENSE, Evidence::new(passage, Score::new(score).unwrap()));
/// }
/// let mean: Aggregation = "mean:2".parse()?;
/// assert_eq!(mean.aggregate(&document, StageName::DENSE), Score::new(0.625));
/// # Ok::<(), treffer_fusion::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Aggregation {
    /// The score of the best passage (MaxP in Dai and Callan, SIGIR 2019). Passages that
    /// are scored later never lower it.
    #[default]
    Max,
    /// The mean of the scores of the `best` highest-scoring passages, or of all if there
    /// are fewer. It is the sum of the best sentences' scores of Akkalyoncu Yilmaz and
    /// others (EMNLP 2019) with equal weights, divided by their number so that documents
    /// of few passages are not at a disadvantage.
    Mean {
        /// How many passages count at most; at least 1. With 1 it is [`Aggregation::Max`], with
        /// [`u32::MAX`] all count.
        best: u32,
    },
    /// The score of the first passage, or of the first that the stage has scored (FirstP in Dai
    /// and Callan, SIGIR 2019).
    First,
}

impl Aggregation {
    /// The mean of all passages.
    pub const MEAN: Aggregation = Aggregation::Mean { best: u32::MAX };

    /// Checks the setting. Configuration is checked when it is read; this is for an
    /// aggregation made in code.
    ///
    /// # Errors
    /// If `best` is 0.
    pub fn check(self) -> Result<Self, Error> {
        match self {
            Aggregation::Mean { best: 0 } => Err(Error::MeanOfNothing),
            Aggregation::Max | Aggregation::Mean { .. } | Aggregation::First => Ok(self),
        }
    }

    /// The raw score of a document in one stage; `None` if the stage has not scored it.
    pub fn aggregate(self, candidate: &Candidate, stage: StageName) -> Option<Score> {
        match self {
            Aggregation::Max => candidate.best_score(stage),
            Aggregation::Mean { best } => {
                let scores = candidate.evidence(stage).map(|evidence| evidence.score);
                mean_of_best(scores, best)
            }
            Aggregation::First => {
                let first = candidate.evidence(stage).min_by_key(|one| one.passage);
                first.map(|evidence| evidence.score)
            }
        }
    }
}

/// The mean of the highest scores, which are added in descending order so that the order
/// in which the passages were scored does not matter.
fn mean_of_best(mut scores: impl Iterator<Item = Score> + Clone, best: u32) -> Option<Score> {
    let first = scores.clone().next()?;
    if scores.clone().nth(1).is_none() {
        return Some(first);
    }
    let mut descending: Vec<Score> = scores.by_ref().collect();
    descending.sort_unstable_by(|a, b| b.cmp(a));
    // A mean of no passages is refused by `check`; fusing stays total even then.
    descending.truncate(best.max(1) as usize);
    let sum: f64 = descending
        .iter()
        .map(|score| f64::from(score.value()))
        .sum();
    // Finite: the mean lies between finite scores.
    Score::new((sum / descending.len() as f64) as f32)
}

impl FromStr for Aggregation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let unknown = || Error::UnknownAggregation {
            text: text.to_owned(),
        };
        match text.split_once(':') {
            None if text == "max" => Ok(Aggregation::Max),
            None if text == "mean" => Ok(Aggregation::MEAN),
            None if text == "first" => Ok(Aggregation::First),
            Some(("mean", best)) => {
                let best = best.parse().map_err(|_| unknown())?;
                Aggregation::Mean { best }.check()
            }
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Aggregation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Aggregation::Max => f.pad("max"),
            Aggregation::First => f.pad("first"),
            Aggregation::MEAN => f.pad("mean"),
            Aggregation::Mean { best } => f.pad(&format!("mean:{best}")),
        }
    }
}

impl TryFrom<String> for Aggregation {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Aggregation> for String {
    fn from(aggregation: Aggregation) -> Self {
        aggregation.to_string()
    }
}

#[cfg(test)]
mod tests;
