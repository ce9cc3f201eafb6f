//! What a configuration may say of a model, besides its name.

use serde::{Deserialize, Deserializer, Serialize};

use crate::model::{ModelSpec, Pooling};
use crate::qrels::Grade;
use crate::scoring::Scoring;

/// Settings of a bi-encoder. Each that is set replaces what the model says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbedderSettings {
    /// Put before every query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_prefix: Option<String>,
    /// Put before every passage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passage_prefix: Option<String>,
    /// How token vectors become one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pooling: Option<Pooling>,
}

impl EmbedderSettings {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == EmbedderSettings::default()
    }

    /// Replaces what is set in `spec`.
    pub fn apply(&self, spec: &mut ModelSpec) {
        // Destructured, so that a new setting is a compile error here.
        let EmbedderSettings {
            query_prefix,
            passage_prefix,
            pooling,
        } = self;
        if let Some(prefix) = query_prefix {
            spec.query_prefix.clone_from(prefix);
        }
        if let Some(prefix) = passage_prefix {
            spec.passage_prefix.clone_from(prefix);
        }
        if let Some(pooling) = *pooling {
            spec.pooling = pooling;
        }
    }
}

/// Settings of a cross-encoder whose head has several classes. At most one can be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScorerSettings {
    /// The label, or the number from 0, of the class that means relevance.
    #[serde(
        default,
        deserialize_with = "plain_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub label: Option<String>,
    /// The grade of each class, in their order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grades: Option<Vec<Grade>>,
}

/// A label as text; one that looks like a number or a truth value needs no quotes.
fn plain_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Label {
        Text(String),
        Number(i64),
        Truth(bool),
    }
    Ok(Some(match Label::deserialize(deserializer)? {
        Label::Text(text) => text,
        Label::Number(number) => number.to_string(),
        Label::Truth(truth) => truth.to_string(),
    }))
}

impl ScorerSettings {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == ScorerSettings::default()
    }

    /// What the score of a pair is to be, if it is set.
    ///
    /// # Errors
    /// If both are set, or the grades are fewer than two or all the same.
    pub fn scoring(&self) -> Result<Option<Scoring>, String> {
        match (&self.label, &self.grades) {
            (None, None) => Ok(None),
            (Some(label), None) => Ok(Some(Scoring::Label(label.clone()))),
            (None, Some(grades)) => {
                let scoring = Scoring::Grades(grades.clone());
                match scoring.grades() {
                    Some(_) => Ok(Some(scoring)),
                    None => Err(format!(
                        "`grades` is {grades:?}; it needs one grade for each class of the model, and they must differ"
                    )),
                }
            }
            (Some(_), Some(_)) => Err(
                "`label` and `grades` are both set; keep `label` if one class means relevance, or `grades` if each class is a grade"
                    .to_owned(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scoring(label: Option<&str>, grades: Option<&[Grade]>) -> Result<Option<Scoring>, String> {
        ScorerSettings {
            label: label.map(str::to_owned),
            grades: grades.map(<[Grade]>::to_vec),
        }
        .scoring()
    }

    #[test]
    fn a_label_or_grades_but_not_both_say_what_a_score_is() {
        assert_eq!(scoring(None, None), Ok(None));
        assert_eq!(
            scoring(Some("yes"), None),
            Ok(Some(Scoring::Label("yes".into())))
        );
        assert_eq!(
            scoring(None, Some(&[0, 2])),
            Ok(Some(Scoring::Grades(vec![0, 2])))
        );
        for (label, grades) in [
            (Some("yes"), Some(&[0, 1][..])),
            (None, Some(&[])),
            (None, Some(&[1])),
            (None, Some(&[2, 2])),
        ] {
            assert!(scoring(label, grades).is_err(), "{label:?} {grades:?}");
        }
    }
}
