//! The cross-encoder's logits as probabilities of relevance.

use treffer_fusion::Normalizer;
use treffer_types::{Grade, StageName};

use crate::tune::pool::Pool;

/// The plain sigmoid of a logit.
const PLAIN_SIGMOID: Normalizer = Normalizer::Sigmoid {
    slope: 1.0,
    offset: 0.0,
};

/// The sigmoid that makes logits probabilities of relevance, fitted by [`Normalizer::platt`]
/// on the candidates of `queries` that the reranker has scored. Unjudged documents count as
/// not relevant.
///
/// Without a fit it is the plain sigmoid: if nothing was scored, if all or none of it is
/// relevant, or if relevance does not rise with the logit.
pub(crate) fn platt<'a>(
    queries: impl Iterator<Item = &'a Pool>,
    reranker: Option<StageName>,
) -> Normalizer {
    let mut pairs: Vec<(f64, bool)> = Vec::new();
    for pool in queries {
        for (candidate, grade) in pool.candidates.iter().zip(&pool.grades) {
            if let Some(score) = reranker.and_then(|stage| candidate.best_score(stage)) {
                let is_relevant = grade.is_some_and(|grade: Grade| grade > 0);
                pairs.push((f64::from(score.value()), is_relevant));
            }
        }
    }
    Normalizer::platt(&pairs).unwrap_or(PLAIN_SIGMOID)
}
