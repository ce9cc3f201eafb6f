//! What a search may choose from, and the candidates that a choice would have gathered.

use std::collections::BTreeSet;

use treffer_fusion::{Aggregation, Normalization, Normalizer, Weights};
use treffer_types::{Candidate, DocId, Evidence, Score, StageMap, StageName};

use crate::pipeline::Pipeline;
use crate::profile::{Order, Profile, Scaling};
use crate::rerank_order::first_to_rerank;
use crate::settled::n_until_settled;
use crate::stages::LEAST_BM25;
use crate::tune::Search;
use crate::tune::prior::PriorWeights;
use crate::tune::setup::{Choice, Setup};

/// Depths of the reranker that are tried, up to the profile's own.
const RERANK_DEPTHS: [usize; 6] = [0, 10, 25, 50, 100, 200];

/// Fractions of the profile's depth of a retrieval that are tried: a quarter, half, all.
const DEPTH_DIVISORS: [usize; 3] = [4, 2, 1];

/// How long the reranker goes on without a change of the best ten, that are tried beside never
/// stopping.
const PATIENCES: [usize; 4] = [5, 10, 20, 40];

/// Constants of reciprocal ranks that are tried.
const RANK_CONSTANTS: [u32; 4] = [10, 30, 60, 100];

/// Shares of the bi-encoder's score that stand in for BM25.
const CROSS_LANGUAGES: [f64; 4] = [0.0, 0.4, 0.8, 1.0];

/// What the index holds that leaves something to choose.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Corpus {
    /// Whether documents have several passages.
    pub(crate) is_split: bool,
    pub(crate) has_several_languages: bool,
}

/// Everything that a search may choose.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Space {
    pub(crate) search: Search,
    /// What gathers. Its stages are those that are given weights.
    pub(crate) pipeline: Pipeline,
    /// The profile's own setup, with which every search starts.
    pub(crate) current: Setup,
    /// Its weights over these stages; equal ones if it gives them none.
    pub(crate) current_weights: Weights,
    /// What the weights are drawn towards, if anything.
    pub(crate) prior: Option<PriorWeights>,
    corpus: Corpus,
    /// Steps from weight 0 to weight 1.
    pub(crate) steps: u32,
}

impl Space {
    pub(crate) fn new(
        profile: &Profile,
        search: Search,
        pipeline: &Pipeline,
        corpus: Corpus,
        steps: u32,
    ) -> Self {
        let weights = match pipeline.fusion(profile) {
            Some(fusion) => fusion.weights,
            None => Weights::equal(pipeline.stages()).unwrap_or_else(|| profile.weights.clone()),
        };
        let mut current = Setup::of(profile);
        for stage in pipeline.stages() {
            current
                .normalizers
                .insert(*stage, profile.normalizer(*stage));
        }
        Space {
            search,
            pipeline: pipeline.clone(),
            current,
            current_weights: weights,
            prior: None,
            corpus,
            steps,
        }
    }

    /// The space with a prior for the weights.
    pub(crate) fn towards(self, prior: Option<PriorWeights>) -> Self {
        Space { prior, ..self }
    }

    /// The stages that are given weights.
    pub(crate) fn stages(&self) -> &[StageName] {
        self.pipeline.stages()
    }

    /// The stage that scores only the best candidates, if one runs.
    pub(crate) fn reranker(&self) -> Option<StageName> {
        self.pipeline.reranker()
    }

    /// The reranker, unless it scores every document, which leaves nothing to choose.
    fn choosable_reranker(&self) -> Option<StageName> {
        let scores_all = self.pipeline.scores_every_document();
        self.reranker().filter(|_| !scores_all)
    }

    /// The profile's own choice.
    pub(crate) fn current_choice(&self) -> Choice {
        Choice {
            setup: self.current.clone(),
            weights: self.current_weights.clone(),
        }
    }

    /// How a setup normalizes the stages.
    pub(crate) fn normalization(&self, setup: &Setup) -> Normalization {
        self.pipeline.normalization(setup.scaling())
    }

    /// How many candidates the reranker scores under a setup; 0 without one.
    pub(crate) fn rerank_depth(&self, setup: &Setup) -> usize {
        let Some(stage) = self.reranker() else {
            return 0;
        };
        let usual = || self.pipeline.reranks(stage).map_or(0, |(depth, _)| depth);
        setup.depths.get(stage).unwrap_or_else(usual)
    }

