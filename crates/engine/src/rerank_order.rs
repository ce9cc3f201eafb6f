//! Which candidates a reranker scores first.

use treffer_fusion::{Normalization, Prepared, Weights};
use treffer_types::{Candidate, StageName};

use crate::profile::Order;

/// The `depth` candidates that a reranker would score first, best first, as positions in
/// `candidates`. `before` normalizes the stages that run before it.
///
/// If the order is by a stage that scored nothing, the fusion of all stages is used.
pub(crate) fn first_to_rerank(
    candidates: &[Candidate],
    order: Order,
    before: &Normalization,
    depth: usize,
) -> Vec<usize> {
    let scored_something = |stage: StageName| candidates.iter().any(|one| one.is_scored_by(stage));
    let all: Vec<StageName> = before.normalizers.stages().collect();
    let by = match order {
        Order::Stage(stage) if scored_something(stage) => vec![stage],
        // A stage that scored nothing has no influence on the fusion.
        _ => all,
    };
    match Weights::equal(&by) {
        Some(weights) => Prepared::new(candidates, before).top(&weights, depth),
        // In mode `exhaustive` a reranker may run alone.
        None => (0..candidates.len().min(depth)).collect(),
    }
}
