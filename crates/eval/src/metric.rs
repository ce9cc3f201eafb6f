//! The metrics and their names.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use treffer_types::Grade;

use crate::error::Error;

/// A metric of one ranking. Larger is better, except for the counts.
///
/// Names are parsed without regard to case: those of `ir_measures`, the usual aliases
/// (`MRR`, `MAP`, `Recall`) and `trec_eval`'s spelling (`ndcg_cut_10`, `recip_rank`).
/// `@10` is the cutoff, the number of ranks considered; `(rel=2)` is the lowest grade that
/// counts as relevant, 1 by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Metric {
    /// `nDCG@k`: discounted cumulative gain, with the grade as gain and
    /// `1 / log2(rank + 1)` as discount, divided by that of the ideal ranking (Järvelin and
    /// Kekäläinen, 2002, as `trec_eval` computes it). Grades below 0 have a gain of 0.
    Ndcg {
        /// Number of ranks considered; `None` means all.
        cutoff: Option<NonZeroUsize>,
    },
    /// `RR@k`, averaged over queries `MRR@k`: 1 / the rank of the first relevant document.
    ReciprocalRank {
        /// Lowest grade that counts as relevant.
        rel: Grade,
        /// Number of ranks considered; `None` means all.
        cutoff: Option<NonZeroUsize>,
    },
    /// `AP@k`, averaged over queries `MAP@k`: the sum of the precisions at the ranks of the
    /// retrieved relevant documents, divided by the number of all relevant documents.
    AveragePrecision {
        /// Lowest grade that counts as relevant.
        rel: Grade,
        /// Number of ranks considered; `None` means all.
        cutoff: Option<NonZeroUsize>,
    },
    /// `R@k`: the fraction of the relevant documents that are in the first k.
    Recall {
        /// Lowest grade that counts as relevant.
        rel: Grade,
        /// Number of ranks considered.
        cutoff: NonZeroUsize,
    },
    /// `P@k`: the number of relevant documents in the first k, divided by k even if the
    /// ranking is shorter.
    Precision {
        /// Lowest grade that counts as relevant.
        rel: Grade,
        /// Number of ranks considered.
        cutoff: NonZeroUsize,
    },
    /// `Success@k`: 1 if any of the first k is relevant, else 0.
    Success {
        /// Lowest grade that counts as relevant.
        rel: Grade,
        /// Number of ranks considered.
        cutoff: NonZeroUsize,
    },
    /// `Judged@k`: the fraction of the first k documents, or of all if there are fewer,
    /// that have a judgment of any grade.
    Judged {
        /// Number of ranks considered; `None` means all.
        cutoff: Option<NonZeroUsize>,
    },
    /// `NumRet`: the number of retrieved documents; `NumRet(rel=r)`: of those, the number
    /// with a grade of at least r. A count: summed over queries, not averaged.
    NumRet {
        /// Lowest grade counted; `None` counts every document.
        rel: Option<Grade>,
    },
    /// `NumRel`: the number of all relevant documents. A count: summed over queries.
    NumRel {
        /// Lowest grade that counts as relevant.
        rel: Grade,
    },
}

impl Metric {
    /// Whether values are summed over queries rather than averaged.
    pub fn is_count(&self) -> bool {
        matches!(self, Metric::NumRet { .. } | Metric::NumRel { .. })
    }

    /// Number of ranks considered; `None` means all.
    pub fn cutoff(&self) -> Option<NonZeroUsize> {
        match *self {
            Metric::Ndcg { cutoff }
            | Metric::ReciprocalRank { cutoff, .. }
            | Metric::AveragePrecision { cutoff, .. }
            | Metric::Judged { cutoff } => cutoff,
            Metric::Recall { cutoff, .. }
            | Metric::Precision { cutoff, .. }
            | Metric::Success { cutoff, .. } => Some(cutoff),
            Metric::NumRet { .. } | Metric::NumRel { .. } => None,
        }
    }
}

/// Every accepted name, in lower case, with an example of a valid metric.
const NAMES: [(&str, &str); 19] = [
    ("ndcg", "nDCG@10"),
    ("ndcg_cut", "nDCG@10"),
    ("rr", "RR@10"),
    ("mrr", "MRR@10"),
    ("recip_rank", "MRR"),
    ("ap", "AP"),
    ("map", "MAP"),
    ("map_cut", "MAP@100"),
    ("r", "R@100"),
    ("recall", "Recall@100"),
    ("p", "P@10"),
    ("precision", "P@10"),
    ("success", "Success@10"),
    ("judged", "Judged@10"),
    ("numret", "NumRet"),
    ("num_ret", "NumRet"),
    ("num_rel_ret", "NumRet(rel=1)"),
    ("numrel", "NumRel"),
    ("num_rel", "NumRel"),
];

