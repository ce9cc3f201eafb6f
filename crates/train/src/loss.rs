//! Losses of one example, with their derivatives by the logits.

use serde::{Deserialize, Serialize};

use crate::example::{Example, ValueKind};

/// What is made small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Binary cross-entropy between the sigmoid of the logit and a label from 0 to 1. A
    /// teacher's score is a logit, whose sigmoid is the label.
    Bce,
    /// The square of the difference between logit and value.
    Mse,
    /// Cross-entropy between the softmax over classes and the class that the label is.
    Classes,
    /// The square of the difference between two margins: of the logits and of the values,
    /// between the passage of the largest value and each other (Hofstätter et al. 2020,
    /// <https://arxiv.org/abs/2010.02666>).
    MarginMse,
    /// Cross-entropy between the softmax of the logits over the passages of an example and
    /// the share of each passage in the labels, or the softmax of the scores (ListNet, Cao
    /// et al. 2007, <https://doi.org/10.1145/1273496.1273513>).
    List,
    /// Of a bi-encoder: cross-entropy between the softmax of scaled cosines, of a query with a
    /// relevant passage, its other passages and those of the other lines of a step, and the
    /// relevant passage (multiple negatives ranking, Henderson et al. 2017,
    /// <https://arxiv.org/abs/1705.00652>). A query with several relevant passages has a term
    /// for each. Passages with the text of one that is relevant to the query, in any line of
    /// the step, are left out.
    MultipleNegatives,
}

impl Loss {
    /// Its name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Loss::Bce => "bce",
            Loss::Mse => "mse",
            Loss::Classes => "classes",
            Loss::MarginMse => "margin-mse",
            Loss::List => "list",
            Loss::MultipleNegatives => "multiple-negatives",
        }
    }

    /// The number of terms of an example: a loss is the mean over the terms of a step.
    pub(crate) fn terms(self, example: &Example) -> usize {
        match self {
            Loss::Bce | Loss::Mse | Loss::Classes => example.passages.len(),
            Loss::MarginMse => example.passages.len() - 1,
            Loss::List => 1,
            Loss::MultipleNegatives => example.values.iter().filter(|&&value| value > 0.0).count(),
        }
    }

    /// Why an example cannot be learned with this loss.
    pub(crate) fn refuses(self, example: &Example, classes: usize) -> Option<String> {
        let outside = |most: f32| {
            let odd = |value: &&f32| !(0.0..=most).contains(*value);
            example.values.iter().find(odd)
        };
        match self {
            Loss::Bce if example.kind == ValueKind::Labels => outside(1.0)
                .map(|label| format!("has the label {label}; --loss bce needs labels from 0 to 1")),
            Loss::Bce | Loss::Mse => None,
            Loss::Classes => {
                let fits =
                    |value: &f32| value.fract() == 0.0 && *value >= 0.0 && *value < classes as f32;
                let odd = example.values.iter().find(|value| !fits(value));
                odd.map(|label| {
                    format!(
                        "has the label {label}, but the model has the classes 0 to {}",
                        classes - 1
                    )
                })
            }
            Loss::MarginMse | Loss::List if example.passages.len() < 2 => Some(format!(
                "has one passage; --loss {} needs two or more",
                self.as_str()
            )),
            Loss::MarginMse => None,
            Loss::List if example.kind == ValueKind::Labels => {
                let values = &example.values;
                let total: f32 = values.iter().sum();
                if values.iter().any(|&value| value < 0.0) || total <= 0.0 {
                    return Some(
                        "has no label above 0, or one below; --loss list needs one relevant passage"
                            .to_owned(),
                    );
                }
                let same = values.iter().all(|value| *value == values[0]);
                same.then(|| {
                    format!(
                        "has the label {} for every passage; --loss list needs passages of another",
                        values[0]
                    )
                })
            }
            Loss::List => None,
            Loss::MultipleNegatives if example.kind == ValueKind::Scores => Some(
                "has scores and no labels; --loss multiple-negatives needs to know what is relevant"
                    .to_owned(),
            ),
            Loss::MultipleNegatives => (self.terms(example) == 0).then(|| {
                "has no label above 0; --loss multiple-negatives needs one relevant passage"
                    .to_owned()
            }),
        }
    }

    /// The loss of an example with these values, whose `logits` are `[passages, classes]`, and
    /// its derivative into `gradient`. Both are multiplied by `scale`. Of
    /// [`Loss::MultipleNegatives`], that with the example's own passages alone.
    pub(crate) fn of(
        self,
        values: &[f32],
        kind: ValueKind,
        logits: &[f32],
        temperature: f32,
        scale: f64,
        gradient: &mut [f32],
    ) -> f64 {
        let wide = |x: f32| f64::from(x);
        let mut loss = 0.0;
        match self {
            Loss::Bce => {
                for ((&logit, &value), slope) in logits.iter().zip(values).zip(gradient) {
                    let x = wide(logit);
                    let label = match kind {
                        ValueKind::Labels => wide(value),
                        ValueKind::Scores => sigmoid(wide(value) / wide(temperature)),
                    };
                    loss += x.max(0.0) - x * label + (-x.abs()).exp().ln_1p();
                    *slope = (scale * (sigmoid(x) - label)) as f32;
                }
            }
            Loss::Mse => {
                for ((&logit, &value), slope) in logits.iter().zip(values).zip(gradient) {
                    let difference = wide(logit) - wide(value);
                    loss += difference * difference;
                    *slope = (scale * 2.0 * difference) as f32;
                }
            }
            Loss::Classes => {
                let classes = logits.len() / values.len();
                let rows = logits
                    .chunks_exact(classes)
                    .zip(gradient.chunks_exact_mut(classes));
                for ((logits, slopes), &value) in rows.zip(values) {
                    let logits: Vec<f64> = logits.iter().map(|&x| wide(x)).collect();
                    let logs = log_softmax(&logits);
                    loss -= logs[value as usize];
                    for (class, (log, slope)) in logs.iter().zip(slopes).enumerate() {
                        let hit = f64::from(class == value as usize);
                        *slope = (scale * (log.exp() - hit)) as f32;
                    }
                }
            }
            Loss::MarginMse => {
                let best = best(values);
                gradient.fill(0.0);
                let mut own = 0.0;
                for other in (0..values.len()).filter(|&other| other != best) {
                    let margin = wide(logits[best]) - wide(logits[other]);
                    let difference = margin - (wide(values[best]) - wide(values[other]));
                    loss += difference * difference;
                    own += 2.0 * difference;
                    gradient[other] = (-scale * 2.0 * difference) as f32;
                }
                gradient[best] = (scale * own) as f32;
            }
            Loss::List => {
                let wanted: Vec<f64> = match kind {
                    ValueKind::Labels => {
                        let total: f64 = values.iter().map(|&x| wide(x)).sum();
                        values.iter().map(|&x| wide(x) / total).collect()
                    }
                    ValueKind::Scores => {
                        let scores: Vec<f64> = values
                            .iter()
                            .map(|&x| wide(x) / wide(temperature))
                            .collect();
                        log_softmax(&scores).iter().map(|x| x.exp()).collect()
                    }
                };
                let logits: Vec<f64> = logits.iter().map(|&x| wide(x)).collect();
                for ((log, wanted), slope) in log_softmax(&logits).iter().zip(wanted).zip(gradient)
                {
                    loss -= wanted * log;
                    *slope = (scale * (log.exp() - wanted)) as f32;
                }
            }
            Loss::MultipleNegatives => {
                let role = |&value: &f32| {
                    if value > 0.0 {
                        Role::Positive
                    } else {
                        Role::Negative
                    }
                };
                let roles: Vec<Role> = values.iter().map(role).collect();
                let logits: Vec<f64> = logits.iter().map(|&x| wide(x)).collect();
                let (sum, slopes) = ranking(&logits, &roles);
                loss = sum;
                for (slope, wide) in gradient.iter_mut().zip(slopes) {
                    *slope = (scale * wide) as f32;
                }
            }
        }
        scale * loss
    }
}

