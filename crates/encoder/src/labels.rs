//! What the classes of a cross-encoder's head mean, by their labels in `config.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use treffer_types::{Grade, Scoring};

use crate::error::Error;

/// The keys of `config.json` that are about classes.
#[derive(Deserialize)]
struct RawLabels {
    id2label: Option<BTreeMap<String, Value>>,
    label2id: Option<BTreeMap<String, Value>>,
    problem_type: Option<String>,
}

/// The labels of the classes, in their order, as far as `config.json` states them.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Labels {
    names: Option<Vec<String>>,
    /// Whether classes are no alternatives, but each has a value of its own.
    independent: bool,
}

impl Labels {
    /// Reads the bytes of the `config.json` at `path`.
    pub(crate) fn parse(path: &Path, config: &[u8]) -> Result<Self, Error> {
        let raw: RawLabels = serde_json::from_slice(config).map_err(|source| Error::Json {
            path: path.to_owned(),
            source,
        })?;
        let independent = matches!(
            raw.problem_type.as_deref(),
            Some("multi_label_classification" | "regression")
        );
        let names = raw.names().map_err(|(key, reason)| Error::Config {
            path: path.to_owned(),
            key,
            reason,
        })?;
        Ok(Labels { names, independent })
    }

    /// The number of classes, if it is stated.
    pub(crate) fn count(&self) -> Option<usize> {
        self.names.as_ref().map(Vec::len)
    }

    /// What the score of a pair is: `given` if that is more than the default, or else what the
    /// labels say.
    ///
    /// # Errors
    /// Why it cannot be told, and which key of the configuration tells it.
    pub(crate) fn scoring(&self, given: &Scoring) -> Result<Scoring, String> {
        match given {
            Scoring::Logit => self.by_names(),
            Scoring::Label(label) => {
                self.class_of(label)?;
                Ok(given.clone())
            }
            Scoring::Grades(grades) => match self.count() {
                _ if self.independent => Err(format!(
                    "`grades` is set, but by its config.json (`problem_type`) the classes {} are no alternatives; set `label`",
                    self.shown()
                )),
                Some(count) if count != grades.len() => Err(format!(
                    "`grades` has {} values, but the model has the classes {}; give one grade for each",
                    grades.len(),
                    self.shown()
                )),
                _ => Ok(given.clone()),
            },
        }
    }

    /// How the logits of `classes` classes become a score.
    pub(crate) fn reading(&self, scoring: &Scoring, classes: usize) -> Result<Reading, String> {
        let named = |count: usize| {
            format!(
                "its head has {classes} classes, but {count} are named; the weights and config.json are of different models"
            )
        };
        if let Some(count) = self.count().filter(|&count| count != classes) {
            return Err(named(count));
        }
        match scoring {
            Scoring::Logit if classes == 1 => Ok(Reading::Class(0)),
            Scoring::Logit => Err(format!(
                "its head has {classes} classes, and config.json has no labels for them; {KEYS}"
            )),
            Scoring::Label(label) => match self.class_of(label)? {
                class if class >= classes => Err(format!(
                    "`label` is {label}, but its head has only {classes} classes, from 0"
                )),
                class if classes == 1 || self.independent => Ok(Reading::Class(class)),
                class => Ok(Reading::LogOdds(class)),
            },
            Scoring::Grades(grades) if grades.len() == classes => {
                Ok(Reading::Expected(grades.clone()))
            }
            Scoring::Grades(grades) => Err(format!(
                "`grades` has {} values, but its head has {classes} classes; give one grade for each",
                grades.len()
            )),
        }
    }

