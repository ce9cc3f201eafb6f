//! How much of a text is read, and whether it is lowered: `sentence_bert_config.json` and
//! `tokenizer_config.json`.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};
use treffer_types::ModelRole;

use super::{optional, unsupported};
use crate::config::Config;
use crate::error::Error;
use crate::folder::{TOKENIZER_CONFIG, is_there};

/// The names of the first file, the present one first.
const SENTENCE: [&str; 7] = [
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
];

/// Keys of the first file that only say how the original is computed.
const INSIGNIFICANT: [&str; 4] = ["model_args", "backend", "cache_dir", "unpad_inputs"];

/// Keys of the first file that say what every model of a role does, and what they say.
const OF_ROLE: [(&str, &str, &str); 3] = [
    (
        "transformer_task",
        "\"feature-extraction\"",
        "\"sequence-classification\"",
    ),
    ("module_output_name", "\"token_embeddings\"", "\"scores\""),
    (
        "modality_config",
        r#"{"text":{"method":"forward","method_output_name":"last_hidden_state"}}"#,
        r#"{"text":{"method":"forward","method_output_name":"logits"}}"#,
    ),
];

/// What the files say.
#[derive(Debug, PartialEq)]
pub(super) struct Reading {
    /// The maximal number of tokens.
    pub(super) max_length: usize,
    /// Whether texts are lowered before they are tokenized.
    pub(super) lower_case: bool,
}

/// Lengths under either key. Numbers, since Transformers writes 1e30 for "no limit".
#[derive(Default, Deserialize)]
#[serde(default)]
struct Lengths {
    max_seq_length: Option<f64>,
    model_max_length: Option<f64>,
}

impl Lengths {
    /// The smaller one.
    fn stated(&self) -> Option<f64> {
        let both = [self.max_seq_length, self.model_max_length];
        let stated = both.into_iter().flatten().filter(|length| *length >= 1.0);
        stated.reduce(f64::min)
    }
}

impl Reading {
    /// Reads the files of the model folder at `path`.
    pub(super) fn of(path: &Path, config: &Config, role: ModelRole) -> Result<Self, Error> {
        let sentence = SENTENCE.iter().map(|name| path.join(name));
        let sentence = sentence.into_iter().find(|file| is_there(file));
        let (mut length, mut lower_case) = (None, false);
        if let Some(file) = sentence {
            let keys: Map<String, Value> = optional(&file)?.unwrap_or_default();
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            for (key, value) in &keys {
                if !is_known(key, value, role) {
                    let reason = format!("{name} says `{key}` {value}, which is not supported");
                    return Err(unsupported(path, &reason));
                }
            }
            length = optional::<Lengths>(&file)?.and_then(|lengths| lengths.stated());
            lower_case = keys.get("do_lower_case") == Some(&Value::Bool(true));
        }
        if length.is_none() {
            let lengths: Option<Lengths> = optional(&path.join(TOKENIZER_CONFIG))?;
            length = lengths.and_then(|lengths| lengths.stated());
        }
        let most = config.max_tokens();
        Ok(Reading {
            max_length: match length {
                Some(length) if length < most as f64 => length as usize,
                _ => most,
            },
            lower_case,
        })
    }
}

fn is_json(value: &Value, text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|expected| expected == *value)
}

/// Whether a key of the first file is followed, or says nothing that matters.
fn is_known(key: &str, value: &Value, role: ModelRole) -> bool {
    let empty = match value {
        Value::Null | Value::Bool(false) => true,
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    let of_role = OF_ROLE.iter().any(|(name, bi_encoder, cross_encoder)| {
        let usual = match role {
            ModelRole::BiEncoder | ModelRole::LateInteraction => bi_encoder,
            ModelRole::CrossEncoder => cross_encoder,
        };
        *name == key && is_json(value, usual)
    });
    match key {
        "max_seq_length" | "model_max_length" => value.is_null() || value.is_number(),
        "do_lower_case" => value.is_null() || value.is_boolean(),
        _ => empty || of_role || INSIGNIFICANT.contains(&key),
    }
}
