//! The pipeline: which steps a search takes, in order. Everything that depends on a profile's
//! mode is decided here.

use treffer_fusion::{Fusion, Normalization, Normalizer, StandIn, Weights};
use treffer_types::{StageMap, StageName, stage_list};

use crate::error::Error;
use crate::field_stages::FieldStages;
use crate::manifest::Manifest;
use crate::profile::{Depths, Mode, Order, Profile, Scaling};
use crate::stages::{Capabilities, Registry, StageKind, field, theoretical};

/// One step of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The stage adds its best documents to the candidates, then scores every candidate that
    /// it has not scored yet.
    Retrieve {
        /// Which stage.
        stage: StageName,
        /// How many.
        depth: usize,
    },
    /// The stage scores every candidate that it has not scored yet.
    Score {
        /// Which stage.
        stage: StageName,
    },
    /// The stage scores the best of the candidates.
    Rerank {
        /// Which stage.
        stage: StageName,
        /// How many of them.
        depth: usize,
        /// In which order.
        order: Order,
    },
}

impl Step {
    /// The stage that takes the step.
    pub fn stage(self) -> StageName {
        match self {
            Step::Retrieve { stage, .. } | Step::Score { stage } | Step::Rerank { stage, .. } => {
                stage
            }
        }
    }
}

/// The steps of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Pipeline {
    steps: Vec<Step>,
    stages: Vec<StageName>,
    /// Those of them that score documents whatever the query.
    by_document: Vec<StageName>,
    theoretical: StageMap<Normalizer>,
    scores_every_document: bool,
    /// A stage that matches words, and one that does not.
    stand_in: Option<(StageName, StageName)>,
}

/// What an index offers to a pipeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Available {
    /// Its stages, in the order in which they run.
    pub stages: Vec<AvailableStage>,
    /// How many documents it holds.
    pub n_docs: u32,
}

/// A stage that an index has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AvailableStage {
    /// Its name.
    pub name: StageName,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Its depth if a profile sets none.
    pub default_depth: usize,
    /// How its scores are normalized by their theoretical bounds.
    pub theoretical: Normalizer,
}

impl From<&StageKind> for AvailableStage {
    fn from(kind: &StageKind) -> Self {
        AvailableStage {
            name: kind.name,
            capabilities: kind.capabilities,
            default_depth: kind.default_depth,
            theoretical: kind.theoretical,
        }
    }
}

impl Available {
    /// The stages that an index was built with, of those in `registry`.
    pub fn in_index(manifest: &Manifest, registry: Registry) -> Self {
        let stages = registry.iter().filter(|kind| (kind.is_in)(manifest));
        let stage = |kind: &StageKind| AvailableStage {
            theoretical: theoretical(kind, manifest),
            ..AvailableStage::from(kind)
        };
        Available {
            stages: stages.map(stage).collect(),
            n_docs: manifest.n_documents(),
        }
    }

    /// An index of `n_docs` documents with every stage of `registry`.
    pub fn all(registry: Registry, n_docs: u32) -> Self {
        Available {
            stages: registry.iter().map(AvailableStage::from).collect(),
            n_docs,
        }
    }

    /// The same with stages that score by fields, which run after the others.
    pub fn with_field_stages(mut self, stages: &FieldStages) -> Self {
        let added = stages.iter().map(|(name, stage)| AvailableStage {
            name: *name,
            capabilities: field::CAPABILITIES,
            default_depth: 0, // it retrieves and reranks nothing
            theoretical: stage.normalizer(),
        });
        self.stages.extend(added);
        self
    }

    /// Names of the stages.
    pub fn names(&self) -> Vec<StageName> {
        self.stages.iter().map(|stage| stage.name).collect()
    }

    /// The same without the stages that are not among `names`.
    pub fn limited_to(mut self, names: &[StageName]) -> Self {
        self.stages.retain(|stage| names.contains(&stage.name));
        self
    }
}

impl AvailableStage {
    fn depth(&self, profile: &Profile) -> usize {
        profile.depths.get(self.name).unwrap_or(self.default_depth)
    }

