//! Stands in for learned fusions when the crate is built without the feature `learned`: its
//! type has no values, so its methods are never called.

use treffer_types::{Candidate, StageName};

use crate::fusion::{Fused, Fusion};
use crate::lengths::Lengths;

/// A learned fusion. This type has no values without the feature `learned`.
#[derive(Clone, Debug, PartialEq)]
pub enum Learned {}

/// What one feature added to a score through the trees of a learned fusion.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    /// Its name; `None` for what the trees give every candidate.
    pub feature: Option<String>,
    /// Its value; `None` if it is unknown.
    pub value: Option<f32>,
    /// Its part of the score.
    pub part: f64,
}

/// Why a learned fusion cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LearnError {
    /// The program lacks the feature.
    #[error(
        "this program was built without learned fusion; build it with the feature `learned`, or take `learned` out of the profile"
    )]
    NotBuilt,
}

impl Learned {
    /// The stages that it was trained on.
    pub fn stages(&self) -> &[StageName] {
        match *self {}
    }

    /// The linear fusion that it corrects.
    pub fn fusion(&self) -> &Fusion {
        match *self {}
    }

    /// Number of trees.
    pub fn n_trees(&self) -> usize {
        match *self {}
    }

    /// How much each feature lowers the loss.
    pub fn importance(&self) -> Vec<(String, f64)> {
        match *self {}
    }

    /// Orders all candidates, best first.
    ///
    /// # Errors
    /// Never.
    pub fn fuse(&self, _: &[Candidate], _: &Lengths) -> Result<Vec<Fused>, LearnError> {
        match *self {}
    }

    /// What every feature added to the scores of some candidates.
    ///
    /// # Errors
    /// Never.
    pub fn contributions(
        &self,
        _: &[Candidate],
        _: &Lengths,
        _: &[usize],
    ) -> Result<Vec<Vec<Contribution>>, LearnError> {
        match *self {}
    }

    /// The fusion as text.
    ///
    /// # Errors
    /// Never.
    pub fn encode(&self) -> Result<String, LearnError> {
        match *self {}
    }

    /// Reads nothing.
    ///
    /// # Errors
    /// Always: the program lacks the feature.
    pub fn decode(_: &str) -> Result<Self, LearnError> {
        Err(LearnError::NotBuilt)
    }
}
