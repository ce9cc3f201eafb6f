//! Token vectors against those that a bi-encoder of the same files pools.

use treffer_encoder::{BiEncoder, Device, Error, LateEncoder, fingerprint};
use treffer_types::{Embedder, ModelFolder, ModelRole, Pooling, TokenEmbedder};

use crate::support::{REFERENCE, forwards, golden};

const TEXTS: [&str; 5] = [
    "the lab fridge is 5 c cold.",
    "",
    "warm warm warm warm warm warm warm warm warm warm warm warm warm warm warm warm warm warm \
     warm warm warm warm warm warm warm warm warm warm warm warm warm warm warm warm warm warm",
    "ice \u{1f600} door",
    "freezer",
];

fn folder(role: ModelRole, pooling: Pooling) -> ModelFolder {
    let (mut folder, _) = golden("tiny-bert-bi");
    folder.spec.role = role;
    folder.spec.pooling = pooling;
    folder
}

fn late(device: Device) -> LateEncoder {
    LateEncoder::load(&folder(ModelRole::LateInteraction, Pooling::Mean), device).unwrap()
}

fn bi_encoder(pooling: Pooling, device: Device) -> BiEncoder {
    BiEncoder::load(&folder(ModelRole::BiEncoder, pooling), device).unwrap()
}

#[test]
fn the_last_token_is_what_a_bi_encoder_makes_of_it_alone() {
    for (device, _) in forwards() {
        let model = late(device);
        let last = bi_encoder(Pooling::LastToken, device);
        assert_eq!(model.width(), last.dimension());
        let tokens = model.embed_passages(&TEXTS).unwrap();
        let pooled = last.embed_passages(&TEXTS).unwrap();
        for ((text, tokens), pooled) in TEXTS.iter().zip(tokens).zip(pooled) {
            assert_eq!(tokens.tokens_cut, pooled.tokens_cut, "{text:?}");
            let found = tokens.vectors.chunks_exact(model.width()).next_back();
            let found = found.unwrap();
            for (found, expected) in found.iter().zip(&pooled.vector) {
                assert!((found - expected).abs() < 1e-6, "{device} {text:?}");
            }
        }
    }
}

#[test]
fn there_is_one_unit_vector_for_each_token_special_ones_included() {
    let model = late(Device::CPU);
    let prefix = model
        .token_ends(&model.spec().passage_prefix)
        .unwrap()
        .len();
    for (text, embedding) in TEXTS.iter().zip(model.embed_passages(&TEXTS).unwrap()) {
        let ends = model.token_ends(text).unwrap().len();
        let read = embedding.vectors.len() / model.width();
        let cut = embedding.tokens_cut as usize;
        assert_eq!(read, ends + prefix - cut + 2, "{text:?}");
        for token in embedding.vectors.chunks_exact(model.width()) {
            let squared: f64 = token.iter().map(|x| f64::from(*x).powi(2)).sum();
            assert!((squared - 1.0).abs() < 1e-5);
        }
    }
    let room = model.passage_room().unwrap();
    assert_eq!(room + prefix + 2, model.spec().max_length);
}

#[test]
fn of_a_model_that_leaves_out_what_is_around_the_text_the_rest_is_the_same() {
    let (all, mut folder) = (
        late(Device::CPU),
        folder(ModelRole::LateInteraction, Pooling::Mean),
    );
    folder.spec.details.content_only = true;
    assert_ne!(fingerprint(&folder).unwrap(), *all.fingerprint());
    let content = LateEncoder::load(&folder, Device::CPU).unwrap();
    let width = all.width();
    let prefix = |prefix: &str| all.token_ends(prefix.trim()).unwrap().len();
    let spec = all.spec();
    let (of_query, of_passage) = (prefix(&spec.query_prefix), prefix(&spec.passage_prefix));
    let check = |model: &LateEncoder, n_prefix, text: &str, all: Vec<f32>, found: Vec<f32>| {
        let rows: Vec<&[f32]> = all.chunks_exact(width).collect();
        let own = &rows[1 + n_prefix..rows.len() - 1];
        // Of a text without tokens, the first special token stands for it.
        let expected = if own.is_empty() { &rows[..1] } else { own };
        assert_eq!(found, expected.concat(), "{text:?}");
        let tokens = model.passage_tokens(text).unwrap();
        if n_prefix == of_passage && !own.is_empty() {
            assert_eq!(tokens.len() * width, found.len());
            assert!(tokens.iter().all(|token| token.place.is_some()), "{text:?}");
        }
    };
    for text in TEXTS {
        let vectors = |model: &LateEncoder| {
            let query = model.embed_queries(&[text]).unwrap().remove(0);
            let passage = model.embed_passages(&[text]).unwrap().remove(0);
            (query.vectors, passage.vectors)
        };
        let (all, found) = (vectors(&all), vectors(&content));
        check(&content, of_query, text, all.0, found.0);
        check(&content, of_passage, text, all.1, found.1);
    }
}