    /// Whether it may retrieve under a profile: one of depth 0 scores only what others retrieved.
    pub(crate) fn retrieves(&self, profile: &Profile) -> bool {
        self.capabilities.retrieves && self.depth(profile) > 0
    }
}

impl Pipeline {
    /// The steps of all stages that `profile` runs.
    ///
    /// # Errors
    /// If the profile's values contradict each other, if no stage is left to run or to
    /// retrieve, or if mode `exhaustive` would have a reranker score more documents than
    /// its depth.
    pub fn of(profile: &Profile, available: &Available) -> Result<Self, Error> {
        let running = running(profile, available);
        Pipeline::assemble(profile, available, running)
    }

    /// The steps of only the stages that `only` names: a search can stop after any stage or
    /// leave one out.
    ///
    /// # Errors
    /// As [`Pipeline::of`], or if a stage is named that the profile does not run.
    pub fn only(
        profile: &Profile,
        available: &Available,
        only: &[StageName],
    ) -> Result<Self, Error> {
        let mut running = running(profile, available);
        let names: Vec<StageName> = running.iter().map(|stage| stage.name).collect();
        if let Some(missing) = only.iter().find(|stage| !names.contains(stage)) {
            return Err(Error::Request(format!(
                "the {missing} stage does not run under this profile; it runs {}",
                stage_list(&names)
            )));
        }
        running.retain(|stage| only.contains(&stage.name));
        Pipeline::assemble(profile, available, running)
    }

    /// The steps that can change a ranking: as [`Pipeline::of`], but without a reranker
    /// that has no weight and that no learned fusion uses.
    ///
    /// # Errors
    /// As [`Pipeline::of`].
    pub fn effective(profile: &Profile, available: &Available) -> Result<Self, Error> {
        let learned = profile.learned.as_ref();
        let is_learned_from = |stage| learned.is_some_and(|it| it.stages.contains(&stage));
        let mut running = running(profile, available);
        running.retain(|stage| {
            !stage.capabilities.reranks
                || profile.weights.weight(stage.name) > 0.0
                || is_learned_from(stage.name)
        });
        Pipeline::assemble(profile, available, running)
    }

    fn assemble(
        profile: &Profile,
        available: &Available,
        running: Vec<&AvailableStage>,
    ) -> Result<Self, Error> {
        profile.check().map_err(Error::Request)?;
        if running.is_empty() {
            return Err(Error::Request(
                "no stage is left to run; name at least one".into(),
            ));
        }
        let (rerankers, scorers): (Vec<&AvailableStage>, Vec<&AvailableStage>) = running
            .iter()
            .copied()
            .partition(|stage| stage.capabilities.reranks);
        let (retrievers, others): (Vec<&AvailableStage>, Vec<&AvailableStage>) = scorers
            .iter()
            .copied()
            .partition(|stage| stage.retrieves(profile));
        let retrieve = |stage: &&AvailableStage| Step::Retrieve {
            stage: stage.name,
            depth: stage.depth(profile),
        };
        let score = |stage: &&AvailableStage| Step::Score { stage: stage.name };
        let mut steps: Vec<Step> = Vec::new();
        match profile.mode {
            Mode::Exhaustive => {
                refuse_too_many(profile, available, &rerankers)?;
                steps.extend(retrievers.iter().map(score));
            }
            _ if retrievers.is_empty() => {
                return Err(Error::Request(format!(
                    "no stage is left that retrieves candidates: {} only scores what others retrieved; {}{}or use mode `exhaustive`",
                    stage_list(&names_of(&running)),
                    stages_to_add(profile, available),
                    depths_to_set(&running)
                )));
            }
            // The first one retrieves; the others score what it found.
            Mode::Cascade | Mode::TwoStage => {
                steps.extend(retrievers.first().map(retrieve));
                steps.extend(retrievers.iter().skip(1).map(score));
            }
            // Each retrieves what the others missed, and later scores the candidates that were
            // retrieved after its own step; for the last one there are none.
            Mode::Hybrid => {
                steps.extend(retrievers.iter().map(retrieve));
                let incomplete = retrievers.len().saturating_sub(1);
                steps.extend(retrievers.iter().take(incomplete).map(score));
            }
        }
        steps.extend(others.iter().map(score));
        steps.extend(rerankers.iter().map(|stage| Step::Rerank {
            stage: stage.name,
            depth: stage.depth(profile),
            order: profile.cross_order,
        }));
        Ok(Pipeline {
            steps,
            stages: names_of(&running),
            by_document: names_of(&by_document(&running)),
            theoretical: running
                .iter()
                .map(|one| (one.name, one.theoretical))
                .collect(),
            scores_every_document: profile.mode == Mode::Exhaustive,
            stand_in: stand_in(&scorers, profile),
        })
    }

