//! From raw scores to a common scale, one stage at a time.
//!
//! A new normalizer is a variant of [`Normalizer`] with its arms in `refusal` and `fit`
//! (and in `Map::apply` if its formula is new) in this file, its text form in `text.rs`,
//! and a line in the help of `treffer fuse` and in `configs/english.toml`. The tuner tries it
//! once `engine/src/tune/space.rs` lists it.
//!
//! It must keep the order of the scores, and keep different scores different except where they
//! meet in rounding. The property tests in `prepared/tests.rs` check this on what the generators
//! in `testing.rs` return, so a new normalizer goes there too: into `monotone` if raising one
//! score never worsens that candidate's rank (into `bounded` if its values are also in 0..=1),
//! and otherwise into `fusions`, with a sentence on [`Normalizer`]. Its formula is written
//! again in `prepared/tests.rs` and `engine/tests/it/oracle.rs` (there with a generator), and
//! its cases are added to the lists in `normalizer/tests.rs`.

use serde::{Deserialize, Serialize, Serializer};

use crate::columns::Column;

/// How one stage's raw scores are brought to the scale on which stages are summed.
///
/// Each looks only at the scores that the stage gave to the pool, and none ever
/// ranks a lower raw score above a higher one. A candidate that the stage has not
/// scored, while it scored others, gets the smallest of their normalized scores,
/// or 0 if that is smaller: never the pool's average, which is what 0 would mean
/// among z-scores.
///
/// Raising one raw score never worsens that candidate's fused rank, with two
/// exceptions. Under `ZScore`, raising a low outlier shrinks the standard deviation,
/// which can widen its gap to the others. Under `TheoreticalMin`, scores below `low` come
/// nearer to 0 as the largest rises.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
// With `remote = "Self"` serde derives plain functions instead of the traits, so that
// `Deserialize` in `text.rs` can check what was read.
#[serde(remote = "Self", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Normalizer {
    /// `(s - min) / (max - min)` over the pool, in 0..=1. If all scores are equal,
    /// or if there is only one, each is 0.5.
    MinMax,
    /// `(s - mean) / deviation` over the pool, with the population's standard
    /// deviation; unbounded. If all scores are equal, each is 0.
    ZScore,
    /// `1 / (k + rank)`, rank from 1: one term of reciprocal rank fusion (Cormack,
    /// Clarke and Büttcher, SIGIR 2009, who used k = 60). Equal scores share the
    /// better rank (1, 2, 2, 4), so that their order does not matter. In 0..=1.
    Rank {
        /// Larger values flatten the difference between first and later ranks.
        k: u32,
    },
    /// `(n + 1 - rank) / n` over the n scores of the pool: 1 for the best, falling in
    /// equal steps (the points of Borda's count). Equal scores share the better rank.
    /// Above 0, up to 1.
    LinearRank,
    /// `(s - low) / (max - low)`: min-max with the theoretical minimum of the scores in
    /// place of the pool's (Bruch, Gai and Ingber, ACM Transactions on Information
    /// Systems, 2023), so that the worst of a good pool is not 0. Not clipped: a score
    /// below `low` becomes negative. If no score is above `low`, each becomes its
    /// difference from the largest, which is 0 or less.
    TheoreticalMin {
        /// What becomes 0: 0 for BM25, -1 for a cosine.
        low: f64,
    },
    /// `(s - low) / (high - low)` with fixed bounds, theoretical (-1 and 1 for a
    /// cosine) or calibrated on the index. Comparable from query to query. Not
    /// clipped: a score outside the bounds lands outside 0..=1, because clipping
    /// would make the best candidates of a good query equal.
    Bounds {
        /// What becomes 0.
        low: f64,
        /// What becomes 1; above `low`.
        high: f64,
    },
    /// `1 / (1 + exp(-(slope * s + offset)))`, in 0..=1: a probability of relevance
    /// once slope and offset are fitted on judged queries (Platt, Advances in Large
    /// Margin Classifiers, 1999). Computed in `f64`, so that logits below about 35
    /// stay apart. Comparable from query to query.
    Sigmoid {
        /// Above 0.
        slope: f64,
        /// Any number.
        offset: f64,
    },
}

