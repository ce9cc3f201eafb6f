//! Weights that are known to be good elsewhere, towards which the choice shrinks the more the
//! fewer the queries.
//!
//! Some tens of queries leave many weightings indistinguishable, and the best of these on the
//! queries is the best by chance. So the choice is not one of them, but their mean, each
//! counted by how likely it is before a query was seen: an empirical Bayes estimate (Efron and
//! Morris, Data Analysis Using Stein's Estimator and Its Generalizations, 1975). The likelihood
//! is flat over the weightings within one standard error of the best, and the density before is
//! normal around the prior weights, with the spread that the best weights have between
//! collections. With few queries the standard errors are wide and the mean lies near the prior
//! weights; with many, only weightings beside the best are left, and the prior changes nothing.
//! A mean that is not better than the prior weights by half a standard error on the queries gives
//! way to them.
//!
//! Averaging is half of the effect: a mean of weights varies less from draw to draw of the
//! queries than the best of them, and nDCG is nearly concave in the weights.

use serde::Serialize;
use treffer_fusion::Weights;
use treffer_types::{StageMap, StageName};

use crate::config::{Config, PRESETS};
use crate::manifest::Models;
use crate::profile::Profile;

/// How far the best weights of collections lie from those that are best on average, as the
/// standard deviation of one weight. `cargo xtask bench learning` prints it.
const SPREAD: f64 = 0.25;

/// What the weights are drawn towards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Prior {
    /// The weights of the preset that has the same stages and models. Without one, those of the
    /// profile if it was never tuned, or else equal ones.
    #[default]
    Preset,
    /// Equal weights.
    Equal,
    /// Nothing: of the choices within one standard error of the best, the one nearest to the
    /// current profile is taken.
    None,
}

/// Where the weights of a prior come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PriorOrigin {
    /// A preset's, with its name.
    Preset(&'static str),
    /// The profile's own, which no tuning has changed.
    Profile,
    /// Equal ones.
    Equal,
}

impl std::fmt::Display for PriorOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PriorOrigin::Preset(name) => write!(f, "of preset {name}"),
            PriorOrigin::Profile => f.write_str("of the profile, which was never tuned"),
            PriorOrigin::Equal => f.write_str("equal for every stage"),
        }
    }
}

/// The weights of a prior, over the stages that are tuned.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PriorWeights {
    pub(crate) weights: Weights,
    pub(crate) origin: PriorOrigin,
}

impl PriorWeights {
    /// The weights that `prior` means for a profile with these stages; `models` are those of the
    /// index, if there is one. `None` if it means none.
    pub(crate) fn of(
        prior: Prior,
        profile: &Profile,
        stages: &[StageName],
        models: Option<&Models>,
    ) -> Option<Self> {
        let of_preset = || {
            let (name, weights) = models.and_then(|models| preset(stages, profile, models))?;
            Some(PriorWeights {
                weights,
                origin: PriorOrigin::Preset(name),
            })
        };
        let of_profile = || {
            let own = profile.weights.restricted_to(stages);
            let weights = own.filter(|_| profile.tuned.is_none())?;
            Some(PriorWeights {
                weights,
                origin: PriorOrigin::Profile,
            })
        };
        let equal = || {
            Some(PriorWeights {
                weights: Weights::equal(stages)?,
                origin: PriorOrigin::Equal,
            })
        };
        match prior {
            Prior::Preset => of_preset().or_else(of_profile).or_else(equal),
            Prior::Equal => equal(),
            Prior::None => None,
        }
    }

    /// The relative density of weights before any query was seen, above 0.
    pub(crate) fn density(&self, weights: &Weights) -> f64 {
        let squares = weights.stages().map(|stage| {
            let distance = weights.weight(stage) - self.weights.weight(stage);
            distance * distance
        });
        (-squares.sum::<f64>() / (2.0 * SPREAD * SPREAD)).exp()
    }
}

/// The name and weights of the preset that weighs exactly these stages with these models. A
/// stage of a field keeps the share that the profile gives it, as no preset knows of it.
fn preset(
    stages: &[StageName],
    profile: &Profile,
    models: &Models,
) -> Option<(&'static str, Weights)> {
    const MODELS: [StageName; 4] = [
        StageName::BM25,
        StageName::DENSE,
        StageName::LATE,
        StageName::CROSS,
    ];
    let is_standard = |stage: &StageName| MODELS.contains(stage);
    let own = profile.weights.restricted_to(stages);
    let own = |stage: StageName| own.as_ref().map_or(0.0, |own| own.weight(stage));
    let of_fields: f64 = (stages.iter().filter(|stage| !is_standard(stage)))
        .map(|stage| own(*stage))
        .sum();
    let name_of = |stage: StageName| {
        let record = match stage {
            StageName::DENSE => &models.dense,
            StageName::LATE => &models.late,
            StageName::CROSS => &models.cross,
            _ => return None,
        };
        record.as_ref().map(|record| record.spec.name.as_str())
    };
    PRESETS.iter().find_map(|(preset, _)| {
        let config = Config::preset(preset).ok()?;
        let weights = &config.profiles.get(crate::config::DEFAULT_PROFILE)?.weights;
        let model_of = |stage: StageName| match stage {
            StageName::DENSE => config.dense.as_ref().map(|dense| dense.model.as_str()),
            StageName::LATE => config.late.as_ref().map(|late| late.model.as_str()),
            StageName::CROSS => config.cross.as_ref().map(|cross| cross.model.as_str()),
            _ => None,
        };
        let is_alike = MODELS.into_iter().all(|stage| {
            let weighs = weights.weight(stage) > 0.0;
            weighs == stages.contains(&stage) && (!weighs || model_of(stage) == name_of(stage))
        });
        let share = |stage: &StageName| {
            if is_standard(stage) {
                weights.weight(*stage) * (1.0 - of_fields)
            } else {
                own(*stage)
            }
        };
        let shares: StageMap<f64> = stages.iter().map(|stage| (*stage, share(stage))).collect();
        let weights = Weights::from_decimals(shares).ok()?;
        is_alike.then_some((*preset, weights))
    })
}