    fn retrieval_depth(&self, setup: &Setup, stage: StageName) -> usize {
        let usual = || self.pipeline.retrieves(stage).unwrap_or(0);
        setup.depths.get(stage).unwrap_or_else(usual)
    }

    fn retrievers(&self) -> impl Iterator<Item = StageName> + '_ {
        let stages = self.stages().iter().copied();
        stages.filter(|stage| self.pipeline.retrieves(*stage).is_some())
    }

    /// Every combination of depths, the profile's own among them, and the ways to stop before the
    /// reranker's full depth.
    pub(crate) fn depth_setups(&self) -> Vec<Setup> {
        let current = self.current.clone();
        if self.search == Search::Weights {
            return vec![current];
        }
        let mut setups = vec![current.clone()];
        for stage in self.retrievers() {
            let depth = self.retrieval_depth(&current, stage);
            let divided = DEPTH_DIVISORS
                .iter()
                .map(|divisor| (depth / divisor).max(1));
            setups = with_depths(&setups, stage, &divided.collect());
        }
        if let Some(stage) = self.choosable_reranker() {
            let depth = self.rerank_depth(&current);
            let shallower = RERANK_DEPTHS.into_iter().filter(|tried| *tried < depth);
            let mut patient = Vec::new();
            for tried in PATIENCES.into_iter().chain([0]) {
                if tried != current.cross_patience && tried < depth {
                    patient.extend(setups.iter().cloned().map(|setup| Setup {
                        cross_patience: tried,
                        ..setup
                    }));
                }
            }
            setups = with_depths(&setups, stage, &shallower.chain([depth]).collect());
            // At the full depth only: stopping early is another way to be shallow.
            setups.extend(patient);
        }
        setups
    }

    /// The orders in which the reranker may take candidates.
    pub(crate) fn orders(&self) -> Vec<Order> {
        let scorers = self.pipeline.query_scorers();
        let is_free =
            self.search == Search::Full && scorers.len() > 1 && self.choosable_reranker().is_some();
        if !is_free {
            return vec![self.current.cross_order];
        }
        scorers
            .into_iter()
            .map(Order::Stage)
            .chain([Order::Fused])
            .collect()
    }

    /// How the scores of a document's passages may become its score.
    pub(crate) fn aggregations(&self) -> Vec<Aggregation> {
        let current = self.current.aggregation;
        if self.search == Search::Weights || !self.corpus.is_split {
            return vec![current];
        }
        let mut all = vec![
            Aggregation::Max,
            Aggregation::Mean { best: 2 },
            Aggregation::Mean { best: 3 },
            Aggregation::MEAN,
            Aggregation::First,
        ];
        if !all.contains(&current) {
            all.push(current);
        }
        all
    }

    /// What may stand in for BM25 in documents of another language than the query.
    pub(crate) fn cross_languages(&self) -> Vec<f64> {
        let current = self.current.cross_language;
        if self.search == Search::Weights || !self.corpus.has_several_languages {
            return vec![current];
        }
        let mut all = CROSS_LANGUAGES.to_vec();
        if !all.contains(&current) {
            all.push(current);
        }
        all
    }

    /// The normalizers of one stage; `fitted` is the reranker's sigmoid.
    pub(crate) fn normalizers(&self, stage: StageName, fitted: Normalizer) -> Vec<Normalizer> {
        let current = self.current.normalizers.get_or(stage, Normalizer::MinMax);
        if self.search == Search::Weights || !self.pipeline.runs(stage) {
            return vec![current];
        }
        let bounded = if self.reranker() == Some(stage) {
            fitted
        } else {
            self.pipeline.theoretical(stage)
        };
        let mut all = vec![
            Normalizer::MinMax,
            Normalizer::ZScore,
            bounded,
            Normalizer::LinearRank,
            Normalizer::Rank { k: 60 },
        ];
        if !all.contains(&current) {
            all.push(current);
        }
        all
    }

    /// Normalizers of all stages at once: reciprocal ranks with several constants.
    pub(crate) fn rank_fusions(&self) -> Vec<StageMap<Normalizer>> {
        if self.search == Search::Weights {
            return Vec::new();
        }
        let with = |k| self.current.normalizers.map(|_, _| Normalizer::Rank { k });
        RANK_CONSTANTS.into_iter().map(with).collect()
    }

    /// Whether what the reranker reads in an order by these was gathered: for each stage that
    /// scores before it one that is tried alone, or the same ranks for all
    /// ([`normalizers_of_scorers`](Self::normalizers_of_scorers)).
    pub(crate) fn is_gathered(&self, normalizers: &StageMap<Normalizer>) -> bool {
        let scorers = self.pipeline.query_scorers();
        let of = |map: &StageMap<Normalizer>, stage| map.get_or(stage, Normalizer::MinMax);
        let is_tried = |stage: &StageName| {
            let tried = self.normalizers(*stage, self.pipeline.theoretical(*stage));
            tried.contains(&of(normalizers, *stage))
        };
        let are_ranks = |ranks: &StageMap<Normalizer>| {
            let mut scorers = scorers.iter();
            scorers.all(|stage| of(ranks, *stage) == of(normalizers, *stage))
        };
        scorers.iter().all(is_tried) || self.rank_fusions().iter().any(are_ranks)
    }

    /// The weightings that are compared: every point of the simplex with `steps`.
    pub(crate) fn weights(&self, steps: u32) -> Vec<Weights> {
        Weights::simplex(steps, self.stages()).collect()
    }

    /// Steps of the grid on which setups are compared, a divisor of the final one.
    pub(crate) fn coarse_steps(&self) -> u32 {
        const ENOUGH: u32 = 10;
        (1..=ENOUGH)
            .rev()
            .find(|steps| self.steps.is_multiple_of(*steps) && *steps * 2 >= ENOUGH)
            .unwrap_or(self.steps)
    }

    /// The places in `candidates` that the reranker scores under some choice, in the order
    /// of the candidates.
    pub(crate) fn places_to_rerank(&self, candidates: &[Candidate]) -> Vec<usize> {
        let Some(stage) = self.choosable_reranker() else {
            return (0..candidates.len()).collect();
        };
        let orders = self.orders();
        let normalizers = self.normalizers_of_scorers();
        let deepest = self.rerank_depth(&self.current);
        let mut places = BTreeSet::new();
        for setup in self.depth_setups() {
            // Who stops early reads no others.
            let is_patient = setup.cross_patience == self.current.cross_patience;
            if self.rerank_depth(&setup) != deepest || !is_patient {
                continue;
            }
            let kept = self.kept(candidates, &setup);
            let pool: Vec<Candidate> = kept.iter().map(|at| candidates[*at].clone()).collect();
            for order in &orders {
                let depends = *order == Order::Fused;
                let n = if depends { normalizers.len() } else { 1 };
                for normalizers in &normalizers[..n] {
                    for (aggregation, cross_language) in self.scalings() {
                        let scaling = Scaling {
                            normalizers,
                            aggregation,
                            cross_language,
                        };
                        let before = self.pipeline.normalization_before(stage, scaling);
                        let reranked = first_to_rerank(&pool, *order, &before, deepest);
                        places.extend(reranked.into_iter().map(|at| kept[at]));
                    }
                }
            }
        }
        places.into_iter().collect()
    }

    /// Every combination of what else does.
    fn scalings(&self) -> Vec<(Aggregation, f64)> {
        let cross_languages = self.cross_languages();
        let with = |aggregation| {
            cross_languages
                .iter()
                .map(move |share| (aggregation, *share))
        };
        self.aggregations().into_iter().flat_map(with).collect()
    }

    /// Every combination of normalizers that influences the order in which the reranker takes
    /// candidates, the current one first.
    pub(crate) fn normalizers_of_scorers(&self) -> Vec<StageMap<Normalizer>> {
        let mut all = vec![self.current.normalizers.clone()];
        let mut combined = vec![self.current.normalizers.clone()];
        for stage in self.pipeline.query_scorers() {
            let choices = self.normalizers(stage, self.pipeline.theoretical(stage));
            let with = |base: &StageMap<Normalizer>| {
                let base = base.clone();
                let choices = choices.clone().into_iter();
                choices.map(move |normalizer| {
                    let mut combined = base.clone();
                    combined.insert(stage, normalizer);
                    combined
                })
            };
            combined = combined.iter().flat_map(with).collect();
        }
        all.extend(combined);
        all.extend(self.rank_fusions());
        all
    }

    /// What gathering with `setup` would have given: candidates with the scores they
    /// would have had, and their places among those that were gathered.
    pub(crate) fn derive(
        &self,
        candidates: &[Candidate],
        setup: &Setup,
    ) -> (Vec<Candidate>, Vec<usize>) {
        if self.search == Search::Weights {
            return (candidates.to_vec(), (0..candidates.len()).collect());
        }
        let kept = self.kept(candidates, setup);
        let mut pool: Vec<Candidate> = kept.iter().map(|at| candidates[*at].clone()).collect();
        if let Some(stage) = self.choosable_reranker() {
            let before = self.pipeline.normalization_before(stage, setup.scaling());
            let depth = self.rerank_depth(setup);
            // Passages are read in the order of their documents, and the depth counts them.
            let mut n_read = vec![0; pool.len()];
            let mut left = depth;
            let places = first_to_rerank(&pool, setup.cross_order, &before, depth);
            for at in &places {
                n_read[*at] = pool[*at].evidence(stage).count().min(left);
                left -= n_read[*at];
            }
            let places: Vec<usize> = places.into_iter().filter(|at| n_read[*at] > 0).collect();
            let score = |at: &usize| {
                let read = pool[*at].evidence(stage).take(n_read[*at]);
                read.map(|evidence| evidence.score).max()
            };
            let n_kept = n_until_settled(places.iter().map(score), setup.cross_patience);
            for at in &places[n_kept..] {
                n_read[*at] = 0;
            }
            for (candidate, n_read) in pool.iter_mut().zip(n_read) {
                let read: Vec<Evidence> = candidate.evidence(stage).take(n_read).copied().collect();
                candidate.set(stage, read);
            }
        }
        (pool, kept)
    }

    /// The positions of the candidates that are retrieved at a setup's depths.
    ///
    /// The start of a deep list is the shallow list. The exception is a graph search: a
    /// neighbor that it missed may have been retrieved by BM25.
    fn kept(&self, candidates: &[Candidate], setup: &Setup) -> Vec<usize> {
        let depths: Vec<(StageName, usize)> = self
            .retrievers()
            .map(|stage| (stage, self.retrieval_depth(setup, stage)))
            .collect();
        let is_deepest = |(stage, depth): &(StageName, usize)| {
            *depth == self.retrieval_depth(&self.current, *stage)
        };
        if depths.iter().all(is_deepest) {
            return (0..candidates.len()).collect();
        }
        let mut kept = BTreeSet::new();
        for (stage, depth) in depths {
            kept.extend(best(candidates, stage, depth));
        }
        kept.into_iter().collect()
    }
}

