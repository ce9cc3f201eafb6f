//! The metrics by name.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use treffer_types::Grade;

use crate::error::Error;

/// A measure of one ranking. Larger is better, except of the counts.
///
/// Names are those of `ir_measures`, read without regard to case, with the usual
/// aliases (`MRR`, `MAP`, `Recall`) and `trec_eval`'s own spelling (`ndcg_cut_10`,
/// `recip_rank`). `@10` cuts the ranking; `(rel=2)` is the lowest grade that counts
/// as relevant, 1 if not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Metric {
    /// `nDCG@k`: discounted cumulative gain, with the grade as gain and
    /// `1 / log2(rank + 1)` as discount, over that of the best possible ranking
    /// (Järvelin and Kekäläinen, 2002, as `trec_eval` computes it). Grades below 0
    /// gain nothing.
    Ndcg {
        /// Ranks that count; all if `None`.
        cutoff: Option<NonZeroUsize>,
    },
    /// `RR@k`, averaged `MRR@k`: 1 over the rank of the first relevant document.
    ReciprocalRank {
        /// Lowest relevant grade.
        rel: Grade,
        /// Ranks that count; all if `None`.
        cutoff: Option<NonZeroUsize>,
    },
    /// `AP@k`, averaged `MAP@k`: the precision at the rank of each relevant document
    /// found, summed, over the number of relevant documents there are.
    AveragePrecision {
        /// Lowest relevant grade.
        rel: Grade,
        /// Ranks that count; all if `None`.
        cutoff: Option<NonZeroUsize>,
    },
    /// `R@k`: the share of the relevant documents that was found.
    Recall {
        /// Lowest relevant grade.
        rel: Grade,
        /// Ranks that count.
        cutoff: NonZeroUsize,
    },
    /// `P@k`: the share of the first k ranks that holds a relevant document; ranks
    /// beyond the end of the ranking count as not relevant.
    Precision {
        /// Lowest relevant grade.
        rel: Grade,
        /// Ranks that count.
        cutoff: NonZeroUsize,
    },
    /// `Success@k`: 1 if any of the first k is relevant, else 0.
    Success {
        /// Lowest relevant grade.
        rel: Grade,
        /// Ranks that count.
        cutoff: NonZeroUsize,
    },
    /// `Judged@k`: the share of the first k documents, or of all if there are fewer,
    /// that has a judgement of any grade.
    Judged {
        /// Ranks that count; all if `None`.
        cutoff: Option<NonZeroUsize>,
    },
    /// `NumRet`, or with a `rel` the number of relevant documents found. A count:
    /// summed over queries, not averaged.
    NumRet {
        /// Lowest grade counted; every document if `None`.
        rel: Option<Grade>,
    },
    /// `NumRel`: relevant documents there are. A count: summed over queries.
    NumRel {
        /// Lowest relevant grade.
        rel: Grade,
    },
}

impl Metric {
    /// Whether values are summed over queries rather than averaged.
    pub fn is_count(&self) -> bool {
        matches!(self, Metric::NumRet { .. } | Metric::NumRel { .. })
    }

    /// How many ranks count; `None` for all of them.
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

/// Every name a metric goes by, in lower case, and one that is spelled right.
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
        let parts = Parts::new(text)?;
        let (rel, cutoff) = (parts.rel.unwrap_or(1), parts.cutoff);
        let graded = |metric| match parts.rel {
            None => Ok(metric),
            Some(_) => {
                Err(parts.error("it counts grades, not relevant documents, and takes no rel"))
            }
        };
        let needed = || cutoff.ok_or_else(|| parts.error("it needs a cutoff"));
        let whole = |metric| match cutoff {
            None => Ok(metric),
            Some(_) => Err(parts.error("it takes no cutoff")),
        };
        match parts.name.as_str() {
            "ndcg" | "ndcg_cut" => graded(Metric::Ndcg { cutoff }),
            "rr" | "mrr" | "recip_rank" => Ok(Metric::ReciprocalRank { rel, cutoff }),
            "ap" | "map" | "map_cut" => Ok(Metric::AveragePrecision { rel, cutoff }),
            "r" | "recall" => Ok(Metric::Recall {
                rel,
                cutoff: needed()?,
            }),
            "p" | "precision" => Ok(Metric::Precision {
                rel,
                cutoff: needed()?,
            }),
            "success" => Ok(Metric::Success {
                rel,
                cutoff: needed()?,
            }),
            "judged" => graded(Metric::Judged { cutoff }),
            "numret" | "num_ret" => whole(Metric::NumRet { rel: parts.rel }),
            "num_rel_ret" => whole(Metric::NumRet { rel: Some(rel) }),
            "numrel" | "num_rel" => whole(Metric::NumRel { rel }),
            _ => Err(unknown(text, &parts.name)),
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

/// `name(rel=R)@k`, taken apart.
struct Parts<'a> {
    text: &'a str,
    /// In lower case.
    name: String,
    rel: Option<Grade>,
    cutoff: Option<NonZeroUsize>,
}

impl<'a> Parts<'a> {
    fn new(text: &'a str) -> Result<Self, Error> {
        let (head, cutoff) = split_cutoff(text.trim());
        let (name, arguments) = match head.split_once('(') {
            Some((name, arguments)) => (name, Some(arguments)),
            None => (head, None),
        };
        let mut parts = Parts {
            text,
            name: name.trim().to_lowercase(),
            rel: None,
            cutoff: None,
        };
        if !NAMES.iter().any(|(name, _)| *name == parts.name) {
            return Err(unknown(text, &parts.name));
        }
        if let Some(cutoff) = cutoff {
            parts.cutoff = Some(
                (cutoff.parse())
                    .map_err(|_| parts.error("the cutoff is not a whole number above 0"))?,
            );
        }
        if let Some(arguments) = arguments {
            let rel = (arguments.trim().strip_suffix(')'))
                .and_then(|arguments| arguments.trim().strip_prefix("rel"))
                .and_then(|rel| rel.trim().strip_prefix('='))
                .and_then(|rel| rel.trim().parse().ok())
                .filter(|&rel| rel >= 1);
            if rel.is_none() {
                return Err(parts.error("the only argument is rel, a whole number above 0"));
            }
            parts.rel = rel;
        }
        Ok(parts)
    }

    fn error(&self, reason: &'static str) -> Error {
        let right = NAMES.iter().find(|(name, _)| *name == self.name);
        Error::BadMetric {
            name: self.text.to_owned(),
            reason,
            example: right.map_or("nDCG@10", |(_, example)| example).to_owned(),
        }
    }
}

/// `P@10` at the `@`, and `P_10` or `P.10` at the last mark if digits follow it.
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

/// Insertions, deletions and substitutions that lead from `a` to `b` (Levenshtein).
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
