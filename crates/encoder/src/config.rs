//! Reads and validates a model's `config.json`.

use std::path::Path;

use serde::Deserialize;

use crate::error::Error;

/// The validated architecture of a model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    /// The model family.
    pub(crate) family: Family,
    /// Number of word pieces.
    pub(crate) vocab_size: usize,
    /// Width of the embeddings; differs from `hidden_size` only for ELECTRA.
    pub(crate) embedding_size: usize,
    /// Width of the hidden states between layers.
    pub(crate) hidden_size: usize,
    /// Number of layers.
    pub(crate) layers: usize,
    /// Number of attention heads; divides `hidden_size`.
    pub(crate) heads: usize,
    /// Width within the feed-forward block.
    pub(crate) intermediate_size: usize,
    /// Number of rows of the position table.
    pub(crate) positions: usize,
    /// Number of rows of the segment table.
    pub(crate) segments: usize,
    /// Activation function of the feed-forward block.
    pub(crate) activation: Activation,
    /// Added to the variance in layer norms.
    pub(crate) layer_norm_eps: f64,
    /// Id of the padding token, after which RoBERTa's positions start.
    pub(crate) pad_token_id: u32,
}

/// Model families. They have the same layers and differ in embeddings and heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// BERT and models of its architecture (MiniLM, bge, e5).
    Bert,
    /// RoBERTa, XLM-RoBERTa and CamemBERT: positions start after the padding token's id.
    Roberta,
    /// ELECTRA's discriminator: embeddings may be narrower than the layers.
    Electra,
}

/// The activation function of the feed-forward block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// GELU with the error function: x/2 (1 + erf(x / sqrt 2)).
    Gelu,
    /// GELU with its tanh approximation, which differs enough to change scores.
    GeluTanh,
    /// max(x, 0).
    Relu,
}

/// The keys of `config.json` that are used.
#[derive(Deserialize)]
struct RawConfig {
    model_type: String,
    vocab_size: usize,
    hidden_size: usize,
    embedding_size: Option<usize>,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    max_position_embeddings: usize,
    #[serde(default = "bert_segments")]
    type_vocab_size: usize,
    #[serde(default = "gelu")]
    hidden_act: String,
    #[serde(default = "bert_eps")]
    layer_norm_eps: f64,
    pad_token_id: Option<u32>,
    position_embedding_type: Option<String>,
    is_decoder: Option<bool>,
    auto_map: Option<serde_json::Map<String, serde_json::Value>>,
}

// Defaults of Transformers, which omits them when it saves a configuration.
fn bert_segments() -> usize {
    2
}
fn gelu() -> String {
    "gelu".to_owned()
}
fn bert_eps() -> f64 {
    1e-12
}

/// Maximal size in a configuration, which keeps products from overflowing.
const MAX_SIZE: usize = 1 << 24;

/// Maximal number of layers, for each of which there is some memory before its weights are
/// looked for.
const MAX_LAYERS: usize = 1 << 10;

impl Config {
    /// Reads the bytes of the `config.json` at `path`.
    pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Self, Error> {
        let raw: RawConfig = serde_json::from_slice(bytes).map_err(|source| Error::Json {
            path: path.to_owned(),
            source,
        })?;
        raw.validate().map_err(|(key, reason)| Error::Config {
            path: path.to_owned(),
            key,
            reason,
        })
    }

    /// Row of the first position in the position table.
    pub(crate) fn first_position(&self) -> usize {
        match self.family {
            Family::Bert | Family::Electra => 0,
            Family::Roberta => self.pad_token_id as usize + 1,
        }
    }

    /// Maximal number of tokens in a sequence.
    pub(crate) fn max_tokens(&self) -> usize {
        self.positions - self.first_position()
    }
}

