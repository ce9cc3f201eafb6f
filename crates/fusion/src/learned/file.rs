//! A learned fusion as a file: JSON, with the trees in XGBoost's format.

use hessboost::model::{BoostedModel, ModelFormat};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use treffer_types::StageName;

use crate::fusion::Fusion;
use crate::learned::features::{names, once_each};
use crate::learned::{LearnError, Learned};

/// Version of the file; another one is refused.
const FORMAT: u32 = 2;

/// What files of every version have, among other things.
#[derive(Deserialize)]
struct Header {
    format: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    /// In the order of the trees' columns.
    features: Vec<String>,
    stages: Vec<StageName>,
    fusion: Fusion,
    scale: f64,
    /// XGBoost's JSON, which other programs read too.
    trees: Option<Value>,
}

impl Learned {
    /// The fusion as a file. Reading it back gives the same order and scores, bit for bit.
    ///
    /// # Errors
    /// If the trees cannot be expressed.
    pub fn encode(&self) -> Result<String, LearnError> {
        let encode = |trees: &BoostedModel| -> Result<Value, LearnError> {
            let bytes = trees
                .encode(ModelFormat::XgboostJson)
                .map_err(|source| LearnError::Write { source })?;
            Ok(serde_json::from_slice(&bytes)?)
        };
        let file = File {
            format: FORMAT,
            features: names(&self.stages),
            stages: self.stages.clone(),
            fusion: self.fusion.clone(),
            scale: self.scale,
            trees: self.trees.as_ref().map(encode).transpose()?,
        };
        Ok(serde_json::to_string(&file)?)
    }

    /// Reads what [`Learned::encode`] wrote.
    ///
    /// # Errors
    /// If it is something else, another version's, or damaged.
    pub fn decode(text: &str) -> Result<Self, LearnError> {
        let Header { format } = serde_json::from_str(text)?;
        let foreign = |what: String| LearnError::Foreign { what };
        if format != FORMAT {
            return Err(foreign(format!(
                "it has format {format}, this program reads format {FORMAT}"
            )));
        }
        let file: File = serde_json::from_str(text)?;
        let features = names(&file.stages);
        if file.features != features {
            return Err(foreign(format!(
                "it looks at {}, this program at {}",
                file.features.join(", "),
                features.join(", ")
            )));
        }
        if !(file.scale.is_finite() && file.scale > 0.0) {
            return Err(foreign(format!(
                "its scale is {}, which is not a number above 0",
                file.scale
            )));
        }
        let decode = |trees: Value| {
            BoostedModel::decode(trees.to_string(), ModelFormat::XgboostJson)
                .map_err(|source| LearnError::Trees { source })
        };
        let trees = file.trees.map(decode).transpose()?;
        if let Some(trees) = &trees
            && (trees.n_features() != features.len() || trees.n_outputs() != 1)
        {
            return Err(foreign(format!(
                "its trees give {} values for {} features where one for {} is needed",
                trees.n_outputs(),
                trees.n_features(),
                features.len()
            )));
        }
        Ok(Learned {
            fusion: file.fusion,
            scale: file.scale,
            stages: once_each(&file.stages),
            trees,
        })
    }
}

/// Two are equal if their files are.
impl PartialEq for Learned {
    fn eq(&self, other: &Self) -> bool {
        matches!((self.encode(), other.encode()), (Ok(a), Ok(b)) if a == b)
    }
}
