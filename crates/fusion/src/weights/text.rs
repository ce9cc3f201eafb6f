//! Weights as people type them: by name, or three numbers.

use std::fmt;
use std::str::FromStr;

use treffer_types::{StageMap, StageName};

use crate::error::Error;
use crate::weights::Weights;

/// Whose weights three numbers without names are.
const UNNAMED: [StageName; 3] = [StageName::BM25, StageName::DENSE, StageName::CROSS];

impl FromStr for Weights {
    type Err = Error;

    /// `bm25=0.4,dense=0.6` with any stages, or `0.2,0.3,0.5` for bm25, dense and cross.
    fn from_str(text: &str) -> Result<Self, Error> {
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let decimals = if text.contains('=') {
            named(text, &parts)?
        } else {
            unnamed(text, &parts)?
        };
        Weights::from_decimals(decimals)
    }
}

fn named(text: &str, parts: &[&str]) -> Result<StageMap<f64>, Error> {
    let mut decimals = StageMap::new();
    for part in parts {
        let Some((name, value)) = part.split_once('=') else {
            return Err(Error::NamelessWeight {
                text: text.to_owned(),
                part: (*part).to_owned(),
            });
        };
        let stage: StageName = (name.trim().parse()).map_err(|source| Error::WeightOfNoStage {
            text: text.to_owned(),
            source,
        })?;
        if decimals.get(stage).is_some() {
            return Err(Error::StageTwice {
                text: text.to_owned(),
                stage,
            });
        }
        decimals.insert(stage, number(stage, value.trim())?);
    }
    Ok(decimals)
}

fn unnamed(text: &str, parts: &[&str]) -> Result<StageMap<f64>, Error> {
    if parts.len() != UNNAMED.len() {
        return Err(Error::NotThreeWeights {
            text: text.to_owned(),
            found: parts.iter().filter(|part| !part.is_empty()).count(),
        });
    }
    let pairs = UNNAMED.into_iter().zip(parts);
    pairs
        .map(|(stage, part)| Ok((stage, number(stage, part)?)))
        .collect()
}

fn number(stage: StageName, text: &str) -> Result<f64, Error> {
    text.parse().map_err(|source| Error::NotANumber {
        stage,
        text: text.to_owned(),
        source,
    })
}

impl fmt::Display for Weights {
    /// Three numbers if no stages but bm25, dense and cross are named, by name otherwise.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = if self.stages().all(|stage| UNNAMED.contains(&stage)) {
            let weights = UNNAMED.map(|stage| self.weight(stage).to_string());
            weights.into()
        } else {
            let named = |stage| format!("{stage}={}", self.weight(stage));
            self.stages().map(named).collect()
        };
        f.pad(&texts.join(","))
    }
}