impl Normalizer {
    /// Why the settings are invalid; `None` if they are valid.
    pub(crate) fn refusal(self) -> Option<&'static str> {
        match self {
            Normalizer::MinMax
            | Normalizer::ZScore
            | Normalizer::Rank { .. }
            | Normalizer::LinearRank => None,
            Normalizer::TheoreticalMin { low } => (!low.is_finite())
                .then_some("low is not a finite number; it is 0 for BM25, -1 for a cosine"),
            Normalizer::Bounds { low, high } => {
                let is_range = low.is_finite() && high.is_finite() && low < high;
                (!is_range).then_some("low must be below high, and both must be finite")
            }
            Normalizer::Sigmoid { slope, offset } => {
                let rises = slope.is_finite() && offset.is_finite() && slope > 0.0;
                (!rises).then_some(
                    "it does not rise with the score; slope must be above 0, and both finite",
                )
            }
        }
    }

    /// One stage's column of finite scores, normalized. `None` if it scored nothing.
    pub(crate) fn normalize(self, raw: &[Option<f64>]) -> Option<Column> {
        let map = self.fit(raw)?;
        let ranks = ranks(raw);
        let normalized: Vec<Option<f64>> = raw
            .iter()
            .zip(&ranks)
            .map(|(score, rank)| Some(map.apply((*score)?, (*rank)?)))
            .collect();
        let floor = normalized.iter().flatten().copied().fold(0.0, f64::min);
        Some(Column {
            values: normalized
                .iter()
                .map(|value| value.unwrap_or(floor))
                .collect(),
            ranks,
            floor,
        })
    }

    /// Fits what depends on the pool; `None` if there are no scores.
    fn fit(self, raw: &[Option<f64>]) -> Option<Map> {
        let scores = || raw.iter().flatten().copied();
        let min = scores().reduce(f64::min)?;
        let max = scores().reduce(f64::max)?;
        Some(match self {
            Normalizer::MinMax if min == max => Map::Constant(0.5),
            Normalizer::MinMax => Map::Linear {
                zero: min,
                unit: max - min,
            },
            Normalizer::ZScore if min == max => Map::Constant(0.0),
            Normalizer::ZScore => {
                let n = scores().count() as f64;
                let mean = scores().sum::<f64>() / n;
                let variance = scores().map(|s| (s - mean) * (s - mean)).sum::<f64>() / n;
                Map::Linear {
                    zero: mean,
                    unit: variance.sqrt(),
                }
            }
            Normalizer::Rank { k } => Map::Rank { k },
            Normalizer::LinearRank => Map::LinearRank {
                n: scores().count() as f64,
            },
            Normalizer::TheoreticalMin { low } if max <= low => Map::Linear {
                zero: max,
                unit: 1.0,
            },
            Normalizer::TheoreticalMin { low } => Map::Linear {
                zero: low,
                unit: max - low,
            },
            Normalizer::Bounds { low, high } => Map::Linear {
                zero: low,
                unit: high - low,
            },
            Normalizer::Sigmoid { slope, offset } => Map::Sigmoid { slope, offset },
        })
    }
}

/// A normalizer fitted to a pool.
enum Map {
    Constant(f64),
    Linear { zero: f64, unit: f64 },
    Rank { k: u32 },
    LinearRank { n: f64 },
    Sigmoid { slope: f64, offset: f64 },
}

/// Far beyond any score and far from overflow, even when weighted and summed.
pub(crate) const LARGEST: f64 = 1e150;

impl Map {
    fn apply(&self, score: f64, rank: u32) -> f64 {
        let value = match *self {
            Map::Constant(value) => value,
            Map::Linear { zero, unit } => (score - zero) / unit,
            Map::Rank { k } => 1.0 / (f64::from(k) + f64::from(rank)),
            Map::LinearRank { n } => (n + 1.0 - f64::from(rank)) / n,
            Map::Sigmoid { slope, offset } => 1.0 / (1.0 + (-(slope * score + offset)).exp()),
        };
        // Only settings with a `refusal` give NaN; fusing stays total even then.
        if value.is_nan() {
            0.5
        } else {
            value.clamp(-LARGEST, LARGEST)
        }
    }
}

/// Rank from 1 by score; equal scores share the better rank.
fn ranks(raw: &[Option<f64>]) -> Vec<Option<u32>> {
    let mut order: Vec<(f64, usize)> = (0..)
        .zip(raw)
        .filter_map(|(i, score)| Some(((*score)?, i)))
        .collect();
    order.sort_unstable_by(|(a, _), (b, _)| b.total_cmp(a));
    let mut ranks = vec![None; raw.len()];
    let mut shared = 0;
    for (place, &(_, i)) in (1_u32..).zip(&order) {
        if place == 1 || raw[i] != raw[order[place as usize - 2].1] {
            shared = place;
        }
        ranks[i] = Some(shared);
    }
    ranks
}

impl Serialize for Normalizer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Normalizer::serialize(self, serializer)
    }
}

mod platt;

#[cfg(test)]
mod tests;
