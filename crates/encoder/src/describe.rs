//! Derives the spec of an unregistered model folder from its files.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use treffer_types::{ModelRole, ModelSpec, Pooling};

use crate::config::Config;
use crate::error::Error;
use crate::folder::{CONFIG, read};

/// Derives a spec from the files of the folder at `path`: `config.json` and, if present,
/// `modules.json` with the pooling, `sentence_bert_config.json`,
/// `config_sentence_transformers.json` and `tokenizer_config.json`.
///
/// The name is that of the folder, the license "unknown". Without a `role`, a folder with a
/// pooling module is a bi-encoder, and one whose architecture ends in
/// `ForSequenceClassification` is a cross-encoder. The maximal length is the smallest one
/// that a file states, and at most the model's number of positions.
///
/// # Errors
/// If `config.json` is missing or of an unsupported model, a file cannot be read, the role
/// is neither given nor stated, or a bi-encoder's pooling is not stated or neither mean nor
/// cls.
pub fn describe(path: &Path, role: Option<ModelRole>) -> Result<ModelSpec, Error> {
    let bytes = read(&path.join(CONFIG))?;
    let config = Config::parse(&path.join(CONFIG), &bytes)?;
    let architectures: Architectures = parse(&path.join(CONFIG), &bytes)?;
    let modules: Option<Vec<Module>> = optional(&path.join("modules.json"))?;
    let pooling = match &modules {
        Some(modules) => stated_pooling(path, modules)?,
        None => None,
    };
    let role = match role {
        Some(role) => role,
        None => guess_role(path, &architectures, pooling.is_some())?,
    };
    let pooling = match (role, pooling) {
        (_, Some(pooling)) => pooling,
        (ModelRole::CrossEncoder, None) => Pooling::Cls,
        (ModelRole::BiEncoder, None) => {
            return Err(unsupported(
                path,
                "a bi-encoder needs a pooling, but the folder has no modules.json with a pooling \
                 module; register the model with its pooling",
            ));
        }
    };
    let prompts: Option<Prompts> = match role {
        ModelRole::BiEncoder => optional(&path.join("config_sentence_transformers.json"))?,
        ModelRole::CrossEncoder => None,
    };
    let prompts = prompts.unwrap_or_default();
    Ok(ModelSpec {
        name: folder_name(path),
        role,
        pooling,
        query_prefix: prompts.of(&["query"]),
        passage_prefix: prompts.of(&["passage", "document"]),
        max_length: max_length(path, &config)?,
        license: "unknown".to_owned(),
    })
}

#[derive(Deserialize)]
struct Architectures {
    #[serde(default)]
    architectures: Vec<String>,
}

#[derive(Deserialize)]
struct Module {
    #[serde(default)]
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Lengths {
    #[serde(alias = "max_seq_length")]
    model_max_length: Option<f64>,
}

#[derive(Default, Deserialize)]
struct Prompts {
    #[serde(default)]
    prompts: std::collections::BTreeMap<String, String>,
}

impl Prompts {
    fn of(&self, names: &[&str]) -> String {
        let prompt = names.iter().find_map(|&name| self.prompts.get(name));
        prompt.cloned().unwrap_or_default()
    }
}

fn guess_role(path: &Path, config: &Architectures, pooled: bool) -> Result<ModelRole, Error> {
    let classifies = |name: &String| name.ends_with("ForSequenceClassification");
    if pooled {
        Ok(ModelRole::BiEncoder)
    } else if config.architectures.iter().any(classifies) {
        Ok(ModelRole::CrossEncoder)
    } else {
        Err(Error::UnknownRole {
            path: path.to_owned(),
        })
    }
}

/// The mode of the pooling module, if there is one. Modules that would change the vectors
/// further are refused.
fn stated_pooling(path: &Path, modules: &[Module]) -> Result<Option<Pooling>, Error> {
    let mut pooling = None;
    for module in modules {
        match module.kind.rsplit('.').next().unwrap_or_default() {
            "Transformer" | "Normalize" => {}
            "Pooling" => {
                let file = path.join(&module.path).join("config.json");
                pooling = Some(pooling_mode(path, &parse(&file, &read(&file)?)?)?);
            }
            other => {
                let reason = format!("modules.json requires `{other}`, which is not supported");
                return Err(unsupported(path, &reason));
            }
        }
    }
    Ok(pooling)
}

fn pooling_mode(path: &Path, modes: &serde_json::Value) -> Result<Pooling, Error> {
    let set = |(key, value): (&String, &serde_json::Value)| {
        (key.starts_with("pooling_mode_") && value == true).then(|| key.clone())
    };
    let mut keys: Vec<String> = modes
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(set)
        .collect();
    // Newer files have the name of the mode instead.
    if let Some(mode) = modes.get("pooling_mode").and_then(|mode| mode.as_str()) {
        keys = vec![format!("pooling_mode_{mode}")];
    }
    match keys.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["pooling_mode_mean_tokens" | "pooling_mode_mean"] => Ok(Pooling::Mean),
        ["pooling_mode_cls_token" | "pooling_mode_cls"] => Ok(Pooling::Cls),
        _ => Err(unsupported(
            path,
            &format!(
                "its pooling is [{}]; only mean and cls are supported",
                keys.join(", ")
            ),
        )),
    }
}

/// The smallest of the stated lengths and the model's positions.
fn max_length(path: &Path, config: &Config) -> Result<usize, Error> {
    let mut length = config.max_tokens();
    for name in ["sentence_bert_config.json", "tokenizer_config.json"] {
        let stated: Option<Lengths> = optional(&path.join(name))?;
        // A float, since Transformers writes 1e30 for "no limit".
        if let Some(stated) = stated.and_then(|lengths| lengths.model_max_length)
            && stated >= 1.0
            && stated < length as f64
        {
            length = stated as usize;
        }
    }
    Ok(length)
}

fn folder_name(path: &Path) -> String {
    let absolute = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    match absolute.file_name() {
        Some(name) => name.to_string_lossy().into_owned(),
        None => "model".to_owned(),
    }
}

fn unsupported(path: &Path, reason: &str) -> Error {
    Error::Unsupported {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

/// Reads the file at `path`, if it exists.
fn optional<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    if !path.is_file() {
        return Ok(None);
    }
    parse(path, &read(path)?).map(Some)
}

fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|source| Error::Json {
        path: path.to_owned(),
        source,
    })
}
