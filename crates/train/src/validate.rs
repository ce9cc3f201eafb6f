//! Measures a model on examples that it does not learn from.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};
use treffer_encoder::parts::Parts;
use treffer_eval::Metric;
use treffer_types::{Grade, Progress};

use crate::error::Error;
use crate::example::{Example, ValueKind};
use crate::machine::{Machine, tokenize};
use crate::options::Kind;
use crate::shape::Output;
use crate::similarity;
use crate::transformer::Model;

/// Means over the held-out queries.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// nDCG@10.
    pub ndcg: f64,
    /// Reciprocal rank within the first ten.
    pub rr: f64,
    /// Number of queries.
    pub queries: usize,
}

/// Whether an example can be held out: several passages with grades, one above 0.
pub(crate) fn is_usable(example: &Example) -> bool {
    let mut labels = example.values.iter();
    example.kind == ValueKind::Labels
        && example.passages.len() > 1
        && labels.any(|&label| label > 0.0)
}

/// Examples that are in memory as tokens at a time.
const AT_ONCE: usize = 64;

/// How well `model` ranks the passages of each of `held_out`. `progress` counts queries; `None` if
/// it was cancelled, which is asked before each pack of sequences.
pub(crate) fn validate(
    model: &Model,
    kind: Kind,
    parts: &Parts,
    machine: &mut Machine,
    held_out: &[&Example],
    progress: &dyn Progress,
) -> Result<Option<Quality>, Error> {
    let cutoff = NonZeroUsize::new(10);
    let ndcg = Metric::Ndcg { cutoff };
    let rr = Metric::ReciprocalRank { rel: 1, cutoff };
    let (mut ndcgs, mut rrs) = (0.0, 0.0);
    for some in held_out.chunks(AT_ONCE) {
        let keyed: Vec<(u64, &Example)> = (0..).zip(some.iter().copied()).collect();
        let tokens = tokenize(parts, kind, &keyed)?;
        let Some(outputs) = machine.run(model, &tokens, progress) else {
            return Ok(None);
        };
        for (example, outputs) in some.iter().zip(outputs) {
            let scores = match model.output {
                Output::Logits => relevance(&outputs, model.shape.classes),
                Output::MeanVector | Output::FirstVector => {
                    similarity::cosines(&outputs, model.shape.hidden)
                }
            };
            let mut order: Vec<usize> = (0..scores.len()).collect();
            // Ties rank the last first, so that a model that scores all alike gains nothing
            // from a file that lists what is relevant first.
            order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(b.cmp(&a)));
            let ids: Vec<String> = (0..scores.len()).map(|index| index.to_string()).collect();
            let grades = example.values.iter().map(|&label| label.ceil() as Grade);
            let judged: BTreeMap<String, Grade> = ids.iter().cloned().zip(grades).collect();
            let ranking = || order.iter().map(|&index| ids[index].as_str());
            ndcgs += ndcg.score(ranking(), Some(&judged));
            rrs += rr.score(ranking(), Some(&judged));
        }
    }
    let queries = held_out.len();
    Ok(Some(Quality {
        ndcg: ndcgs / queries as f64,
        rr: rrs / queries as f64,
        queries,
    }))
}

/// One score for each passage: the logit, or with several classes the expected class.
pub(crate) fn relevance(logits: &[f32], classes: usize) -> Vec<f32> {
    if classes == 1 {
        return logits.to_vec();
    }
    let expected = |row: &[f32]| {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let weights: Vec<f32> = row.iter().map(|x| (x - largest).exp()).collect();
        let sum: f32 = weights
            .iter()
            .enumerate()
            .map(|(class, w)| class as f32 * w)
            .sum();
        sum / weights.iter().sum::<f32>()
    };
    logits.chunks_exact(classes).map(expected).collect()
}
