//! Properties of every text: alone or in a batch, on one thread or several, of any length and
//! script.

use proptest::prelude::*;
use treffer_encoder::{BiEncoder, CrossEncoder, Device, fingerprint};
use treffer_types::{Embedder, PairScorer};

use crate::support::{REFERENCE, golden};

fn bi_encoder() -> BiEncoder {
    bi_encoder_on(Device::CPU)
}

fn bi_encoder_on(device: Device) -> BiEncoder {
    BiEncoder::load(&golden("tiny-bert-bi").0, device).unwrap()
}

fn cross_encoder(name: &str) -> CrossEncoder {
    cross_encoder_on(name, Device::CPU)
}

fn cross_encoder_on(name: &str, device: Device) -> CrossEncoder {
    CrossEncoder::load(&golden(name).0, device).unwrap()
}

fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap();
    pool.install(work)
}

const TEXTS: [&str; 9] = [
    "the lab fridge is 5 c cold.",
    "",
    " ",
    "warm warm warm warm warm warm warm warm warm warm warm warm warm warm warm warm warm warm",
    "\0",
    "ice \u{1f600}\u{1f469}\u{200d}\u{1f52c} door",
    "\u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{202e}door\u{202c} \u{fdfd}",
    "[SEP] [CLS] [PAD] </s> <pad>",
    "freezer",
];

#[test]
fn a_batch_equals_its_members_bit_for_bit() {
    for device in [Device::CPU, REFERENCE] {
        let model = bi_encoder_on(device);
        let together = model.embed_passages(&TEXTS).unwrap();
        for (text, together) in TEXTS.iter().zip(together) {
            let alone = model.embed_passages(&[text]).unwrap();
            assert_eq!(alone, [together], "{device} {text:?}");
        }
        for name in ["tiny-bert-cross", "tiny-electra-cross", "tiny-xlmr-cross"] {
            let model = cross_encoder_on(name, device);
            let together = model.score_pairs("how cold?", &TEXTS).unwrap();
            for (text, together) in TEXTS.iter().zip(together) {
                let alone = model.score_pairs("how cold?", &[text]).unwrap();
                assert_eq!(alone, [together], "{device} {name} {text:?}");
            }
        }
    }
}

#[test]
fn one_thread_equals_several_bit_for_bit() {
    for device in [Device::CPU, REFERENCE] {
        let (bi, cross) = (
            bi_encoder_on(device),
            cross_encoder_on("tiny-bert-cross", device),
        );
        let all = || {
            let embeddings = bi.embed_passages(&TEXTS).unwrap();
            let alone = bi.embed_queries(&TEXTS[..1]).unwrap();
            (
                embeddings,
                alone,
                cross.score_pairs("how cold?", &TEXTS).unwrap(),
            )
        };
        let one = on_threads(1, all);
        for threads in [2, 3] {
            assert_eq!(on_threads(threads, all), one, "{device}");
        }
    }
}

#[test]
fn no_text_gives_no_result() {
    assert_eq!(bi_encoder().embed_queries(&[]).unwrap(), []);
    assert_eq!(
        cross_encoder("tiny-bert-cross")
            .score_pairs("a", &[])
            .unwrap(),
        []
    );
}

#[test]
fn a_very_long_text_is_truncated_and_the_cut_tokens_are_counted() {
    let model = bi_encoder();
    let words = 100_000;
    let long = "warm ".repeat(words);
    let (long, short) = (long.as_str(), "warm ".repeat(40));
    let found = model.embed_passages(&[long, &short]).unwrap();
    assert_eq!(found[0].vector, found[1].vector);
    // One token per word; the rest are the prefix and two special tokens.
    let read = 40 - found[1].tokens_cut;
    assert_eq!(found[0].tokens_cut, words as u32 - read);

    let model = cross_encoder("tiny-bert-cross");
    let pairs = model.score_pairs("cold", &[long, &short]).unwrap();
    assert_eq!(pairs[0].score, pairs[1].score);
    assert_eq!(pairs[0].tokens_cut - pairs[1].tokens_cut, words as u32 - 40);
}

#[test]
fn a_very_long_query_leaves_half_of_the_room_to_the_passage() {
    let model = cross_encoder("tiny-bert-cross");
    let query = "cold ".repeat(10_000);
    let passages = ["lab ".repeat(50), "door ".repeat(50)];
    let found = model
        .score_pairs(&query, &[&passages[0], &passages[1]])
        .unwrap();
    // 32 tokens less 3 special ones: 14 of the query, 15 of the passage.
    assert_eq!([found[0].tokens_cut, found[1].tokens_cut], [35, 35]);
    assert_ne!(found[0].score, found[1].score);
}

#[test]
fn a_query_that_fits_is_never_cut() {
    let model = cross_encoder("tiny-bert-cross");
    let (fits, longer) = ("cold ".repeat(28), "cold ".repeat(27) + "lab");
    let passage = "door ".repeat(5);
    let found = model.score_pairs(&fits, &[&passage]).unwrap();
    assert_eq!(found[0].tokens_cut, 4);
    assert_ne!(found, model.score_pairs(&longer, &[&passage]).unwrap());
}

#[test]
fn the_fingerprint_of_a_loaded_model_is_that_of_its_files() {
    let (folder, _) = golden("tiny-bert-bi");
    assert_eq!(bi_encoder().fingerprint(), &fingerprint(&folder).unwrap());
    let other = golden("tiny-bert-cross").0;
    assert_ne!(fingerprint(&folder).unwrap(), fingerprint(&other).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_text_has_a_unit_vector_and_a_finite_logit(text in any::<String>()) {
        let embedding = bi_encoder().embed_passages(&[&text]).unwrap().remove(0);
        let length = embedding.vector.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        prop_assert!((length - 1.0).abs() < 1e-5);
        for name in ["tiny-bert-cross", "tiny-xlmr-cross"] {
            let score = cross_encoder(name).score_pairs(&text, &[&text]).unwrap().remove(0);
            prop_assert!(score.score.is_finite());
        }
    }
}