    /// The steps, in the order in which they run.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The stages that run, each once, in the order of the registry.
    pub fn stages(&self) -> &[StageName] {
        &self.stages
    }

    /// Whether `stage` runs.
    pub fn runs(&self, stage: StageName) -> bool {
        self.stages.contains(&stage)
    }

    /// Whether every document is a candidate from the start, so that nothing is retrieved.
    pub fn scores_every_document(&self) -> bool {
        self.scores_every_document
    }

    /// How many candidates `stage` retrieves, if it does.
    pub fn retrieves(&self, stage: StageName) -> Option<usize> {
        self.steps.iter().find_map(|step| match step {
            Step::Retrieve { stage: of, depth } if *of == stage => Some(*depth),
            _ => None,
        })
    }

    /// How many candidates `stage` reranks and in which order, if it does.
    pub fn reranks(&self, stage: StageName) -> Option<(usize, Order)> {
        self.steps.iter().find_map(|step| match step {
            Step::Rerank {
                stage: of,
                depth,
                order,
            } if *of == stage => Some((*depth, *order)),
            _ => None,
        })
    }

    /// The last stage that reranks: what it has not scored ranks below what it has scored.
    pub fn reranker(&self) -> Option<StageName> {
        self.steps.iter().rev().find_map(|step| match step {
            Step::Rerank { stage, .. } => Some(*stage),
            _ => None,
        })
    }

    /// The stages that score every candidate: all but rerankers.
    pub fn scorers(&self) -> Vec<StageName> {
        let is_scorer = |stage: &StageName| self.reranks(*stage).is_none();
        self.stages.iter().copied().filter(is_scorer).collect()
    }

    /// The stages that score every candidate for the query: they choose what rerankers read.
    pub fn query_scorers(&self) -> Vec<StageName> {
        let mut scorers = self.scorers();
        scorers.retain(|stage| !self.by_document.contains(stage));
        scorers
    }

    /// How a stage's scores are normalized by their theoretical bounds.
    pub fn theoretical(&self, stage: StageName) -> Normalizer {
        self.theoretical.get_or(stage, Normalizer::MinMax)
    }

    /// How the evidence of these stages becomes comparable scores; by min-max where `scaling`
    /// says nothing.
    pub fn normalization(&self, scaling: Scaling<'_>) -> Normalization {
        self.normalization_of(&self.stages, self.reranker(), scaling)
    }

    /// As [`Pipeline::normalization`], of the stages that run before `reranker` and score for the
    /// query.
    pub fn normalization_before(&self, reranker: StageName, scaling: Scaling<'_>) -> Normalization {
        let place = |stage: StageName| self.stages.iter().position(|one| *one == stage);
        let is_before =
            |stage: StageName| self.reranks(stage).is_none() || place(stage) < place(reranker);
        let before: Vec<StageName> = (self.stages.iter().copied())
            .filter(|stage| *stage != reranker && is_before(*stage))
            .filter(|stage| !self.by_document.contains(stage))
            .collect();
        let mut latest_first = before.iter().rev().copied();
        let before_it = latest_first.find(|stage| self.reranks(*stage).is_some());
        self.normalization_of(&before, before_it, scaling)
    }

