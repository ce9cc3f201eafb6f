//! Writes a model folder that Sentence Transformers and Treffer load as a cross-encoder or as a
//! bi-encoder.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};
use treffer_disk::{create_dir_durably, write_durably};
use treffer_encoder::parts::Parts;
use treffer_types::ModelFolder;

use crate::checkpoint::Floats;
use crate::error::Error;
use crate::shape::{Family, Output, WORDS, prefix};
use crate::transformer::Model;

mod sentence;

/// What a folder holds next to the parameters, made from what the base holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SmallFiles {
    files: Vec<(String, Vec<u8>)>,
    /// Tensors that nothing here reads or changes.
    kept: Vec<Kept>,
}

/// A tensor of the base: name, dimensions, values.
pub(crate) type Kept = (String, Vec<usize>, Vec<f32>);

const TOKENIZER_CONFIG: &str = "tokenizer_config.json";

/// Files of a tokenizer that are copied as they are.
const COPIED: [&str; 5] = [
    "tokenizer.json",
    "special_tokens_map.json",
    "vocab.txt",
    "sentencepiece.bpe.model",
    "added_tokens.json",
];

impl SmallFiles {
    /// Reads those of the base in `folder`, for a model that reads `max_length` tokens. `kept`
    /// is saved too.
    pub(crate) fn of(
        folder: &ModelFolder,
        model: &Model,
        max_length: usize,
        kept: Vec<Kept>,
    ) -> Result<Self, Error> {
        let mut files = copied(&folder.path, model, max_length)?;
        if model.output != Output::Logits {
            let hidden = model.shape.hidden;
            files.extend(sentence::files(&folder.spec, hidden, max_length));
        }
        Ok(SmallFiles { files, kept })
    }
}