/// What a passage is to a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Positive,
    Negative,
    /// Neither: it is not compared.
    LeftOut,
}

/// The sum over the positive passages of the cross-entropy of each among itself and all negative
/// ones, and its derivative by each logit.
pub(crate) fn ranking(logits: &[f64], roles: &[Role]) -> (f64, Vec<f64>) {
    let of = |wanted: Role| {
        let logits = logits.iter().zip(roles).enumerate();
        logits.filter_map(move |(index, (&x, &role))| (role == wanted).then_some((index, x)))
    };
    let hardest = of(Role::Negative).fold(f64::NEG_INFINITY, |most, (_, x)| most.max(x));
    let (mut loss, mut slopes) = (0.0, vec![0.0; logits.len()]);
    for (index, x) in of(Role::Positive) {
        let largest = hardest.max(x);
        let others: f64 = of(Role::Negative).map(|(_, y)| (y - largest).exp()).sum();
        let total = others + (x - largest).exp();
        loss += total.ln() - (x - largest);
        slopes[index] -= others / total;
        for (other, y) in of(Role::Negative) {
            slopes[other] += (y - largest).exp() / total;
        }
    }
    (loss, slopes)
}

/// The first passage with the largest value.
fn best(values: &[f32]) -> usize {
    let mut best = 0;
    for (index, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = index;
        }
    }
    best
}

