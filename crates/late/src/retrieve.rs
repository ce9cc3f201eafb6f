//! Retrieves passages from the whole index: those that lists of centroids promise most, scored
//! exactly.
//!
//! For each token of the query the nearest centroids are probed, and a passage in the list of one of
//! them has a token about as near as it is (PLAID: Santhanam et al. 2022,
//! <https://arxiv.org/abs/2205.09707>). In none of them, it is at most as near as the last one
//! probed, which is what counts then (XTR: Lee et al. 2023, <https://arxiv.org/abs/2304.01982>).
//! The sum over the query's tokens is an estimate of MaxSim, and the passages with the greatest are
//! scored by their tokens. Everything is computed in a fixed order, so that results depend neither
//! on the processor nor on the number of threads.

use std::cmp::Ordering;
use std::cmp::Reverse;

use fixedbitset::FixedBitSet;
use rayon::prelude::*;
use treffer_kernels::maxsim::Query;
use treffer_types::{PassageId, Score};

use crate::error::Error;
use crate::index::{LateIndex, LateQuery, Place, score};
use crate::lists::Lists;
use crate::part::Part;

/// How much of an index a retrieval looks at. With more of either it takes longer and misses less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruning {
    /// Centroids that are probed for each token of the query, at least 1.
    pub probes: usize,
    /// Passages of each part that are scored by their tokens.
    pub candidates: usize,
}

impl LateIndex {
    /// The best passages of the `allowed` documents (all if `None`) that are not deleted, at most
    /// `depth`, best first, equal scores by passage: their scores are exact, but a passage that
    /// lists of centroids do not show to be near may be missing. A part without lists, or with no
    /// more passages to search than candidates, is scanned.
    ///
    /// # Errors
    /// As [`score_docs`](Self::score_docs).
    pub fn retrieve(
        &self,
        query: &LateQuery,
        depth: usize,
        pruning: Pruning,
        allowed: Option<&FixedBitSet>,
    ) -> Result<Vec<(PassageId, Score)>, Error> {
        let pruning = Pruning {
            probes: pruning.probes.max(1),
            candidates: pruning.candidates.max(depth),
        };
        let packed = query.for_floats();
        let of_part = |part| -> Result<Vec<Place<'_>>, Error> {
            let rows = candidates(part, &packed, pruning, allowed)?;
            Ok(rows.into_iter().map(|row| (part, row)).collect())
        };
        let places: Result<Vec<_>, _> = self.parts.par_iter().map(of_part).collect();
        let mut scored = score(query, &places?.concat())?;
        // Rows of a part are ascending, and parts in the order of their documents.
        scored.sort_by_key(|&(_, score)| Reverse(score));
        scored.truncate(depth);
        Ok(scored)
    }

    /// Number of passages of parts that have no lists although they are large enough, which
    /// [`retrieve`](Self::retrieve) scans: an earlier version of this program wrote them.
    pub fn unlisted(&self) -> usize {
        let parts = self.parts.iter();
        let parts = parts.filter(|part| part.lists.is_none() && part.passages.len() >= LISTS_FROM);
        parts.map(Part::live).sum()
    }
}

/// Passages from which on a part has lists, unless a writer is told otherwise.
pub(crate) const LISTS_FROM: usize = 512;

/// The rows of a part that are to be scored, ascending.
fn candidates(
    part: &Part,
    query: &Query,
    pruning: Pruning,
    allowed: Option<&FixedBitSet>,
) -> Result<Vec<u32>, Error> {
    let rows = part.live_rows(allowed)?;
    match &part.lists {
        Some(lists) if rows.len() > pruning.candidates => {
            let estimates = estimates(lists, query, pruning.probes, part.passages.len())?;
            Ok(best(rows, &estimates, pruning.candidates))
        }
        _ => Ok(rows),
    }
}

/// The `n` rows with the greatest estimates, of equal ones the first, ascending.
pub(crate) fn best(mut rows: Vec<u32>, estimates: &[f32], n: usize) -> Vec<u32> {
    if n == 0 || n >= rows.len() {
        rows.truncate(n);
        return rows;
    }
    let estimate = |row: &u32| estimates[*row as usize];
    rows.select_nth_unstable_by(n - 1, |a, b| {
        estimate(b).total_cmp(&estimate(a)).then(a.cmp(b))
    });
    rows.truncate(n);
    rows.sort_unstable();
    rows
}

/// For each row, by how much the sum of its similarities is estimated to exceed that of a row in
/// none of the probed lists.
pub(crate) fn estimates(
    lists: &Lists,
    query: &Query,
    probes: usize,
    rows: usize,
) -> Result<Vec<f32>, Error> {
    let products = query.products(lists.centroids()?);
    let mut sums = vec![0.0f32; rows];
    // The last token of the query, from 1, that was added to the sum of a row.
    let mut counted = vec![0u32; rows];
    for (products, token) in products.chunks_exact(lists.len()).zip(1..) {
        let probed = nearest(products, probes);
        let least = probed.last().map_or(0.0, |&centroid| products[centroid]);
        for centroid in probed {
            let gain = products[centroid] - least;
            // The nearest come first, so the first list that has a row counts.
            lists.for_each(centroid, |row| {
                let row = row as usize;
                if counted[row] != token {
                    counted[row] = token;
                    sums[row] += gain;
                }
            })?;
        }
    }
    Ok(sums)
}

/// The centroids with the greatest products, best first, of equal ones the first.
fn nearest(products: &[f32], probes: usize) -> Vec<usize> {
    let by_product =
        |a: &usize, b: &usize| -> Ordering { products[*b].total_cmp(&products[*a]).then(a.cmp(b)) };
    let mut centroids: Vec<usize> = (0..products.len()).collect();
    if probes < centroids.len() {
        centroids.select_nth_unstable_by(probes, by_product);
        centroids.truncate(probes);
    }
    centroids.sort_unstable_by(by_product);
    centroids
}