/// A key and what is wrong with its value.
type Invalid = (&'static str, String);

impl RawConfig {
    fn validate(self) -> Result<Config, Invalid> {
        let family = match self.model_type.as_str() {
            "bert" => Family::Bert,
            "roberta" | "xlm-roberta" | "camembert" => Family::Roberta,
            "electra" => Family::Electra,
            other => {
                let reason = format!(
                    "is `{other}`; it can be bert, roberta, xlm-roberta, camembert or electra"
                );
                return Err(("model_type", reason));
            }
        };
        self.check_variants()?;
        let config = Config {
            family,
            vocab_size: size("vocab_size", self.vocab_size)?,
            embedding_size: match (family, self.embedding_size) {
                (Family::Electra, Some(embedding)) => size("embedding_size", embedding)?,
                (Family::Electra, None) => {
                    return Err(("embedding_size", "is missing".to_owned()));
                }
                (Family::Bert | Family::Roberta, _) => self.hidden_size,
            },
            hidden_size: size("hidden_size", self.hidden_size)?,
            layers: at_most("num_hidden_layers", self.num_hidden_layers, MAX_LAYERS)?,
            heads: size("num_attention_heads", self.num_attention_heads)?,
            intermediate_size: size("intermediate_size", self.intermediate_size)?,
            positions: size("max_position_embeddings", self.max_position_embeddings)?,
            segments: size("type_vocab_size", self.type_vocab_size)?,
            activation: activation(&self.hidden_act)?,
            layer_norm_eps: self.layer_norm_eps,
            pad_token_id: self.pad_token_id.unwrap_or(match family {
                Family::Bert | Family::Electra => 0,
                Family::Roberta => 1,
            }),
        };
        if !config.hidden_size.is_multiple_of(config.heads) {
            let reason = format!(
                "is {}, which is not divisible by the {} attention heads",
                config.hidden_size, config.heads
            );
            return Err(("hidden_size", reason));
        }
        if !(config.layer_norm_eps > 0.0 && config.layer_norm_eps < 1.0) {
            let reason = format!("is {}; it must be between 0 and 1", config.layer_norm_eps);
            return Err(("layer_norm_eps", reason));
        }
        if config.first_position() >= config.positions {
            let reason = format!("is {}, beyond the position table", config.pad_token_id);
            return Err(("pad_token_id", reason));
        }
        Ok(config)
    }

    /// Refuses unsupported variants, which would silently give wrong results.
    fn check_variants(&self) -> Result<(), Invalid> {
        if let Some(kind) = &self.position_embedding_type
            && kind != "absolute"
        {
            let reason = format!("is `{kind}`; only absolute positions are supported");
            return Err(("position_embedding_type", reason));
        }
        let mut models = self.auto_map.iter().flatten();
        if let Some((class, code)) = models.find(|(class, _)| class.starts_with("AutoModel")) {
            let reason = format!(
                "names code of its own ({class}: {code}), which is not run; if the model is the \
                 usual one without it, delete the key in a copy of the folder"
            );
            return Err(("auto_map", reason));
        }
        if self.is_decoder == Some(true) {
            return Err((
                "is_decoder",
                "is true; only encoders are supported".to_owned(),
            ));
        }
        Ok(())
    }
}

fn size(key: &'static str, value: usize) -> Result<usize, Invalid> {
    at_most(key, value, MAX_SIZE)
}

fn at_most(key: &'static str, value: usize, most: usize) -> Result<usize, Invalid> {
    if (1..=most).contains(&value) {
        Ok(value)
    } else {
        Err((key, format!("is {value}; it must be between 1 and {most}")))
    }
}

fn activation(name: &str) -> Result<Activation, Invalid> {
    match name {
        "gelu" => Ok(Activation::Gelu),
        "gelu_new" | "gelu_pytorch_tanh" => Ok(Activation::GeluTanh),
        "relu" => Ok(Activation::Relu),
        _ => {
            let reason =
                format!("is `{name}`; it can be gelu, gelu_new, gelu_pytorch_tanh or relu");
            Err(("hidden_act", reason))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn base() -> Value {
        json!({
            "model_type": "bert", "vocab_size": 10, "hidden_size": 8, "num_hidden_layers": 1,
            "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 20,
        })
    }

    fn parse(edit: &Value) -> Result<Config, Error> {
        let mut config = base();
        let object = config.as_object_mut().unwrap();
        object.extend(edit.as_object().unwrap().clone());
        Config::parse(Path::new("config.json"), config.to_string().as_bytes())
    }

    #[test]
    fn omitted_keys_have_the_defaults_of_transformers() {
        let config = parse(&json!({})).unwrap();
        assert_eq!(config.segments, 2);
        assert_eq!(config.activation, Activation::Gelu);
        assert_eq!(config.max_tokens(), 20);
    }

    #[test]
    fn roberta_positions_start_after_the_padding_token() {
        let config = parse(&json!({"model_type": "xlm-roberta", "pad_token_id": 1})).unwrap();
        assert_eq!((config.first_position(), config.max_tokens()), (2, 18));
    }

    #[test]
    fn an_unsupported_configuration_is_refused_by_key() {
        for (key, edit) in [
            ("model_type", json!({"model_type": "gpt2"})),
            ("hidden_act", json!({"hidden_act": "swish"})),
            ("hidden_size", json!({"hidden_size": 9})),
            ("hidden_size", json!({"hidden_size": 1u64 << 40})),
            ("num_attention_heads", json!({"num_attention_heads": 0})),
            ("embedding_size", json!({"model_type": "electra"})),
            ("layer_norm_eps", json!({"layer_norm_eps": -1.0})),
            (
                "position_embedding_type",
                json!({"position_embedding_type": "relative_key"}),
            ),
            (
                "pad_token_id",
                json!({"model_type": "roberta", "pad_token_id": 400}),
            ),
            ("is_decoder", json!({"is_decoder": true})),
            (
                "auto_map",
                json!({"auto_map": {"AutoConfig": "a.B", "AutoModel": "a.C"}}),
            ),
            ("num_hidden_layers", json!({"num_hidden_layers": 100_000})),
        ] {
            let message = parse(&edit).unwrap_err().to_string();
            assert!(message.contains(&format!("`{key}`")), "{key}: {message}");
        }
    }

    #[test]
    fn a_missing_key_is_named() {
        let error =
            Config::parse(Path::new("config.json"), b"{\"model_type\": \"bert\"}").unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("vocab_size"), "{source}");
    }
}