impl FromStr for Metric {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parsed = ParsedName::new(text)?;
        let (rel, cutoff) = (parsed.rel.unwrap_or(1), parsed.cutoff);
        let without_rel = |metric| match parsed.rel {
            None => Ok(metric),
            Some(_) => Err(parsed
                .error("it uses grades rather than a threshold of relevance, and takes no rel")),
        };
        let required = || cutoff.ok_or_else(|| parsed.error("it needs a cutoff"));
        let without_cutoff = |metric| match cutoff {
            None => Ok(metric),
            Some(_) => Err(parsed.error("it takes no cutoff")),
        };
        match parsed.name.as_str() {
            "ndcg" | "ndcg_cut" => without_rel(Metric::Ndcg { cutoff }),
            "rr" | "mrr" | "recip_rank" => Ok(Metric::ReciprocalRank { rel, cutoff }),
            "ap" | "map" | "map_cut" => Ok(Metric::AveragePrecision { rel, cutoff }),
            "r" | "recall" => Ok(Metric::Recall {
                rel,
                cutoff: required()?,
            }),
            "p" | "precision" => Ok(Metric::Precision {
                rel,
                cutoff: required()?,
            }),
            "success" => Ok(Metric::Success {
                rel,
                cutoff: required()?,
            }),
            "judged" => without_rel(Metric::Judged { cutoff }),
            "numret" | "num_ret" => without_cutoff(Metric::NumRet { rel: parsed.rel }),
            "num_rel_ret" => without_cutoff(Metric::NumRet { rel: Some(rel) }),
            "numrel" | "num_rel" => without_cutoff(Metric::NumRel { rel }),
            _ => Err(unknown(text, &parsed.name)),
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, rel) = match *self {
            Metric::Ndcg { .. } => ("nDCG", None),
            Metric::ReciprocalRank { rel, .. } => ("MRR", Some(rel)),
            Metric::AveragePrecision { rel, .. } => ("MAP", Some(rel)),
            Metric::Recall { rel, .. } => ("Recall", Some(rel)),
            Metric::Precision { rel, .. } => ("P", Some(rel)),
            Metric::Success { rel, .. } => ("Success", Some(rel)),
            Metric::Judged { .. } => ("Judged", None),
            Metric::NumRet { rel } => ("NumRet", rel),
            Metric::NumRel { rel } => ("NumRel", Some(rel)),
        };
        let is_default = rel == Some(1) && !matches!(self, Metric::NumRet { .. });
        let mut text = name.to_owned();
        if let Some(rel) = rel.filter(|_| !is_default) {
            text += &format!("(rel={rel})");
        }
        if let Some(cutoff) = self.cutoff() {
            text += &format!("@{cutoff}");
        }
        f.pad(&text)
    }
}

impl TryFrom<String> for Metric {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Metric> for String {
    fn from(metric: Metric) -> Self {
        metric.to_string()
    }
}

/// The components of `name(rel=R)@k`.
struct ParsedName<'a> {
    text: &'a str,
    /// In lower case.
    name: String,
    rel: Option<Grade>,
    cutoff: Option<NonZeroUsize>,
}

impl<'a> ParsedName<'a> {
    fn new(text: &'a str) -> Result<Self, Error> {
        let (head, cutoff) = split_cutoff(text.trim());
        let (name, arguments) = match head.split_once('(') {
            Some((name, arguments)) => (name, Some(arguments)),
            None => (head, None),
        };
        let mut parsed = ParsedName {
            text,
            name: name.trim().to_lowercase(),
            rel: None,
            cutoff: None,
        };
        if !NAMES.iter().any(|(name, _)| *name == parsed.name) {
            return Err(unknown(text, &parsed.name));
        }
        if let Some(cutoff) = cutoff {
            parsed.cutoff = Some(
                (cutoff.parse())
                    .map_err(|_| parsed.error("the cutoff is not a whole number above 0"))?,
            );
        }
        if let Some(arguments) = arguments {
            let rel = (arguments.trim().strip_suffix(')'))
                .and_then(|arguments| arguments.trim().strip_prefix("rel"))
                .and_then(|rel| rel.trim().strip_prefix('='))
                .and_then(|rel| rel.trim().parse().ok())
                .filter(|&rel| rel >= 1);
            if rel.is_none() {
                return Err(parsed.error("the only argument is rel, a whole number above 0"));
            }
            parsed.rel = rel;
        }
        Ok(parsed)
    }

    fn error(&self, reason: &'static str) -> Error {
        let known = NAMES.iter().find(|(name, _)| *name == self.name);
        Error::BadMetric {
            name: self.text.to_owned(),
            reason,
            example: known.map_or("nDCG@10", |(_, example)| example).to_owned(),
        }
    }
}

/// Splits `P@10` at the `@`, and `P_10` or `P.10` at the last `_` or `.` if digits follow it.
fn split_cutoff(text: &str) -> (&str, Option<&str>) {
    if let Some((head, cutoff)) = text.rsplit_once('@') {
        return (head, Some(cutoff.trim()));
    }
    match text.rsplit_once(['_', '.']) {
        Some((head, digits))
            if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            (head, Some(digits))
        }
        _ => (text, None),
    }
}

fn unknown(text: &str, name: &str) -> Error {
    let nearest = NAMES
        .iter()
        .min_by_key(|(known, _)| edit_distance(known, name))
        .map_or("nDCG@10", |(_, example)| example);
    Error::UnknownMetric {
        name: text.to_owned(),
        nearest: nearest.to_owned(),
    }
}

/// The Levenshtein distance: insertions, deletions and substitutions from `a` to `b`.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &b) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests;
