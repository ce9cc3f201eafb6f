//! The files by which Sentence Transformers knows a bi-encoder.

use serde_json::{Value, json};
use treffer_types::{ModelSpec, Pooling};

/// Names and contents, below the folder of a model whose states have `hidden` values.
pub(super) fn files(spec: &ModelSpec, hidden: usize, max_length: usize) -> Vec<(String, Vec<u8>)> {
    let module = |idx: usize, path: &str, kind: &str| {
        json!({
            "idx": idx,
            "name": idx.to_string(),
            "path": path,
            "type": format!("sentence_transformers.models.{kind}"),
        })
    };
    let modules = json!([
        module(0, "", "Transformer"),
        module(1, "1_Pooling", "Pooling"),
        module(2, "2_Normalize", "Normalize"),
    ]);
    // The keys of all versions; newer ones also take the mode's name.
    let pooling = json!({
        "word_embedding_dimension": hidden,
        "pooling_mode_cls_token": spec.pooling == Pooling::Cls,
        "pooling_mode_mean_tokens": spec.pooling == Pooling::Mean,
        "pooling_mode_max_tokens": false,
        "pooling_mode_mean_sqrt_len_tokens": false,
        "pooling_mode_weightedmean_tokens": false,
        "pooling_mode_lasttoken": false,
        "include_prompt": true,
    });
    let reading = json!({
        "max_seq_length": max_length,
        "do_lower_case": spec.details.lower_case,
    });
    let sentence = json!({
        "prompts": { "query": spec.query_prefix, "document": spec.passage_prefix },
        "default_prompt_name": null,
        "similarity_fn_name": "cosine",
    });
    let file = |name: &str, value: &Value| (name.to_owned(), format!("{value:#}\n").into_bytes());
    vec![
        file("modules.json", &modules),
        file("1_Pooling/config.json", &pooling),
        file("sentence_bert_config.json", &reading),
        file("config_sentence_transformers.json", &sentence),
    ]
}