pub(crate) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn log_softmax(x: &[f64]) -> Vec<f64> {
    let largest = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = x.iter().map(|x| (x - largest).exp()).sum();
    x.iter().map(|x| x - largest - total.ln()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(values: &[f32], kind: ValueKind) -> Example {
        Example {
            query: String::new(),
            passages: vec![String::new(); values.len()],
            values: values.to_vec(),
            kind,
            weight: 1.0,
            origin: (0, 0),
        }
    }

    #[test]
    fn derivatives_agree_with_differences() {
        use ValueKind::{Labels, Scores};
        let cases = [
            (Loss::Bce, example(&[1.0, 0.25, 0.0], Labels), 1),
            (Loss::Bce, example(&[3.0, -2.0, 0.5], Scores), 1),
            (Loss::Mse, example(&[1.0, -0.5, 2.0], Scores), 1),
            (Loss::Classes, example(&[2.0, 0.0, 1.0], Labels), 3),
            (Loss::MarginMse, example(&[0.5, 3.0, -1.0], Scores), 1),
            (Loss::List, example(&[1.0, 0.0, 2.0], Labels), 1),
            (Loss::List, example(&[1.0, -4.0, 2.0], Scores), 1),
            (
                Loss::MultipleNegatives,
                example(&[0.0, 1.0, 0.0], Labels),
                1,
            ),
            (
                Loss::MultipleNegatives,
                example(&[1.0, 0.0, 2.0], Labels),
                1,
            ),
        ];
        for (loss, example, classes) in cases {
            let logits: Vec<f32> = (0..3 * classes).map(|i| (i as f32 * 1.7).sin()).collect();
            let value = |logits: &[f32]| {
                let mut gradient = vec![0.0; logits.len()];
                let value = loss.of(
                    &example.values,
                    example.kind,
                    logits,
                    1.5,
                    0.7,
                    &mut gradient,
                );
                (value, gradient)
            };
            let (_, gradient) = value(&logits);
            for index in 0..logits.len() {
                let step = 1.0 / 64.0;
                let (mut above, mut below) = (logits.clone(), logits.clone());
                above[index] += step;
                below[index] -= step;
                let slope = (value(&above).0 - value(&below).0) / f64::from(2.0 * step);
                let found = f64::from(gradient[index]);
                assert!((slope - found).abs() < 1e-4, "{loss:?} {slope} {found}");
            }
        }
    }

    #[test]
    fn what_a_loss_cannot_learn_is_refused_by_name() {
        use ValueKind::{Labels, Scores};
        let refused = |loss: Loss, values: &[f32], kind, classes| {
            loss.refuses(&example(values, kind), classes)
                .unwrap_or_default()
        };
        let bce = refused(Loss::Bce, &[1.0, 2.0], Labels, 1);
        assert!(
            bce.contains("the label 2") && bce.contains("0 to 1"),
            "{bce}"
        );
        let bce = refused(Loss::Bce, &[-0.5], Labels, 1);
        assert!(bce.contains("the label -0.5"), "{bce}");
        assert_eq!(refused(Loss::Bce, &[12.5, -3.0], Scores, 1), "");
        for label in [3.0, -1.0, 0.5] {
            let classes = refused(Loss::Classes, &[0.0, label], Labels, 3);
            assert!(classes.contains("classes 0 to 2"), "{classes}");
        }
        assert_eq!(refused(Loss::Classes, &[0.0, 2.0], Labels, 3), "");
        for loss in [Loss::List, Loss::MarginMse] {
            assert!(refused(loss, &[1.0], Labels, 1).contains("two or more"));
        }
        let list = |values: &[f32]| refused(Loss::List, values, Labels, 1);
        assert!(list(&[0.0, 0.0]).contains("no label above 0"));
        assert!(list(&[1.0, -1.0]).contains("no label above 0"));
        assert!(list(&[2.0, 2.0]).contains("for every passage"));
        assert_eq!(list(&[2.0, 1.0]), "");
        assert_eq!(refused(Loss::List, &[-2.0, -2.0], Scores, 1), "");
        let ranking = |values: &[f32], kind| refused(Loss::MultipleNegatives, values, kind, 1);
        assert!(ranking(&[0.0, 0.0], Labels).contains("no label above 0"));
        assert!(ranking(&[4.0, -2.0], Scores).contains("no labels"));
        assert_eq!(ranking(&[1.0], Labels), "");
    }

    #[test]
    fn values_are_those_of_the_definitions() {
        let mut gradient = [0.0; 2];
        let mut of = |loss: Loss, values: &[f32], kind| {
            loss.of(values, kind, &[2.0, 0.0], 1.0, 1.0, &mut gradient)
        };
        let bce = of(Loss::Bce, &[1.0, 0.0], ValueKind::Labels);
        assert!(
            (bce - (0.126_928 + std::f64::consts::LN_2)).abs() < 1e-5,
            "{bce}"
        );
        assert!((of(Loss::MarginMse, &[5.0, 0.0], ValueKind::Scores) - 9.0).abs() < 1e-9);
        let list = of(Loss::List, &[1.0, 0.0], ValueKind::Labels);
        assert!((list - 0.126_928).abs() < 1e-5, "{list}");
        let ranking = of(Loss::MultipleNegatives, &[1.0, 0.0], ValueKind::Labels);
        assert!((ranking - 0.126_928).abs() < 1e-5, "{ranking}");
        // Alone among positives, each is compared with nothing.
        let alone = of(Loss::MultipleNegatives, &[1.0, 1.0], ValueKind::Labels);
        assert!(alone.abs() < 1e-9, "{alone}");
    }
}
