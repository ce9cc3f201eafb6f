//! `modules.json` of Sentence Transformers: what happens to the vectors of a text's tokens.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use treffer_types::{PooledLayer, Pooling};

use super::{is_below, optional, parse, unsupported};
use crate::error::Error;
use crate::folder::{CONFIG, read_config};

/// What the modules of a folder say.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Modules {
    /// The mode of the pooling module, if there is one.
    pub(super) pooling: Option<Pooling>,
    /// Whether the pooling leaves out the tokens of the prompt.
    pub(super) prefix_not_pooled: bool,
    /// The layers after the pooling. One that normalizes at the end is left out, since every
    /// vector is normalized.
    pub(super) layers: Vec<PooledLayer>,
    /// Whether the last module normalizes.
    pub(super) normalized: bool,
}

/// One of the modules that `modules.json` lists.
#[derive(Deserialize)]
pub(super) struct Module {
    #[serde(default)]
    pub(super) path: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
}

impl Module {
    /// Those of the model folder at `path`; `None` without `modules.json`.
    pub(super) fn list(path: &Path) -> Result<Option<Vec<Self>>, Error> {
        optional(&path.join("modules.json"))
    }

    /// The last part of its type.
    pub(super) fn name(&self) -> &str {
        self.kind.rsplit('.').next().unwrap_or_default()
    }

    /// Refuses a transformer whose files are not in the model folder at `path` itself.
    pub(super) fn check_transformer(&self, path: &Path) -> Result<(), Error> {
        if matches!(&*self.path, "" | "." | "./") {
            return Ok(());
        }
        let reason = format!(
            "modules.json has its transformer in the folder `{}`; move the files of that folder \
             up, and make its `path` empty",
            self.path
        );
        Err(unsupported(path, &reason))
    }

    /// Its folder, which must be within that of the model, at `path`.
    pub(super) fn folder(&self, path: &Path) -> Result<PathBuf, Error> {
        if is_below(&self.path) {
            return Ok(path.join(&self.path));
        }
        let reason = format!(
            "modules.json has `{}` in `{}`, which is no folder within the model's",
            self.kind, self.path
        );
        Err(unsupported(path, &reason))
    }
}

impl Modules {
    /// Reads `modules.json` of the model folder at `path`, if there is one, and what it names.
    /// Modules that would change the vectors in another way are refused.
    pub(super) fn read(path: &Path, hidden_size: usize) -> Result<Option<Self>, Error> {
        let Some(list) = Module::list(path)? else {
            return Ok(None);
        };
        let mut modules = Modules::default();
        for (index, module) in list.iter().enumerate() {
            if !module.kind.starts_with("sentence_transformers.") {
                return Err(refused(path, &module.kind));
            }
            match module.name() {
                "Transformer" if index > 0 => return Err(refused(path, &module.kind)),
                "Transformer" => module.check_transformer(path)?,
                // Dropout is for training.
                "Dropout" => {}
                "Pooling" if modules.pooling.is_none() => {
                    let file = module.folder(path)?.join(CONFIG);
                    let config = parse(&file, &read_config(&file)?)?;
                    modules.set_pooling(path, &config, hidden_size)?;
                }
                _ if modules.pooling.is_none() => return Err(refused(path, &module.kind)),
                "Normalize" => modules.layers.push(PooledLayer::Normalize),
                "Dense" => {
                    module.folder(path)?;
                    modules.layers.push(PooledLayer::Dense(module.path.clone()));
                }
                "LayerNorm" => {
                    module.folder(path)?;
                    modules
                        .layers
                        .push(PooledLayer::LayerNorm(module.path.clone()));
                }
                _ => return Err(refused(path, &module.kind)),
            }
        }
        while modules.layers.last() == Some(&PooledLayer::Normalize) {
            modules.normalized = true;
            modules.layers.pop();
        }
        Ok(Some(modules))
    }

    fn set_pooling(
        &mut self,
        path: &Path,
        config: &Value,
        hidden_size: usize,
    ) -> Result<(), Error> {
        // The key's older and its present name.
        for key in ["word_embedding_dimension", "embedding_dimension"] {
            let width = config.get(key).and_then(Value::as_u64);
            if let Some(width) = width.filter(|width| *width != hidden_size as u64) {
                let reason = format!(
                    "its pooling is of vectors of {width} values (`{key}`), but those of the \
                     model have {hidden_size}"
                );
                return Err(unsupported(path, &reason));
            }
        }
        self.pooling = Some(mode(path, config)?);
        self.prefix_not_pooled = config.get("include_prompt") == Some(&Value::Bool(false));
        Ok(())
    }
}

fn refused(path: &Path, kind: &str) -> Error {
    let reason = format!(
        "modules.json requires `{kind}` here, which is not supported; supported are a \
         Transformer, Pooling, and then Dense, LayerNorm and Normalize"
    );
    unsupported(path, &reason)
}

/// The keys of the poolings, in older and in newer files.
const MODES: [(&str, Pooling); 9] = [
    ("pooling_mode_mean_tokens", Pooling::Mean),
    ("pooling_mode_mean", Pooling::Mean),
    ("pooling_mode_cls_token", Pooling::Cls),
    ("pooling_mode_cls", Pooling::Cls),
    ("pooling_mode_max_tokens", Pooling::Max),
    ("pooling_mode_max", Pooling::Max),
    ("pooling_mode_lasttoken", Pooling::LastToken),
    ("pooling_mode_weightedmean", Pooling::WeightedMean),
    ("pooling_mode_weightedmean_tokens", Pooling::WeightedMean),
];

fn mode(path: &Path, config: &Value) -> Result<Pooling, Error> {
    let set = |(key, value): (&String, &Value)| {
        (key.starts_with("pooling_mode_") && value == true).then(|| key.clone())
    };
    let mut keys: Vec<String> = config
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(set)
        .collect();
    // Newer files have the name of the mode instead, or a list of names.
    let names = match config.get("pooling_mode") {
        None | Some(Value::Null) => None,
        Some(Value::Array(modes)) => Some(modes.as_slice()),
        Some(mode) => Some(std::slice::from_ref(mode)),
    };
    if let Some(names) = names {
        let key = |mode: &Value| match mode.as_str() {
            Some(mode) => format!("pooling_mode_{}", mode.to_lowercase()),
            None => mode.to_string(),
        };
        keys = names.iter().map(key).collect();
    }
    // Without any key, the default of Sentence Transformers.
    if keys.is_empty() && names.is_none() && config.get("pooling_mode_mean_tokens").is_none() {
        return Ok(Pooling::Mean);
    }
    let of = |key: &str| match key {
        "pooling_mode_mean_sqrt_len_tokens" => Some(Pooling::MeanSqrtLen),
        _ => MODES
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, pooling)| *pooling),
    };
    match &keys[..] {
        [key] if let Some(pooling) = of(key) => Ok(pooling),
        _ => Err(unsupported(
            path,
            &format!(
                "its pooling is [{}]; supported is one of mean, cls, max, lasttoken, weightedmean \
                 and mean_sqrt_len_tokens",
                keys.join(", ")
            ),
        )),
    }
}
