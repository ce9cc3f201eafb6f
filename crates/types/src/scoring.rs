//! What the scores of a cross-encoder are.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::qrels::Grade;

/// What the score of a pair is, and how it comes from the classes of a cross-encoder's head.
///
/// A head with one class gives the logit of relevance. One with several classes gives the
/// probability of each: its score is then the log odds of the class that means relevance, or
/// the grade to be expected if the classes are grades.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scoring {
    /// The logit of the head's only class.
    #[default]
    Logit,
    /// The log odds of the class with this label against all others, which is a logit too.
    Label(String),
    /// The expected grade: the sum of each class's grade times its probability. The grades of
    /// the classes, in their order.
    Grades(Vec<Grade>),
}

impl Scoring {
    /// The lowest and the highest grade, if scores are grades and not logits.
    pub fn grades(&self) -> Option<(Grade, Grade)> {
        match self {
            Scoring::Logit | Scoring::Label(_) => None,
            Scoring::Grades(grades) => {
                Some((*grades.iter().min()?, *grades.iter().max()?)).filter(|(a, b)| a < b)
            }
        }
    }

    /// A score on the scale from 0 to 1: the sigmoid of a logit, which is the probability of
    /// relevance, or the place of a grade between the lowest and the highest.
    pub fn share(&self, score: f32) -> f64 {
        let score = f64::from(score);
        match self.grades() {
            None => 1.0 / (1.0 + (-score).exp()),
            Some((lowest, highest)) => {
                let (lowest, highest) = (f64::from(lowest), f64::from(highest));
                ((score - lowest) / (highest - lowest)).clamp(0.0, 1.0)
            }
        }
    }
}

impl fmt::Display for Scoring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scoring::Logit => f.write_str("logit"),
            Scoring::Label(label) => write!(f, "log odds of {label:?}"),
            Scoring::Grades(grades) => write!(f, "expected grade of {grades:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logit_and_a_grade_have_their_own_way_to_a_share() {
        for logit in [Scoring::Logit, Scoring::Label("relevant".into())] {
            assert_eq!(logit.grades(), None);
            assert_eq!(logit.share(0.0), 0.5);
            assert!(logit.share(-20.0) < 1e-8 && logit.share(20.0) > 1.0 - 1e-8);
        }
        let grades = Scoring::Grades(vec![3, 1, 0]);
        assert_eq!(grades.grades(), Some((0, 3)));
        assert_eq!(
            [0.0, 1.5, 3.0].map(|grade| grades.share(grade)),
            [0.0, 0.5, 1.0]
        );
    }
}