    fn by_names(&self) -> Result<Scoring, String> {
        let Some(names) = &self.names else {
            // The weights tell how many classes there are.
            return Ok(Scoring::Logit);
        };
        if let [only] = &names[..] {
            let name = Name::of(only);
            return if name.denies() {
                Err(format!(
                    "its only class is `{only}`, so that a larger score would mean less relevance; \
                     set `label = \"{only}\"` in [cross] if it does mean relevance"
                ))
            } else {
                Ok(Scoring::Logit)
            };
        }
        if self.independent {
            return Err(format!(
                "by its config.json (`problem_type`) the classes {} are no alternatives; set `label` in [cross] to the one that means relevance",
                self.shown()
            ));
        }
        if let [first, second] = &names[..] {
            let (a, b) = (Name::of(first), Name::of(second));
            if b.is_denial_of(&a) {
                return Ok(Scoring::Label(first.clone()));
            }
            if a.is_denial_of(&b) {
                return Ok(Scoring::Label(second.clone()));
            }
        }
        if let Some(grades) = grades_in(names) {
            return Ok(Scoring::Grades(grades));
        }
        Err(format!(
            "its labels {} do not say which class means relevance; {KEYS}",
            self.shown()
        ))
    }

    /// The class of this label, which can also be its number.
    fn class_of(&self, label: &str) -> Result<usize, String> {
        let names = self.names.as_deref().unwrap_or_default();
        let found = names
            .iter()
            .position(|name| name == label)
            .or_else(|| {
                names
                    .iter()
                    .position(|name| name.to_lowercase() == label.to_lowercase())
            })
            .or_else(|| {
                label
                    .parse()
                    .ok()
                    .filter(|&class| names.is_empty() || class < names.len())
            });
        found.ok_or_else(|| match &self.names {
            Some(_) => format!("`label` is `{label}`, but its labels are {}", self.shown()),
            None => format!("`label` is `{label}`, but config.json has no labels; give the number of the class, from 0"),
        })
    }

    /// The labels, for messages.
    fn shown(&self) -> String {
        let names = self.names.as_deref().unwrap_or_default();
        let shown: Vec<String> = names
            .iter()
            .take(20)
            .map(|name| format!("`{name}`"))
            .collect();
        match names.len() - shown.len() {
            0 => shown.join(", "),
            more => format!("{} and {more} more", shown.join(", ")),
        }
    }
}

/// What to set where labels are not enough.
const KEYS: &str = "set `label` in [cross] to the class that means relevance, by its label or its number from 0 (cross.label=\"entailment\"), or `grades` to the grade of each class (cross.grades=[0,1,2])";

/// How the logits of a head become a score.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reading {
    /// The logit of this class, unchanged.
    Class(usize),
    /// The log odds of this class against all others.
    LogOdds(usize),
    /// The expected grade, from the grade of each class.
    Expected(Vec<Grade>),
}

impl Reading {
    /// The score of a pair from the logits of all classes.
    pub(crate) fn score(&self, logits: &[f32]) -> f32 {
        match self {
            Reading::Class(class) => logits[*class],
            Reading::LogOdds(class) => {
                let others = (0..logits.len()).filter(|other| other != class);
                let others: Vec<f32> = others.map(|other| logits[other]).collect();
                // Of two classes, this is the difference of their logits.
                (f64::from(logits[*class]) - log_sum(&others)) as f32
            }
            Reading::Expected(grades) => {
                let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let weight = |&logit: &f32| f64::from(logit - largest).exp();
                let total: f64 = logits.iter().map(weight).sum();
                let weighted = |(grade, logit): (&Grade, &f32)| f64::from(*grade) * weight(logit);
                (grades.iter().zip(logits).map(weighted).sum::<f64>() / total) as f32
            }
        }
    }
}

/// The logarithm of the sum of the exponentials.
fn log_sum(logits: &[f32]) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let largest = f64::from(largest);
    let sum: f64 = logits
        .iter()
        .map(|&logit| (f64::from(logit) - largest).exp())
        .sum();
    largest + sum.ln()
}

/// The grades that labels such as `0`, `1`, `2` are, if all are different numbers.
fn grades_in(names: &[String]) -> Option<Vec<Grade>> {
    let grades: Vec<Grade> = names
        .iter()
        .map(|name| name.trim().parse().ok())
        .collect::<Option<_>>()?;
    let distinct: std::collections::BTreeSet<Grade> = grades.iter().copied().collect();
    (distinct.len() == grades.len()).then_some(grades)
}

/// A label in lower case, without what separates words.
struct Name(String);

impl Name {
    fn of(label: &str) -> Self {
        let kept = label.chars().filter(|c| c.is_alphanumeric());
        Name(kept.flat_map(char::to_lowercase).collect())
    }

