//! What may be tuned beside the weights. A further key of a profile that is to be tuned is
//! added here: to [`Setup`], and as a [`Coordinate`] of the search.

use serde::Serialize;
use treffer_fusion::{Normalizer, Weights};
use treffer_types::{StageMap, StageName};

use crate::profile::{Depths, Order, Profile};
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

/// A choice but for its weights. Fields are those of a [`Profile`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Setup {
    /// How many candidates each stage retrieves, or, for a reranker, reads.
    #[serde(flatten)]
    pub depths: Depths,
    /// Which candidates the cross-encoder reads first.
    pub cross_order: Order,
    /// How each stage's scores reach the common scale.
    pub normalizers: StageMap<Normalizer>,
}

impl Setup {
    /// What `profile` says of it.
    pub fn of(profile: &Profile) -> Self {
        Setup {
            depths: profile.depths.clone(),
            cross_order: profile.cross_order,
            normalizers: profile.normalizers.clone(),
        }
    }

    /// `profile` with this setup in it.
    fn apply(&self, profile: &Profile) -> Profile {
        let Setup {
            depths,
            cross_order,
            normalizers,
        } = self.clone();
        Profile {
            depths,
            cross_order,
            normalizers,
            ..profile.clone()
        }
    }

    /// What differs from `other`: for each setting its key in a profile and its value here.
    pub fn differences(&self, other: &Setup) -> Vec<(String, String)> {
        let Setup {
            depths,
            cross_order,
            normalizers,
        } = self;
        let mut differences = Vec::new();
        for (stage, normalizer) in normalizers.iter() {
            if other.normalizers.get(stage) != Some(normalizer) {
                differences.push((stage.to_string(), normalizer.to_string()));
            }
        }
        for (stage, depth) in depths.iter() {
            if other.depths.get(stage) != Some(depth) {
                differences.push((Depths::key(stage), depth.to_string()));
            }
        }
        if *cross_order != other.cross_order {
            differences.push(("cross_order".to_owned(), cross_order.to_string()));
        }
        differences
    }
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
        n_weighed(&self.weights)
    }
}

/// How many stages have a weight.
pub(crate) fn n_weighed(weights: &Weights) -> usize {
    weights
        .parts()
        .iter()
        .filter(|(_, part)| **part > 0)
        .count()
}

/// What the search changes while all else stays.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Coordinate {
    Order,
    Normalizer(StageName),
    RankFusion,
}

impl Coordinate {
    /// In the order of the search: the normalizers of the last stage first.
    pub(crate) fn all(space: &Space) -> Vec<Coordinate> {
        let stages = space.stages().iter().rev().copied();
        let normalizers = stages.map(Coordinate::Normalizer);
        normalizers
            .chain([Coordinate::RankFusion, Coordinate::Order])
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
                .collect(),
            Coordinate::RankFusion => space.rank_fusions().into_iter().map(with).collect(),
        }
    }
}
