//! What can be tuned besides the weights. A further key of a profile that is to be tuned is
//! added here: to [`Setup`], and as a [`Coordinate`] of the search, whose values [`Space`]
//! lists.

use serde::Serialize;
use serde_json::{Value, json};
use treffer_fusion::{Aggregation, Normalizer, Weights};
use treffer_types::{StageMap, StageName};

use crate::profile::{Depths, Order, Profile, Scaling};
use crate::tune::space::Space;

/// A way to gather and fuse: the part of a profile that may be tuned.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Choice {
    /// What is gathered, and how its scores are brought to a common scale.
    #[serde(flatten)]
    pub setup: Setup,
    /// The share of each stage.
    pub weights: Weights,
}

/// A choice without its weights. Fields are those of a [`Profile`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Setup {
    /// How many candidates each stage retrieves, or, for a reranker, scores.
    #[serde(flatten)]
    pub depths: Depths,
    /// Which candidates the cross-encoder scores first.
    pub cross_order: Order,
    /// How each stage's scores reach the common scale.
    pub normalizers: StageMap<Normalizer>,
    /// How the scores of a document's passages become its score.
    pub aggregation: Aggregation,
    /// What stands in for BM25 in documents of another language than the query.
    pub cross_language: f64,
    /// After how many documents in a row that do not come among the best ten the cross-encoder
    /// stops; 0 for never.
    pub cross_patience: usize,
}

impl Setup {
    /// The setup of `profile`.
    pub fn of(profile: &Profile) -> Self {
        Setup {
            depths: profile.depths.clone(),
            cross_order: profile.cross_order,
            normalizers: profile.normalizers.clone(),
            aggregation: profile.aggregation,
            cross_language: profile.cross_language,
            cross_patience: profile.cross_patience,
        }
    }

    /// `profile` with this setup in it.
    fn apply(&self, profile: &Profile) -> Profile {
        let Setup {
            depths,
            cross_order,
            normalizers,
            aggregation,
            cross_language,
            cross_patience,
        } = self.clone();
        Profile {
            depths,
            cross_order,
            normalizers,
            aggregation,
            cross_language,
            cross_patience,
            ..profile.clone()
        }
    }

    /// How the evidence of every stage becomes comparable scores.
    pub fn scaling(&self) -> Scaling<'_> {
        Scaling {
            normalizers: &self.normalizers,
            aggregation: self.aggregation,
            cross_language: self.cross_language,
        }
    }

    /// Every setting, in the order of display. Programs and reports print a setup from this
    /// list.
    pub fn settings(&self) -> Vec<Setting> {
        let Setup {
            depths,
            cross_order,
            normalizers,
            aggregation,
            cross_language,
            cross_patience,
        } = self;
        let depths = depths.iter().map(|(stage, depth)| Setting {
            key: Depths::key(stage),
            label: Depths::key(stage),
            group: "depths",
            stage: Some(stage),
            shown: depth.to_string(),
            value: json!(depth),
        });
        let order = Setting {
            key: "cross_order".to_owned(),
            label: "cross_order".to_owned(),
            group: "reranking order",
            stage: None,
            shown: cross_order.to_string(),
            value: json!(cross_order),
        };
        let normalizers = normalizers.iter().map(|(stage, normalizer)| Setting {
            key: format!("normalizers.{stage}"),
            label: stage.to_string(),
            group: "normalizers",
            stage: Some(stage),
            shown: normalizer.to_string(),
            value: json!(normalizer),
        });
        let aggregation = Setting {
            key: "aggregation".to_owned(),
            label: "aggregation".to_owned(),
            group: "aggregation",
            stage: None,
            shown: aggregation.to_string(),
            value: json!(aggregation),
        };
        let cross_language = Setting {
            key: "cross_language".to_owned(),
            label: "cross_language".to_owned(),
            group: "cross_language",
            stage: None,
            shown: cross_language.to_string(),
            value: json!(cross_language),
        };
        let cross_patience = Setting {
            key: "cross_patience".to_owned(),
            label: "cross_patience".to_owned(),
            group: "cross_patience",
            stage: None,
            shown: cross_patience.to_string(),
            value: json!(cross_patience),
        };
        (normalizers.chain(depths))
            .chain([order, cross_patience, aggregation, cross_language])
            .collect()
    }

    /// The settings that differ from those of `other`.
    pub fn differences(&self, other: &Setup) -> Vec<Setting> {
        let others = other.settings();
        let mut settings = self.settings();
        settings.retain(|setting| !others.contains(setting));
        settings
    }
}

/// One setting of a [`Setup`].
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Its key in a profile, as `--set` takes it.
    pub key: String,
    /// Its label in a sentence, before its value.
    pub label: String,
    /// The common name of settings of its kind.
    pub group: &'static str,
    /// The stage that it is for, if it is for one.
    pub stage: Option<StageName>,
    /// Its value, for display.
    pub shown: String,
    /// Its value, as a profile holds it.
    pub value: Value,
}

impl Choice {
    /// `profile` with this choice in it.
    pub fn apply(&self, profile: &Profile) -> Profile {
        Profile {
            weights: self.weights.clone(),
            learned: None, // it corrected other weights
            ..self.setup.apply(profile)
        }
    }

    /// How many stages have a weight.
    pub fn n_stages(&self) -> usize {
        n_weighted(&self.weights)
    }
}

/// How many stages have a weight.
pub(crate) fn n_weighted(weights: &Weights) -> usize {
    weights
        .parts()
        .iter()
        .filter(|(_, part)| **part > 0)
        .count()
}

/// A part of a setup that the search varies while the rest stays fixed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Coordinate {
    Order,
    Normalizer(StageName),
    RankFusion,
    Aggregation,
    CrossLanguage,
}

impl Coordinate {
    /// In the order of the search: the normalizers of the last stage first.
    pub(crate) fn all(space: &Space) -> Vec<Coordinate> {
        let stages = space.stages().iter().rev().copied();
        let normalizers = stages.map(Coordinate::Normalizer);
        normalizers
            .chain([
                Coordinate::RankFusion,
                Coordinate::Aggregation,
                Coordinate::CrossLanguage,
                Coordinate::Order,
            ])
            .collect()
    }

    /// Every setup that differs from `setup` in this alone, `setup` itself among them.
    pub(crate) fn variants(self, space: &Space, setup: &Setup, fitted: Normalizer) -> Vec<Setup> {
        let with = |normalizers: StageMap<Normalizer>| Setup {
            normalizers,
            ..setup.clone()
        };
        match self {
            Coordinate::Order => (space.orders().into_iter())
                .map(|cross_order| Setup {
                    cross_order,
                    ..setup.clone()
                })
                .collect(),
            Coordinate::Normalizer(stage) => (space.normalizers(stage, fitted).into_iter())
                .map(|normalizer| {
                    let mut normalizers = setup.normalizers.clone();
                    normalizers.insert(stage, normalizer);
                    with(normalizers)
                })
                .filter(|setup| space.is_gathered(&setup.normalizers))
                .collect(),
            Coordinate::Aggregation => (space.aggregations().into_iter())
                .map(|aggregation| Setup {
                    aggregation,
                    ..setup.clone()
                })
                .collect(),
            Coordinate::CrossLanguage => (space.cross_languages().into_iter())
                .map(|cross_language| Setup {
                    cross_language,
                    ..setup.clone()
                })
                .collect(),
            Coordinate::RankFusion => space.rank_fusions().into_iter().map(with).collect(),
        }
    }
}
