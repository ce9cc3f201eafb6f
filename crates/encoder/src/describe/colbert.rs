//! Models of late interaction as the hub has them: the layout of ColBERT itself (`artifact.metadata`;
//! <https://github.com/stanford-futuredata/ColBERT>), and that of PyLate (`modules.json` with a
//! dense layer on tokens; <https://github.com/lightonai/pylate>).

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};
use treffer_types::{
    Colbert, Expansion, ModelDetails, ModelRole, ModelSpec, PooledLayer, Pooling, Scoring,
};

use super::modules::Module;
use super::reading::Reading;
use super::{architectures, folder_name, optional, prompts, read_architecture, unsupported};
use crate::config::{Config, Family};
use crate::error::Error;
use crate::folder::{TOKENIZER_CONFIG, is_there};
use crate::vocabulary::TokenizerConfig;

/// Settings of a model that ColBERT trained.
const METADATA: &str = "artifact.metadata";
/// The architecture of such a model.
const ARCHITECTURE: &str = "HF_ColBERT";
/// The ASCII punctuation, Python's `string.punctuation`, whose vectors both leave out.
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// What is used of `artifact.metadata`; the rest is about training and indexing. A key without a
/// value has the default of ColBERT.
#[derive(Deserialize)]
struct Metadata {
    query_token_id: Option<String>,
    doc_token_id: Option<String>,
    query_maxlen: Option<usize>,
    doc_maxlen: Option<usize>,
    dim: Option<usize>,
    mask_punctuation: Option<bool>,
    attend_to_mask_tokens: Option<bool>,
    similarity: Option<String>,
    interaction: Option<String>,
}

/// What is used of PyLate's `config_sentence_transformers.json`. A key without a value has the
/// default of PyLate.
#[derive(Default, Deserialize)]
#[serde(default)]
struct PylateConfig {
    model_type: Option<String>,
    query_prefix: Option<String>,
    document_prefix: Option<String>,
    query_length: Option<usize>,
    document_length: Option<usize>,
    do_query_expansion: Option<bool>,
    attend_to_expansion_tokens: Option<bool>,
    skiplist_words: Option<Vec<String>>,
    similarity_fn_name: Option<String>,
    prompts: Option<Map<String, Value>>,
    truncate_dim: Option<Value>,
}

/// Whether the folder at `path` says that it holds a model of late interaction.
pub(super) fn is_colbert(path: &Path) -> Result<bool, Error> {
    let modules = Module::list(path)?.unwrap_or_default();
    let of_pylate = modules.iter().any(|one| one.kind.starts_with("pylate."));
    Ok(of_pylate || pylate_config(path)?.names_colbert() || is_of_colbert(path)?)
}

/// The spec of a model of late interaction by the files of its folder.
pub(super) fn describe(path: &Path) -> Result<ModelSpec, Error> {
    let config = read_architecture(path)?;
    let (layers, passage_length, colbert) = match Module::list(path)? {
        Some(modules) => of_pylate(path, &config, &modules)?,
        None if is_of_colbert(path)? => of_colbert(path, &config)?,
        None => {
            return Err(unsupported(
                path,
                "it has no projection of token vectors, so it is no model of late interaction: \
                 there is neither a modules.json with a dense layer, as PyLate saves, nor the \
                 architecture HF_ColBERT, as ColBERT does",
            ));
        }
    };
    let reading = Reading::of(path, &config, ModelRole::LateInteraction)?;
    Ok(ModelSpec {
        name: folder_name(path),
        role: ModelRole::LateInteraction,
        pooling: Pooling::Mean,
        query_prefix: String::new(),
        passage_prefix: String::new(),
        max_length: passage_length,
        license: "unknown".to_owned(),
        details: ModelDetails {
            lower_case: reading.lower_case,
            prefix_not_pooled: false,
            content_only: false,
            layers,
            colbert: Some(Box::new(colbert)),
            scoring: Scoring::Logit,
        },
    })
}

/// Layers on tokens, length of passages, and the rest.
type Described = (Vec<PooledLayer>, usize, Colbert);

fn is_of_colbert(path: &Path) -> Result<bool, Error> {
    Ok(architectures(path)?.iter().any(|name| name == ARCHITECTURE))
}

