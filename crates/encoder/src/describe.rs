//! Derives the spec of an unregistered model folder from its files.

use std::path::{Component, Path};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use treffer_types::{
    EmbedderSettings, ModelDetails, ModelRole, ModelSpec, Pooling, ScorerSettings, Scoring,
};

use crate::config::Config;
use crate::error::Error;
use crate::folder::{CONFIG, is_there, read_config};
use crate::labels::Labels;

mod colbert;
mod modules;
mod prompts;
mod reading;

use modules::Modules;
use prompts::SentenceConfig;
use reading::Reading;

/// Derives a spec from the files of the folder at `path`: `config.json` and, if present, those
/// of Sentence Transformers, `modules.json`, `sentence_bert_config.json` and
/// `config_sentence_transformers.json`, and `tokenizer_config.json`.
///
/// The name is that of the folder, the license "unknown". Without a `role`, a folder that ColBERT
/// or PyLate saved is a model of late interaction, one with a pooling module is a bi-encoder, and
/// one whose architecture ends in `ForSequenceClassification` is a cross-encoder.
///
/// The maximal length is `max_seq_length` in `sentence_bert_config.json`, or else
/// `model_max_length` in `tokenizer_config.json`, as in Sentence Transformers; and at most the
/// model's number of positions.
///
/// The prompts called `query` and `document`, or by other usual names for the two, are the
/// prefixes; where one is missing, the prompt that `default_prompt_name` names.
///
/// # Errors
/// If `config.json` is missing or of an unsupported model, a file cannot be read, the role
/// is neither given nor stated, a bi-encoder's pooling is not stated, or a file says something
/// about the model that cannot be followed.
pub fn describe(path: &Path, role: Option<ModelRole>) -> Result<ModelSpec, Error> {
    let role = match role {
        Some(role) => role,
        None => guess_role(path)?,
    };
    match role {
        ModelRole::BiEncoder => describe_embedder(path, &EmbedderSettings::default()),
        ModelRole::CrossEncoder => describe_scorer(path, &ScorerSettings::default()),
        ModelRole::LateInteraction => describe_late(path),
    }
}

/// As [`describe`], for a bi-encoder. What `settings` says replaces what the folder says, and
/// what it lacks.
///
/// # Errors
/// As [`describe`].
pub fn describe_embedder(path: &Path, settings: &EmbedderSettings) -> Result<ModelSpec, Error> {
    let config = read_architecture(path)?;
    let refuse = |reason: String| unsupported(path, &reason);
    let modules = Modules::read(path, config.hidden_size)?.unwrap_or_default();
    let sentence: SentenceConfig = optional(&path.join(prompts::FILE))?.unwrap_or_default();
    sentence.check(modules.normalized).map_err(refuse)?;
    let pooling = settings.pooling.or(modules.pooling).ok_or_else(|| {
        unsupported(
            path,
            "a bi-encoder needs a pooling, but the folder has no modules.json with a pooling \
             module; set `pooling` in [dense] as its authors say (dense.pooling=\"mean\" or \"cls\")",
        )
    })?;
    let (query_prefix, passage_prefix) = sentence.prefixes(settings).map_err(refuse)?;
    let reading = Reading::of(path, &config, ModelRole::BiEncoder)?;
    Ok(ModelSpec {
        name: folder_name(path),
        role: ModelRole::BiEncoder,
        pooling,
        query_prefix,
        passage_prefix,
        max_length: reading.max_length,
        license: "unknown".to_owned(),
        details: ModelDetails {
            lower_case: reading.lower_case,
            prefix_not_pooled: modules.prefix_not_pooled,
            content_only: false,
            layers: modules.layers,
            colbert: None,
            scoring: Scoring::Logit,
        },
    })
}

/// As [`describe`], for a cross-encoder. What its scores are is said by `settings`, or else by
/// the labels of its classes.
///
/// # Errors
/// As [`describe`]; if neither says what the classes mean.
pub fn describe_scorer(path: &Path, settings: &ScorerSettings) -> Result<ModelSpec, Error> {
    let config = read_architecture(path)?;
    let refuse = |reason: String| unsupported(path, &reason);
    // A module that is not supported could come after the head.
    Modules::read(path, config.hidden_size)?;
    let sentence: SentenceConfig = optional(&path.join(prompts::FILE))?.unwrap_or_default();
    sentence.check_scorer().map_err(refuse)?;
    let labels = Labels::parse(&path.join(CONFIG), &read_config(&path.join(CONFIG))?)?;
    let given = settings.scoring().map_err(refuse)?.unwrap_or_default();
    let scoring = labels.scoring(&given).map_err(refuse)?;
    let reading = Reading::of(path, &config, ModelRole::CrossEncoder)?;
    Ok(ModelSpec {
        name: folder_name(path),
        role: ModelRole::CrossEncoder,
        pooling: Pooling::Cls,
        query_prefix: String::new(),
        passage_prefix: String::new(),
        max_length: reading.max_length,
        license: "unknown".to_owned(),
        details: ModelDetails {
            lower_case: reading.lower_case,
            scoring,
            ..ModelDetails::default()
        },
    })
}

/// As [`describe`], for a model of late interaction, in the layout of ColBERT (`artifact.metadata`)
/// or of PyLate.
///
/// # Errors
/// As [`describe`]; if the folder has no projection of token vectors, or says something about
/// markers, lengths, the expansion of queries or scores that cannot be followed.
pub fn describe_late(path: &Path) -> Result<ModelSpec, Error> {
    colbert::describe(path)
}

fn read_architecture(path: &Path) -> Result<Config, Error> {
    Config::parse(&path.join(CONFIG), &read_config(&path.join(CONFIG))?)
}

fn guess_role(path: &Path) -> Result<ModelRole, Error> {
    let config = read_architecture(path)?;
    if colbert::is_colbert(path)? {
        return Ok(ModelRole::LateInteraction);
    }
    let modules = Modules::read(path, config.hidden_size)?;
    if modules.is_some_and(|modules| modules.pooling.is_some()) {
        return Ok(ModelRole::BiEncoder);
    }
    let classifies = |name: &String| name.ends_with("ForSequenceClassification");
    if architectures(path)?.iter().any(classifies) {
        Ok(ModelRole::CrossEncoder)
    } else {
        Err(Error::UnknownRole {
            path: path.to_owned(),
        })
    }
}

/// The architectures that `config.json` names.
fn architectures(path: &Path) -> Result<Vec<String>, Error> {
    #[derive(Deserialize)]
    struct Architectures {
        #[serde(default)]
        architectures: Option<Vec<String>>,
    }
    let file = path.join(CONFIG);
    let Architectures { architectures } = parse(&file, &read_config(&file)?)?;
    Ok(architectures.unwrap_or_default())
}

fn folder_name(path: &Path) -> String {
    let absolute = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    match absolute.file_name() {
        Some(name) => name.to_string_lossy().into_owned(),
        None => "model".to_owned(),
    }
}

/// Whether `name` is a relative path that does not leave its folder.
fn is_below(name: &str) -> bool {
    let mut components = Path::new(name).components().peekable();
    components.peek().is_some() && components.all(|part| matches!(part, Component::Normal(_)))
}

fn unsupported(path: &Path, reason: &str) -> Error {
    Error::Unsupported {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

/// Reads the file at `path`, if it exists.
fn optional<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    if !is_there(path) {
        return Ok(None);
    }
    parse(path, &read_config(path)?).map(Some)
}

fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|source| Error::Json {
        path: path.to_owned(),
        source,
    })
}