/// Each setup with each of the depths of a stage.
fn with_depths(setups: &[Setup], stage: StageName, depths: &BTreeSet<usize>) -> Vec<Setup> {
    let with = |setup: &Setup| {
        let setup = setup.clone();
        depths.iter().map(move |depth| Setup {
            depths: setup.depths.clone().with(stage, *depth),
            ..setup.clone()
        })
    };
    setups.iter().flat_map(with).collect()
}

/// The places of the `depth` candidates that the stage scores highest. BM25 retrieves nothing
/// that scores 0.
fn best(candidates: &[Candidate], stage: StageName, depth: usize) -> Vec<usize> {
    let mut order: Vec<(Score, DocId, usize)> = candidates
        .iter()
        .enumerate()
        .filter_map(|(at, candidate)| Some((candidate.best_score(stage)?, candidate.doc, at)))
        .filter(|(score, _, _)| stage != StageName::BM25 || *score > LEAST_BM25)
        .collect();
    let better_first =
        |a: &(Score, DocId, usize), b: &(Score, DocId, usize)| b.0.cmp(&a.0).then(a.1.cmp(&b.1));
    if depth < order.len() {
        order.select_nth_unstable_by(depth, better_first);
        order.truncate(depth);
    }
    order.into_iter().map(|(_, _, at)| at).collect()
}
