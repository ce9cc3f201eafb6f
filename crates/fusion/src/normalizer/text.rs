//! Normalizers as people type them: a name, followed by its settings after colons.

use std::fmt;

use crate::normalizer::Normalizer;

/// Every form, for messages.
pub(crate) const TEXT_FORMS: &str = "min-max, z-score, rank:60, linear-rank, \
     theoretical-min:LOW, bounds:LOW:HIGH or sigmoid:SLOPE:OFFSET";

impl fmt::Display for Normalizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match *self {
            Normalizer::MinMax => "min-max".to_owned(),
            Normalizer::ZScore => "z-score".to_owned(),
            Normalizer::Rank { k } => format!("rank:{k}"),
            Normalizer::LinearRank => "linear-rank".to_owned(),
            Normalizer::TheoreticalMin { low } => format!("theoretical-min:{low}"),
            Normalizer::Bounds { low, high } => format!("bounds:{low}:{high}"),
            Normalizer::Sigmoid { slope, offset } => format!("sigmoid:{slope}:{offset}"),
        };
        f.pad(&text)
    }
}
