//! Normalizers as text, typed by people or read from configuration, and refused if their
//! settings are invalid. A new normalizer needs its form here, and its formula in
//! [`crate::normalizer`].
//!
//! There are two forms. On the command line and in reports it is one word, `rank:60`, from
//! [`FromStr`] and [`Display`](fmt::Display). A profile is written with TOML,
//! `{ rank = { k = 60 } }`, from serde: a variant's name in kebab case, with its settings as a
//! table. Profiles are read with either form.

use std::fmt;
use std::str::FromStr;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::error::Error;
use crate::normalizer::Normalizer;

/// Every form, for messages.
const FORMS: &str = "min-max, z-score, rank:60, linear-rank, \
     theoretical-min:LOW, bounds:LOW:HIGH or sigmoid:SLOPE:OFFSET";

/// The constant of reciprocal ranks when none is given.
const DEFAULT_K: u32 = 60;

impl Normalizer {
    /// Checks the settings. Configuration is checked when it is read; this is for a normalizer
    /// made in code.
    ///
    /// # Errors
    /// If a setting is not finite, if `low` is not below `high`, or if a sigmoid does not
    /// rise.
    pub fn check(self) -> Result<Self, Error> {
        match self.refusal() {
            None => Ok(self),
            Some(reason) => Err(Error::InvalidNormalizer {
                normalizer: self,
                reason,
            }),
        }
    }
}

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

impl FromStr for Normalizer {
    type Err = Error;

    /// `min-max`, `z-score`, `rank` (with a k of 60) or `rank:K`, `linear-rank`,
    /// `theoretical-min:LOW`, `bounds:LOW:HIGH`, `sigmoid:SLOPE:OFFSET`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let words: Vec<&str> = text.split(':').map(str::trim).collect();
        let unknown = || Error::UnknownNormalizer {
            text: text.to_owned(),
            forms: FORMS,
        };
        let number = |word: &str| word.parse::<f64>().map_err(|_| unknown());
        match words.as_slice() {
            ["min-max"] => Normalizer::MinMax,
            ["z-score"] => Normalizer::ZScore,
            ["rank"] => Normalizer::Rank { k: DEFAULT_K },
            ["rank", k] => Normalizer::Rank {
                k: k.parse().map_err(|_| unknown())?,
            },
            ["linear-rank"] => Normalizer::LinearRank,
            ["theoretical-min", low] => Normalizer::TheoreticalMin { low: number(low)? },
            ["bounds", low, high] => Normalizer::Bounds {
                low: number(low)?,
                high: number(high)?,
            },
            ["sigmoid", slope, offset] => Normalizer::Sigmoid {
                slope: number(slope)?,
                offset: number(offset)?,
            },
            _ => return Err(unknown()),
        }
        .check()
    }
}

impl<'de> Deserialize<'de> for Normalizer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EitherForm)
    }
}

struct EitherForm;

impl<'de> Visitor<'de> for EitherForm {
    type Value = Normalizer;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a normalizer: {FORMS}")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Normalizer, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Normalizer, A::Error> {
        let normalizer = Normalizer::deserialize(MapAccessDeserializer::new(map))?;
        normalizer.check().map_err(serde::de::Error::custom)
    }
}