/// The dense layer over the first token that BERT has for another task. No bi-encoder reads it,
/// but Transformers misses it where it is not.
pub(crate) fn pooler(base: &mut Parts, model: &Model) -> Result<Vec<Kept>, Error> {
    if model.output == Output::Logits {
        // There it is part of the head.
        return Ok(Vec::new());
    }
    let hidden = model.shape.hidden;
    let tensors = [
        ("pooler.dense.weight", vec![hidden, hidden]),
        ("pooler.dense.bias", vec![hidden]),
    ];
    let mut kept = Vec::new();
    for (name, dims) in tensors {
        match base.encoder(name, &dims) {
            Ok(values) => kept.push((name.to_owned(), dims, values)),
            Err(treffer_encoder::Error::NoTensor { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(kept)
}

/// Configuration and tokenizer of the base in the folder `base`, for `model`.
fn copied(base: &Path, model: &Model, max_length: usize) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let mut files = Vec::new();
    let mut config = object(&base.join("config.json"))?.unwrap_or_default();
    config.insert(
        "architectures".into(),
        json!([architecture(model, &config)]),
    );
    config.insert("num_hidden_layers".into(), json!(model.shape.layers));
    match model.output {
        Output::Logits => name_classes(&mut config, model.shape.classes),
        Output::MeanVector | Output::FirstVector => {
            // What a cross-encoder says of its head.
            for key in ["id2label", "label2id", "sentence_transformers"] {
                config.remove(key);
            }
        }
    }
    for key in ["torch_dtype", "dtype"] {
        if config.contains_key(key) {
            config.insert(key.into(), json!("float32"));
        }
    }
    config.remove("_name_or_path");
    files.push(("config.json".to_owned(), pretty(&config)));
    for name in COPIED {
        if let Some(bytes) = read(&base.join(name))? {
            files.push((name.to_owned(), bytes));
        }
    }
    let path = base.join(TOKENIZER_CONFIG);
    let mut settings = match object(&path)? {
        Some(settings) => settings,
        None => tokenizer_config(&base.join("tokenizer.json"), model)?,
    };
    settings.insert("model_max_length".into(), json!(max_length));
    files.push((TOKENIZER_CONFIG.to_owned(), pretty(&settings)));
    Ok(files)
}

fn name_classes(config: &mut Map<String, Value>, classes: usize) {
    let named = config.get("id2label").and_then(Value::as_object);
    if named.is_none_or(|labels| labels.len() != classes) {
        let labels: Vec<String> = (0..classes).map(|class| format!("LABEL_{class}")).collect();
        let by_id = labels.iter().enumerate();
        let by_id: Map<String, Value> = by_id
            .map(|(id, name)| (id.to_string(), json!(name)))
            .collect();
        let by_name: Map<String, Value> = labels
            .iter()
            .cloned()
            .zip((0..classes).map(Value::from))
            .collect();
        config.insert("id2label".into(), by_id.into());
        config.insert("label2id".into(), by_name.into());
    }
    if classes == 1 {
        // What is saved are logits; whoever loads the folder decides what follows them.
        config.insert(
            "sentence_transformers".into(),
            json!({"activation_fn": "torch.nn.modules.linear.Identity"}),
        );
    }
}

impl SmallFiles {
    /// Writes them and the weights of `model` into `folder`; each file appears whole. The
    /// weights come last.
    pub(crate) fn save(&self, folder: &Path, model: &Model) -> Result<(), Error> {
        create_dir_durably(folder)?;
        for (name, bytes) in &self.files {
            let path = folder.join(name);
            if let Some(parent) = path.parent() {
                create_dir_durably(parent)?;
            }
            write_durably(&path, bytes)?;
        }
        let words = Floats {
            values: &model.words,
            dims: vec![model.shape.vocabulary, model.shape.hidden],
        };
        let prefix = prefix(model.shape.family);
        let mut tensors = vec![(format!("{prefix}{WORDS}"), words)];
        tensors.extend(model.layout.tensors.iter().map(|tensor| {
            let values = Floats {
                values: model.at(&tensor.at),
                dims: tensor.dims.clone(),
            };
            (tensor.name.clone(), values)
        }));
        if model.output != Output::Logits {
            // An encoder without a head has its own names.
            for (name, _) in &mut tensors {
                if let Some(own) = name.strip_prefix(prefix) {
                    *name = own.to_owned();
                }
            }
        }
        tensors.extend(self.kept.iter().map(|(name, dims, values)| {
            let values = Floats {
                values,
                dims: dims.clone(),
            };
            (name.clone(), values)
        }));
        let about = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        let path = folder.join("model.safetensors");
        let bytes = safetensors::serialize(tensors, Some(about)).map_err(|error| Error::Base {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        write_durably(&path, &bytes)?;
        Ok(())
    }
}

/// The class of Transformers that has this head, or none.
fn architecture(model: &Model, config: &Map<String, Value>) -> String {
    let name = match (
        model.shape.family,
        config.get("model_type").and_then(Value::as_str),
    ) {
        (Family::Bert, _) => "Bert",
        (Family::Electra, _) => "Electra",
        (Family::Roberta, Some("xlm-roberta")) => "XLMRoberta",
        (Family::Roberta, Some("camembert")) => "Camembert",
        (Family::Roberta, _) => "Roberta",
    };
    match model.output {
        Output::Logits => format!("{name}ForSequenceClassification"),
        Output::MeanVector | Output::FirstVector => format!("{name}Model"),
    }
}

/// What Transformers needs to know of a tokenizer.json that stands alone.
fn tokenizer_config(tokenizer: &Path, model: &Model) -> Result<Map<String, Value>, Error> {
    let mut settings = Map::new();
    let Some(tokenizer) = object(tokenizer)? else {
        // A vocab.txt, whose settings are those of BERT.
        settings.insert("tokenizer_class".into(), json!("BertTokenizer"));
        return Ok(settings);
    };
    settings.insert("tokenizer_class".into(), json!("PreTrainedTokenizerFast"));
    let added = tokenizer.get("added_tokens").and_then(Value::as_array);
    let content = |token: &Value| Some(token.get("content")?.as_str()?.to_owned());
    let added: Vec<String> = added.into_iter().flatten().filter_map(content).collect();
    let names = [
        ("cls_token", ["[CLS]", "<s>"]),
        ("sep_token", ["[SEP]", "</s>"]),
        ("pad_token", ["[PAD]", "<pad>"]),
        ("unk_token", ["[UNK]", "<unk>"]),
        ("mask_token", ["[MASK]", "<mask>"]),
    ];
    for (key, names) in names {
        if let Some(name) = names
            .into_iter()
            .find(|name| added.iter().any(|a| a == name))
        {
            settings.insert(key.into(), json!(name));
        }
    }
    let inputs = if model.shape.segments > 1 {
        json!(["input_ids", "token_type_ids", "attention_mask"])
    } else {
        json!(["input_ids", "attention_mask"])
    };
    settings.insert("model_input_names".into(), inputs);
    Ok(settings)
}

fn pretty(object: &Map<String, Value>) -> Vec<u8> {
    // A map of JSON values can always be written.
    let mut bytes = serde_json::to_vec_pretty(object).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

fn object(path: &Path) -> Result<Option<Map<String, Value>>, Error> {
    let Some(bytes) = read(path)? else {
        return Ok(None);
    };
    let parsed = serde_json::from_slice(&bytes).map_err(|error| Error::Base {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    Ok(Some(parsed))
}

#[cfg(test)]
mod tests;