    fn normalization_of(
        &self,
        stages: &[StageName],
        reranker: Option<StageName>,
        scaling: Scaling<'_>,
    ) -> Normalization {
        let Scaling {
            normalizers,
            aggregation,
            cross_language,
        } = scaling;
        let stand_in = self.stand_in.filter(|_| cross_language > 0.0);
        Normalization {
            normalizers: StageMap::from_fn(stages, |stage| {
                normalizers.get_or(stage, Normalizer::MinMax)
            }),
            aggregation,
            reranker,
            stand_in: stand_in.map(|(stage, by)| StandIn {
                stage,
                by,
                share: cross_language,
            }),
        }
    }

    /// The fusion of these stages under `profile`: the weights of other stages are dropped and
    /// the rest scaled to sum to 1. A single stage gets weight 1. `None` if there are several
    /// stages and all their weights are 0.
    pub fn fusion(&self, profile: &Profile) -> Option<Fusion> {
        let weights = match self.stages.as_slice() {
            [_] => Weights::equal(&self.stages),
            stages => profile.weights.restricted_to(stages),
        };
        Some(Fusion {
            normalization: self.normalization(profile.scaling()),
            weights: weights?,
        })
    }
}

/// The first scorer that matches words, and the first that does not and can find what that one
/// misses.
fn stand_in(scorers: &[&AvailableStage], profile: &Profile) -> Option<(StageName, StageName)> {
    let matches_words = |stage: &&&AvailableStage| stage.capabilities.matches_words;
    let words = scorers.iter().find(matches_words)?;
    let is_other = |stage: &&&AvailableStage| {
        stage.retrieves(profile) && !stage.capabilities.by_document && !matches_words(stage)
    };
    let by = scorers.iter().find(is_other)?;
    Some((words.name, by.name))
}

/// The stages that a profile runs, given those that an index has.
fn running<'a>(profile: &Profile, available: &'a Available) -> Vec<&'a AvailableStage> {
    let runs = |stage: &&AvailableStage| {
        let is_switched_off = stage.capabilities.reranks && stage.depth(profile) == 0;
        let is_other_first = stage.retrieves(profile)
            && profile.mode == Mode::TwoStage
            && stage.name != profile.first_stage;
        !is_switched_off && !is_other_first
    };
    available.stages.iter().filter(runs).collect()
}

fn by_document<'a>(stages: &[&'a AvailableStage]) -> Vec<&'a AvailableStage> {
    let stages = stages.iter().copied();
    stages
        .filter(|stage| stage.capabilities.by_document)
        .collect()
}

/// What to name so that a stage retrieves. An index may have been opened without any that does.
fn stages_to_add(profile: &Profile, available: &Available) -> String {
    let stages = available.stages.iter();
    let retrieve: Vec<&AvailableStage> = stages.filter(|stage| stage.retrieves(profile)).collect();
    match retrieve.as_slice() {
        [] => "open the index with one that does, ".to_owned(),
        stages => format!("name one of {} too, ", stage_list(&names_of(stages))),
    }
}

/// What to set so that one of these stages retrieves, if one could.
fn depths_to_set(stages: &[&AvailableStage]) -> String {
    let could = stages.iter().filter(|stage| stage.capabilities.retrieves);
    let keys = could.map(|stage| format!("set {} above 0, ", Depths::key(stage.name)));
    keys.collect()
}

fn names_of(stages: &[&AvailableStage]) -> Vec<StageName> {
    stages.iter().map(|stage| stage.name).collect()
}

fn refuse_too_many(
    profile: &Profile,
    available: &Available,
    rerankers: &[&AvailableStage],
) -> Result<(), Error> {
    for stage in rerankers {
        let depth = stage.depth(profile);
        if available.n_docs as usize > depth {
            let key = Depths::key(stage.name);
            return Err(Error::Request(format!(
                "mode `exhaustive` has the {} stage read every document, but the index holds {} and {key} is {depth}; raise {key} or choose another mode",
                stage.name, available.n_docs
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
