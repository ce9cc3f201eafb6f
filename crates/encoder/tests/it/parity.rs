//! Agreement with the Python originals.

use treffer_encoder::{BiEncoder, CrossEncoder, Device};
use treffer_types::{Embedder, Embedding, PairScorer};

use crate::support::{GoldenText, Tolerance, forwards, golden};

fn check_bi_encoder(name: &str) {
    for (device, tolerance) in forwards() {
        check_vectors(name, device, &tolerance);
    }
}

fn check_vectors(name: &str, device: Device, tolerance: &Tolerance) {
    let (folder, golden) = golden(name);
    let model = BiEncoder::load(&folder, device).unwrap();
    let check = |rows: &[GoldenText], found: Vec<Embedding>| {
        assert!(!rows.is_empty());
        for (row, found) in rows.iter().zip(found) {
            let what = format!("{device}: {}", row.text);
            tolerance.check(&found.vector, &row.vector, &what);
            assert_eq!(found.tokens_cut, row.tokens_cut, "{}", row.text);
        }
    };
    let texts = |rows: &[GoldenText]| rows.iter().map(|row| row.text.clone()).collect::<Vec<_>>();
    let queries = texts(&golden.queries);
    let queries: Vec<&str> = queries.iter().map(String::as_str).collect();
    check(&golden.queries, model.embed_queries(&queries).unwrap());
    let passages = texts(&golden.passages);
    let passages: Vec<&str> = passages.iter().map(String::as_str).collect();
    check(&golden.passages, model.embed_passages(&passages).unwrap());
}

fn check_cross_encoder(name: &str) {
    for (device, tolerance) in forwards() {
        check_logits(name, device, &tolerance);
    }
}

fn check_logits(name: &str, device: Device, tolerance: &Tolerance) {
    let (folder, golden) = golden(name);
    let model = CrossEncoder::load(&folder, device).unwrap();
    let passages: Vec<&str> = golden
        .pairs
        .iter()
        .map(|pair| pair.passage.as_str())
        .collect();
    let found = model.score_pairs(&golden.query, &passages).unwrap();
    assert!(!found.is_empty());
    for (pair, found) in golden.pairs.iter().zip(found) {
        let what = format!("{device}: {}", pair.passage);
        tolerance.check(&[found.score], &[pair.logit], &what);
        assert_eq!(found.tokens_cut, pair.tokens_cut, "{}", pair.passage);
    }
}

#[test]
fn every_instruction_set_gives_the_same_bits() {
    let quantized: Vec<Device> = forwards()
        .into_iter()
        .skip(1)
        .map(|(device, _)| device)
        .collect();
    for name in ["tiny-bert-cross", "tiny-electra-cross", "tiny-xlmr-cross"] {
        let (folder, golden) = golden(name);
        let passages = golden.pairs.iter().map(|pair| pair.passage.as_str());
        let passages: Vec<&str> = passages.collect();
        let score = |device: &Device| {
            let model = CrossEncoder::load(&folder, *device).unwrap();
            model.score_pairs(&golden.query, &passages).unwrap()
        };
        let scores: Vec<_> = quantized.iter().map(score).collect();
        assert!(scores.windows(2).all(|pair| pair[0] == pair[1]), "{name}");
    }
}

#[test]
fn a_mean_pooled_bert_with_prefixes_agrees_with_python() {
    check_bi_encoder("tiny-bert-bi");
}

#[test]
fn a_cls_pooled_bert_in_four_bit_blocks_agrees_with_python() {
    check_bi_encoder("tiny-e5s1-bi");
}

#[test]
fn a_bert_cross_encoder_agrees_with_python() {
    check_cross_encoder("tiny-bert-cross");
}

#[test]
fn a_cross_encoder_of_three_grades_agrees_with_python() {
    check_cross_encoder("tiny-bert-cross-3class");
}

#[test]
fn an_electra_cross_encoder_with_narrow_embeddings_agrees_with_python() {
    check_cross_encoder("tiny-electra-cross");
}

#[test]
fn an_xlm_roberta_cross_encoder_agrees_with_python() {
    check_cross_encoder("tiny-xlmr-cross");
}

#[test]
fn an_int8_onnx_cross_encoder_agrees_with_python() {
    check_cross_encoder("tiny-onnx-cross");
}
