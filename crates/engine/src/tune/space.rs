//! What a search may choose from, and the candidates that a choice would have had.

use std::collections::BTreeSet;

use treffer_fusion::{Normalizer, Weights};
use treffer_types::{Candidate, PassageId, Score, StageMap, StageName};

use crate::profile::{CrossOrder, FirstStage, Mode, Profile};
use crate::stages::promise;
use crate::tune::Search;
use crate::tune::report::{Choice, Setup};

/// Depths of the cross-encoder that are tried, as far as the profile reads so deep.
const CROSS_DEPTHS: [usize; 6] = [0, 10, 25, 50, 100, 200];

/// Parts of the profile's depth to which a first stage is cut: a quarter, half, all.
const DEPTH_DIVISORS: [usize; 3] = [4, 2, 1];

/// Constants of reciprocal ranks that are tried.
const RANK_CONSTANTS: [u32; 4] = [10, 30, 60, 100];

/// Everything that a search may choose.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Space {
    pub(crate) search: Search,
    /// The stages that are weighed.
    pub(crate) stages: Vec<StageName>,
    /// The profile's own setup, with which every search begins.
    pub(crate) current: Setup,
    /// Its weights over these stages; equal ones if it gives them nothing.
    pub(crate) current_weights: Weights,
    mode: Mode,
    first_stage: FirstStage,
    /// Steps from weight 0 to weight 1.
    pub(crate) steps: u32,
}

impl Space {
    pub(crate) fn new(profile: &Profile, search: Search, stages: &[StageName], steps: u32) -> Self {
        let weights = match profile.fusion(stages) {
            Some(fusion) => fusion.weights,
            None => Weights::equal(stages).unwrap_or(profile.weights),
        };
        Space {
            search,
            stages: stages.to_vec(),
            current: Choice::of(profile, weights).setup,
            current_weights: weights,
            mode: profile.mode,
            first_stage: profile.first_stage,
            steps,
        }
    }

    /// The profile's own choice.
    pub(crate) fn current_choice(&self) -> Choice {
        Choice {
            setup: self.current,
            weights: self.current_weights,
        }
    }

    pub(crate) fn is_exhaustive(&self) -> bool {
        self.mode == Mode::Exhaustive
    }

    fn runs(&self, stage: StageName) -> bool {
        self.stages.contains(&stage)
    }

    /// Whether the first stage's depth decides which candidates there are.
    fn brings_in(&self, stage: StageName) -> bool {
        let is_first = match (self.mode, stage) {
            (_, StageName::Cross) | (Mode::Exhaustive, _) => false,
            (Mode::Hybrid, _) => true,
            (Mode::Cascade, StageName::Bm25) => true,
            (Mode::Cascade, StageName::Dense) => !self.runs(StageName::Bm25),
            (Mode::TwoStage, StageName::Bm25) => self.first_stage == FirstStage::Bm25,
            (Mode::TwoStage, StageName::Dense) => self.first_stage == FirstStage::Dense,
        };
        is_first && self.runs(stage)
    }

    /// Every combination of depths, the profile's own among them.
    pub(crate) fn depth_setups(&self) -> Vec<Setup> {
        let current = self.current;
        if self.search == Search::Weights {
            return vec![current];
        }
        let firsts = |stage, depth: usize| -> BTreeSet<usize> {
            match self.brings_in(stage) {
                true => DEPTH_DIVISORS
                    .iter()
                    .map(|divisor| (depth / divisor).max(1))
                    .collect(),
                false => BTreeSet::from([depth]),
            }
        };
        let reads = self.runs(StageName::Cross) && !self.is_exhaustive();
        let mut crosses = BTreeSet::from([current.cross_depth]);
        if reads {
            crosses.extend(
                CROSS_DEPTHS
                    .into_iter()
                    .filter(|depth| *depth < current.cross_depth),
            );
        }
        let mut setups = Vec::new();
        for bm25_depth in firsts(StageName::Bm25, current.bm25_depth) {
            for dense_depth in firsts(StageName::Dense, current.dense_depth) {
                for cross_depth in crosses.iter().copied() {
                    setups.push(Setup {
                        bm25_depth,
                        dense_depth,
                        cross_depth,
                        ..current
                    });
                }
            }
        }
        setups
    }

    /// The orders in which the cross-encoder may read.
    pub(crate) fn orders(&self) -> Vec<CrossOrder> {
        let has_both = self.runs(StageName::Bm25) && self.runs(StageName::Dense);
        let reads = self.runs(StageName::Cross) && !self.is_exhaustive();
        match self.search == Search::Full && has_both && reads {
            true => vec![CrossOrder::Bm25, CrossOrder::Dense, CrossOrder::Fused],
            false => vec![self.current.cross_order],
        }
    }

    /// The normalizers of one stage; `fitted` is the cross-encoder's sigmoid.
    pub(crate) fn normalizers(&self, stage: StageName, fitted: Normalizer) -> Vec<Normalizer> {
        if self.search == Search::Weights || !self.runs(stage) {
            return vec![self.current.normalizers[stage]];
        }
        let bounded = match stage {
            StageName::Cross => fitted,
            first => Normalizer::theoretical(first),
        };
        let mut all = vec![
            Normalizer::MinMax,
            Normalizer::ZScore,
            bounded,
            Normalizer::LinearRank,
            Normalizer::Rank { k: 60 },
        ];
        if !all.contains(&self.current.normalizers[stage]) {
            all.push(self.current.normalizers[stage]);
        }
        all
    }