    /// Whether it is the label of what `other` is not: `irrelevant` of `relevant`, `no_answer`
    /// of `answer`, `False` of `True`, `0` of `1`.
    fn is_denial_of(&self, other: &Name) -> bool {
        const OPPOSITES: [(&str, &str); 3] = [("false", "true"), ("no", "yes"), ("0", "1")];
        let (denial, other) = (self.0.as_str(), other.0.as_str());
        let prefixed = ["not", "non", "no", "un", "ir"];
        let without = |prefix: &&str| denial.strip_prefix(*prefix) == Some(other);
        !other.is_empty()
            && (OPPOSITES.contains(&(denial, other))
                || prefixed.iter().any(without)
                || other
                    .strip_prefix("is")
                    .is_some_and(|bare| denial == format!("isnot{bare}")))
    }

    /// Whether the label by itself says that something is not relevant.
    fn denies(&self) -> bool {
        [
            "relevant",
            "related",
            "entailment",
            "duplicate",
            "match",
            "true",
            "yes",
        ]
        .iter()
        .any(|word| self.is_denial_of(&Name((*word).to_owned())))
    }
}

impl RawLabels {
    /// The names of all classes in their order. Placeholders such as `LABEL_0` in one key give
    /// way to names in the other.
    fn names(&self) -> Result<Option<Vec<String>>, (&'static str, String)> {
        let by_id = self.id2label.as_ref().map(|labels| {
            let pairs = labels
                .iter()
                .map(|(id, label)| (id.trim().parse().ok(), shown(label)));
            in_order(pairs).ok_or((
                "id2label",
                "does not name every class from 0 on once".to_owned(),
            ))
        });
        let by_label = self.label2id.as_ref().map(|ids| {
            let id = |id: &Value| match id {
                Value::Number(id) => id.as_u64().and_then(|id| usize::try_from(id).ok()),
                Value::String(id) => id.trim().parse().ok(),
                _ => None,
            };
            in_order(ids.iter().map(|(label, value)| (id(value), label.clone()))).ok_or((
                "label2id",
                "does not number the classes from 0 on".to_owned(),
            ))
        });
        let (by_id, by_label) = (by_id.transpose()?, by_label.transpose()?);
        match (by_id, by_label) {
            (Some(names), None) | (None, Some(names)) => Ok(Some(names)),
            (None, None) => Ok(None),
            (Some(by_id), Some(by_label)) => {
                let same = by_id.len() == by_label.len()
                    && by_id
                        .iter()
                        .zip(&by_label)
                        .all(|(a, b)| a.eq_ignore_ascii_case(b));
                if same || are_placeholders(&by_label) {
                    Ok(Some(by_id))
                } else if are_placeholders(&by_id) && by_id.len() == by_label.len() {
                    Ok(Some(by_label))
                } else {
                    Err((
                        "label2id",
                        format!(
                            "has the classes [{}], but `id2label` has [{}]; correct one of them",
                            by_label.join(", "),
                            by_id.join(", ")
                        ),
                    ))
                }
            }
        }
    }
}

/// A label as text; some files have numbers.
fn shown(label: &Value) -> String {
    match label {
        Value::String(label) => label.clone(),
        other => other.to_string(),
    }
}

/// The names by number, if every number from 0 on occurs once.
fn in_order(pairs: impl Iterator<Item = (Option<usize>, String)>) -> Option<Vec<String>> {
    let pairs: BTreeMap<usize, String> = {
        let mut all = BTreeMap::new();
        for (id, name) in pairs {
            if all.insert(id?, name).is_some() {
                return None;
            }
        }
        all
    };
    let complete = !pairs.is_empty() && pairs.keys().copied().eq(0..pairs.len());
    complete.then(|| pairs.into_values().collect())
}

/// Whether the names are those that Transformers gives to classes without names.
fn are_placeholders(names: &[String]) -> bool {
    let placeholder = |(class, name): (usize, &String)| *name == format!("LABEL_{class}");
    names.iter().enumerate().all(placeholder)
}

#[cfg(test)]
mod tests;
