//! Agreement with the models of candle-transformers, an independent implementation.

use candle_core::{DType, Device as Backend, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use tokenizers::Tokenizer;
use treffer_encoder::BiEncoder;
use treffer_types::Embedder;

use crate::support::{REFERENCE, ROUNDING, golden};

/// The normalized mean of the token vectors by candle-transformers' BERT.
fn oracle(text: &str) -> Vec<f32> {
    let (folder, _) = golden("tiny-bert-bi");
    let config = std::fs::read(folder.path.join("config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_slice(&config).unwrap();
    for (key, value) in [("hidden_dropout_prob", 0.0), ("initializer_range", 0.02)] {
        config[key] = value.into();
    }
    let config: Config = serde_json::from_value(config).unwrap();
    let weights = folder.path.join("model.safetensors");
    let tensors = candle_core::safetensors::load(weights, &Backend::Cpu).unwrap();
    let builder = VarBuilder::from_tensors(tensors, DType::F32, &Backend::Cpu);
    let model = BertModel::load(builder, &config).unwrap();

    let mut tokenizer = Tokenizer::from_file(folder.path.join("tokenizer.json")).unwrap();
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).unwrap();
    let ids = tokenizer.encode(text, true).unwrap().get_ids().to_vec();
    let ids = Tensor::new(ids, &Backend::Cpu)
        .unwrap()
        .unsqueeze(0)
        .unwrap();
    let segments = ids.zeros_like().unwrap();
    let tokens = model.forward(&ids, &segments, None).unwrap();
    let mean = tokens.mean(1).unwrap().squeeze(0).unwrap();
    let mean: Vec<f32> = mean.to_vec1().unwrap();
    let length = mean.iter().map(|value| value * value).sum::<f32>().sqrt();
    mean.iter().map(|value| value / length).collect()
}

#[test]
fn vectors_agree_with_candle_transformers() {
    let (folder, golden) = golden("tiny-bert-bi");
    let model = BiEncoder::load(&folder, REFERENCE).unwrap();
    for text in [
        "the lab fridge is cold",
        "a",
        "ice freezer door 13277 quiet, loud",
    ] {
        let found = model.embed_passages(&[text]).unwrap();
        let expected = oracle(&format!("{}{text}", golden.spec.passage_prefix));
        ROUNDING.check(&found[0].vector, &expected, text);
    }
}