    /// Normalizers of all stages at once: reciprocal ranks with several constants.
    pub(crate) fn rank_fusions(&self) -> Vec<StageMap<Normalizer>> {
        if self.search == Search::Weights {
            return Vec::new();
        }
        RANK_CONSTANTS
            .into_iter()
            .map(|k| StageMap::from_fn(|_| Normalizer::Rank { k }))
            .collect()
    }

    /// The weightings that are compared: every point of the simplex with `steps`.
    pub(crate) fn weights(&self, steps: u32) -> Vec<Weights> {
        Weights::simplex(steps, &self.stages).collect()
    }

    /// Steps of the grid on which setups are compared, a divisor of the final one.
    pub(crate) fn coarse_steps(&self) -> u32 {
        const ENOUGH: u32 = 10;
        (1..=ENOUGH)
            .rev()
            .find(|steps| self.steps.is_multiple_of(*steps) && *steps * 2 >= ENOUGH)
            .unwrap_or(self.steps)
    }

    /// The places in `candidates` that the cross-encoder reads under some choice.
    pub(crate) fn places_to_read(&self, candidates: &[Candidate]) -> Vec<usize> {
        let fitted = Normalizer::theoretical(StageName::Cross); // has no say in the order
        let mut pairs: Vec<StageMap<Normalizer>> = vec![self.current.normalizers];
        for bm25 in self.normalizers(StageName::Bm25, fitted) {
            for dense in self.normalizers(StageName::Dense, fitted) {
                let cross = fitted;
                pairs.push(StageMap { bm25, dense, cross });
            }
        }
        pairs.extend(self.rank_fusions());
        pairs.push(StageMap::from_fn(|_| Normalizer::Rank { k: 60 }));
        let deepest = |setup: &Setup| setup.cross_depth == self.current.cross_depth;
        let mut places = BTreeSet::new();
        for setup in self.depth_setups().into_iter().filter(deepest) {
            let kept = self.kept(candidates, &setup);
            let pool: Vec<Candidate> = kept.iter().map(|at| candidates[*at]).collect();
            for order in self.orders() {
                let depends = order == CrossOrder::Fused;
                for normalizers in pairs.iter().take(if depends { pairs.len() } else { 1 }) {
                    let read = promise(&pool, order, normalizers, setup.cross_depth);
                    places.extend(read.into_iter().map(|at| kept[at]));
                }
            }
        }
        places.into_iter().collect()
    }

    /// What gathering with `setup` would have given: candidates with the scores they
    /// would have had, and their places among those that were gathered.
    pub(crate) fn derive(
        &self,
        candidates: &[Candidate],
        setup: &Setup,
    ) -> (Vec<Candidate>, Vec<usize>) {
        let all = || (0..candidates.len()).collect();
        if self.search == Search::Weights {
            return (candidates.to_vec(), all());
        }
        let kept = self.kept(candidates, setup);
        let mut pool: Vec<Candidate> = kept.iter().map(|at| candidates[*at]).collect();
        if !self.is_exhaustive() && self.runs(StageName::Cross) {
            let read = promise(
                &pool,
                setup.cross_order,
                &setup.normalizers,
                setup.cross_depth,
            );
            let mut is_read = vec![false; pool.len()];
            read.into_iter().for_each(|at| is_read[at] = true);
            for (candidate, is_read) in pool.iter_mut().zip(is_read) {
                if !is_read {
                    *candidate = unread(candidate);
                }
            }
        }
        (pool, kept)
    }

    /// The places of the candidates that first stages of these depths bring in.
    ///
    /// The best of a deep list are the short list, but for a graph search, where a
    /// neighbor that it missed may have come in through BM25.
    fn kept(&self, candidates: &[Candidate], setup: &Setup) -> Vec<usize> {
        let depths = [
            (StageName::Bm25, setup.bm25_depth, self.current.bm25_depth),
            (
                StageName::Dense,
                setup.dense_depth,
                self.current.dense_depth,
            ),
        ];
        let brings = depths
            .into_iter()
            .filter(|(stage, _, _)| self.brings_in(*stage));
        if brings.clone().all(|(_, depth, deepest)| depth == deepest) {
            return (0..candidates.len()).collect();
        }
        let mut kept = BTreeSet::new();
        for (stage, depth, _) in brings {
            kept.extend(best(candidates, stage, depth));
        }
        kept.into_iter().collect()
    }
}

/// The places of the `depth` candidates that the stage likes best. BM25 finds nothing
/// that scores 0.
fn best(candidates: &[Candidate], stage: StageName, depth: usize) -> Vec<usize> {
    let mut order: Vec<(Score, PassageId, usize)> = candidates
        .iter()
        .enumerate()
        .filter_map(|(at, candidate)| Some((candidate.scores.get(stage)?, candidate.passage, at)))
        .filter(|(score, _, _)| stage != StageName::Bm25 || *score > Score::ZERO)
        .collect();
    let better_first = |a: &(Score, PassageId, usize), b: &(Score, PassageId, usize)| {
        b.0.cmp(&a.0).then(a.1.cmp(&b.1))
    };
    if depth < order.len() {
        order.select_nth_unstable_by(depth, better_first);
        order.truncate(depth);
    }
    order.into_iter().map(|(_, _, at)| at).collect()
}

/// The candidate as if the cross-encoder had not looked at it.
fn unread(candidate: &Candidate) -> Candidate {
    let mut bare = Candidate::new(candidate.passage);
    for stage in [StageName::Bm25, StageName::Dense] {
        if let Some(score) = candidate.scores.get(stage) {
            bare.scores.set(stage, score);
        }
    }
    bare
}