fn of_colbert(path: &Path, config: &Config) -> Result<Described, Error> {
    let Some(found) = optional::<Metadata>(&path.join(METADATA))? else {
        return Err(unsupported(
            path,
            "it has the architecture HF_ColBERT, but no artifact.metadata, which says how texts \
             are read; copy this file from where the model is from",
        ));
    };
    let said = |key: &str, value: Option<&str>, wanted: &str| match value {
        Some(other) if other != wanted => Err(unsupported(
            path,
            &format!("{METADATA} says `{key}` {other}; only {wanted} is supported"),
        )),
        _ => Ok(()),
    };
    said("similarity", found.similarity.as_deref(), "cosine")?;
    said("interaction", found.interaction.as_deref(), "colbert")?;
    let or = |value: Option<String>, default: &str| value.unwrap_or_else(|| default.to_owned());
    let skipped = match found.mask_punctuation {
        Some(false) => Vec::new(),
        Some(true) | None => punctuation(),
    };
    let colbert = Colbert {
        query_marker: Some(or(found.query_token_id, "[unused0]")),
        passage_marker: Some(or(found.doc_token_id, "[unused1]")),
        query_length: found.query_maxlen.unwrap_or(32),
        expansion: Some(Expansion {
            token: mask_token(path, config)?,
            attended: found.attend_to_mask_tokens.unwrap_or(false),
        }),
        skipped,
    };
    let layers = vec![PooledLayer::Linear(found.dim.unwrap_or(128))];
    Ok((layers, found.doc_maxlen.unwrap_or(220), colbert))
}

fn of_pylate(path: &Path, config: &Config, modules: &[Module]) -> Result<Described, Error> {
    let mut layers = Vec::new();
    for (index, module) in modules.iter().enumerate() {
        let known = ["pylate.", "sentence_transformers."];
        let is_known = known.iter().any(|start| module.kind.starts_with(start));
        match module.name() {
            "Transformer" if index == 0 && is_known => module.check_transformer(path)?,
            "Dense" if index > 0 && is_known => {
                module.folder(path)?;
                layers.push(PooledLayer::Dense(module.path.clone()));
            }
            _ => {
                let reason = format!(
                    "modules.json requires `{}` here, which a model of late interaction does not \
                     have: that is a Transformer, and then Dense layers on its tokens",
                    module.kind
                );
                return Err(unsupported(path, &reason));
            }
        }
    }
    if layers.is_empty() {
        return Err(unsupported(
            path,
            "its modules.json has no dense layer after the transformer, so it has no projection \
             of token vectors; save the model again with PyLate",
        ));
    }
    let found = pylate_config(path)?;
    found.check(path)?;
    let marker = |stated: Option<String>, default: &str| {
        let stated = stated.unwrap_or_else(|| default.to_owned());
        Some(stated).filter(|marker| !marker.is_empty())
    };
    let expansion = match found.do_query_expansion {
        Some(false) => None,
        Some(true) | None => Some(Expansion {
            token: mask_token(path, config)?,
            attended: found.attend_to_expansion_tokens.unwrap_or(false),
        }),
    };
    let colbert = Colbert {
        query_marker: marker(found.query_prefix, "[Q] "),
        passage_marker: marker(found.document_prefix, "[D] "),
        query_length: found.query_length.unwrap_or(32),
        expansion,
        skipped: found.skiplist_words.unwrap_or_else(punctuation),
    };
    Ok((layers, found.document_length.unwrap_or(180), colbert))
}

impl PylateConfig {
    fn names_colbert(&self) -> bool {
        self.model_type.as_deref() == Some("ColBERT")
    }

    fn check(&self, path: &Path) -> Result<(), Error> {
        let refuse =
            |reason: String| Err(unsupported(path, &format!("{} {reason}", prompts::FILE)));
        match self.model_type.as_deref() {
            None | Some("ColBERT") => {}
            Some(other) => {
                return refuse(format!(
                    "says that it is a `{other}` (`model_type`), but a `ColBERT` is needed here"
                ));
            }
        }
        match self.similarity_fn_name.as_deref() {
            None | Some("MaxSim") => {}
            Some(other) => {
                return refuse(format!(
                    "says `similarity_fn_name` {other}; only MaxSim is supported"
                ));
            }
        }
        if let Some(value) = self.truncate_dim.as_ref().filter(|value| !value.is_null()) {
            return refuse(format!(
                "says `truncate_dim` {value}, which is not supported; delete the key to use whole \
                 vectors"
            ));
        }
        let filled =
            |(_, text): &(&String, &Value)| !matches!(text.as_str(), Some("")) && !text.is_null();
        match self.prompts.iter().flatten().find(filled) {
            None => Ok(()),
            Some((name, _)) => refuse(format!(
                "has a prompt `{name}`, and prompts are supported for bi-encoders only"
            )),
        }
    }
}

fn pylate_config(path: &Path) -> Result<PylateConfig, Error> {
    Ok(optional(&path.join(prompts::FILE))?.unwrap_or_default())
}

fn punctuation() -> Vec<String> {
    PUNCTUATION.chars().map(String::from).collect()
}

/// The mask token that the tokenizer's settings name, or that of the model's family.
fn mask_token(path: &Path, config: &Config) -> Result<String, Error> {
    for name in [TOKENIZER_CONFIG, "special_tokens_map.json"] {
        let file = path.join(name);
        if is_there(&file)
            && let Some(settings) = optional::<TokenizerConfig>(&file)?
            && let Some(token) = settings.mask_token()
        {
            return Ok(token.to_owned());
        }
    }
    Ok(match config.family {
        Family::Bert | Family::Electra => "[MASK]",
        Family::Roberta => "<mask>",
    }
    .to_owned())
}