#[test]
fn one_pass_gives_the_vectors_of_a_bi_encoder_too() {
    for (device, _) in forwards() {
        let mut of_content = folder(ModelRole::LateInteraction, Pooling::Mean);
        of_content.spec.details.content_only = true;
        for late in [
            late(device),
            LateEncoder::load(&of_content, device).unwrap(),
        ] {
            for pooling in Pooling::ALL {
                if pooling == Pooling::Cls {
                    continue; // needs a pass of its own
                }
                let bi_encoder = bi_encoder(pooling, device);
                let both = late.embed_passages_with(&bi_encoder, &TEXTS).unwrap();
                let (pooled, tokens) = both.unwrap();
                assert_eq!(tokens, late.embed_passages(&TEXTS).unwrap());
                let alone = bi_encoder.embed_passages(&TEXTS).unwrap();
                if device != REFERENCE {
                    assert_eq!(pooled, alone, "{device} {pooling}");
                }
                for (found, expected) in pooled.iter().zip(&alone) {
                    assert_eq!(found.tokens_cut, expected.tokens_cut);
                    for (found, expected) in found.vector.iter().zip(&expected.vector) {
                        assert!((found - expected).abs() < 1e-6, "{device} {pooling}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_bi_encoder_that_reads_passages_otherwise_needs_a_pass_of_its_own() {
    let late = late(Device::CPU);
    let together = |folder: &ModelFolder, device| {
        let bi_encoder = BiEncoder::load(folder, device).unwrap();
        let both = late.embed_passages_with(&bi_encoder, &TEXTS).unwrap();
        both.is_some()
    };
    let folder = folder(ModelRole::BiEncoder, Pooling::Mean);
    assert!(together(&folder, Device::CPU));
    assert!(!together(&folder, REFERENCE));
    let changes: [fn(&mut ModelFolder); 4] = [
        |folder| folder.spec.pooling = Pooling::Cls,
        |folder| folder.spec.passage_prefix.push_str("warm "),
        |folder| folder.spec.max_length -= 1,
        |folder| folder.spec.details.lower_case = true,
    ];
    for change in changes {
        let mut other = folder.clone();
        change(&mut other);
        assert!(!together(&other, Device::CPU), "{:?}", other.spec);
    }
    let (mut other, _) = golden("tiny-bert-cross");
    other.spec.role = ModelRole::BiEncoder;
    assert!(!together(&other, Device::CPU));
}

#[test]
fn a_batch_equals_its_members_bit_for_bit_and_all_instruction_sets_agree() {
    for device in [Device::CPU, REFERENCE] {
        let model = late(device);
        let together = model.embed_passages(&TEXTS).unwrap();
        for (text, together) in TEXTS.iter().zip(together) {
            let alone = model.embed_passages(&[text]).unwrap();
            assert_eq!(alone, [together], "{device} {text:?}");
        }
    }
    let all: Vec<_> = forwards()
        .into_iter()
        .filter(|(device, _)| *device != REFERENCE)
        .map(|(device, _)| late(device).embed_queries(&TEXTS).unwrap())
        .collect();
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn the_fast_way_is_near_the_reference() {
    let reference = late(REFERENCE).embed_passages(&TEXTS).unwrap();
    for (device, tolerance) in forwards() {
        let found = late(device).embed_passages(&TEXTS).unwrap();
        for (found, expected) in found.iter().zip(&reference) {
            tolerance.check(&found.vectors, &expected.vectors, &device.to_string());
        }
    }
}

#[test]
fn a_model_of_another_role_is_refused_and_has_another_fingerprint() {
    let of = |role| folder(role, Pooling::Mean);
    let refused = LateEncoder::load(&of(ModelRole::BiEncoder), Device::CPU);
    assert!(matches!(refused, Err(Error::Role { .. })));
    let refused = BiEncoder::load(&of(ModelRole::LateInteraction), Device::CPU);
    assert!(matches!(refused, Err(Error::Role { .. })));
    assert_ne!(
        fingerprint(&of(ModelRole::BiEncoder)).unwrap(),
        fingerprint(&of(ModelRole::LateInteraction)).unwrap()
    );
}
