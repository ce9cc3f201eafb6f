//! Splitting: nothing is lost, everything fits, and structure is kept.

use proptest::prelude::*;
use treffer_testkit::FakeEmbedder;
use treffer_types::{Document, Heading, Passage};

use super::*;

fn splitter(tokens: usize, overlap: usize) -> Splitter {
    let resolved = Resolved { tokens, overlap };
    Splitter::new(Counter::Embedder(FakeEmbedder::new().shared()), resolved)
}

fn words(text: &str) -> usize {
    let words = text.split(|c: char| !c.is_alphanumeric());
    words.filter(|word| !word.is_empty()).count()
}

/// A document whose headings are the lines that begin with `#`, one level for each.
fn document(title: &str, text: &str) -> Document {
    let mut headings = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let level = line.bytes().take_while(|byte| *byte == b'#').count() as u8;
        if level > 0 {
            headings.push(Heading { at, level });
        }
        at += line.len() as u32;
    }
    Document {
        title: title.into(),
        text: text.into(),
        headings,
        ..Document::default()
    }
}

fn passages(splitter: &Splitter, document: &Document) -> Vec<Passage> {
    splitter.split(document).unwrap().passages
}

/// Each passage as its context, a bar, and its text.
fn shown(splitter: &Splitter, document: &Document) -> Vec<String> {
    let passages = passages(splitter, document);
    let shown = |passage: &Passage| {
        let piece = passage.piece(&document.text).unwrap();
        format!("{} | {}", passage.context, piece.replace('\n', "/"))
    };
    passages.iter().map(shown).collect()
}

/// Sentences of five words.
fn sentences(n: usize) -> String {
    let sentence = |i| format!("Sentence number {i} goes here. ");
    (0..n).map(sentence).collect()
}

#[test]
fn a_document_that_fits_is_one_passage() {
    let splitter = splitter(20, 5);
    assert_eq!(
        splitter.split(&document("Title", &sentences(3))).unwrap(),
        Split::default()
    );
    assert_eq!(splitter.split(&document("", "")).unwrap(), Split::default());
}

#[test]
fn passages_are_about_the_same_size_and_end_with_sentences() {
    let found = shown(&splitter(20, 0), &document("", &sentences(9)));
    let sizes: Vec<usize> = found.iter().map(|one| words(one)).collect();
    assert_eq!(sizes, [15, 15, 15]);
    assert!(found.iter().all(|one| one.ends_with('.')), "{found:?}");
}

#[test]
fn a_passage_repeats_the_last_sentence_of_the_one_before() {
    let found = shown(&splitter(20, 5), &document("", &sentences(8)));
    assert_eq!(found.len(), 3, "{found:?}");
    for pair in found.windows(2) {
        let last = pair[0].rsplit(". ").next().unwrap();
        assert!(pair[1].starts_with(&format!(" | {last}")), "{pair:?}");
    }
}

#[test]
fn headings_stand_before_the_passages_below_them() {
    let text = format!(
        "Before all. {0}\n# Cooling\n{0}\n## Noise\n{0}{0}\n# Care\n{0}",
        sentences(3)
    );
    let found = shown(&splitter(24, 0), &document("Manual", &text));
    let heads: Vec<&str> = found
        .iter()
        .map(|one| &one[..one.find("Sentence").unwrap()])
        .collect();
    assert_eq!(
        heads,
        [
            "Manual | Before all. ",
            "Manual | # Cooling/",
            "Manual > # Cooling | ## Noise/",
            "Manual > # Cooling > ## Noise | ",
            "Manual | # Care/",
        ],
        "{found:#?}"
    );
}

#[test]
fn small_sections_stay_together() {
    let text = format!("# A\nOne.\n# B\nTwo.\n# C\n{}", sentences(4));
    let found = shown(&splitter(24, 0), &document("T", &text));
    assert_eq!(found.len(), 2, "{found:#?}");
    assert_eq!(found[0], "T | # A/One./# B/Two.");
    assert!(found[1].starts_with("T | # C/Sentence number 0"));
}

#[test]
fn a_title_that_is_too_long_is_cut_and_counted() {
    let title = "one two three four five six seven eight nine ten";
    let split = splitter(24, 0)
        .split(&document(title, &sentences(9)))
        .unwrap();
    assert_eq!(split.tokens_cut, 2);
    let context = &split.passages[0].context;
    assert_eq!(context, "one two three four five six seven");
}

#[test]
fn strange_texts_are_split_in_time() {
    let splitter = splitter(64, 16);
    let million = "word ".repeat(1_000_000);
    let found = passages(&splitter, &document("T", &million));
    assert!((1_000_000 / 64..1_000_000 / 30).contains(&found.len()));
    // One word without end, for a tokenizer that sees one token in it.
    let endless = "x".repeat(3_000_000);
    assert!(passages(&splitter, &document("T", &endless)).is_empty());
    // Many headings.
    let headings = "# H\nSome words stand here\n".repeat(50_000);
    let found = passages(&splitter, &document("T", &headings));
    assert!(found.len() > 50_000 / 16, "{}", found.len());
}

#[test]
fn words_without_blanks_are_cut_where_no_model_counts() {
    let resolved = Resolved {
        tokens: 16,
        overlap: 4,
    };
    let splitter = Splitter::new(Counter::Words, resolved);
    let found = passages(&splitter, &document("", &"ä".repeat(5000)));
    let bytes: u32 = found.iter().map(|one| one.end - one.start).sum();
    assert_eq!(bytes, 10_000, "no words, so nothing is repeated");
    assert!(found.len() > 15);
}

#[test]
fn headings_that_lie_elsewhere_are_passed_over() {
    let mut document = document("T", &format!("ä {}", sentences(9)));
    document.headings = [1, 40, 7, 4_000_000]
        .map(|at| Heading { at, level: 1 })
        .to_vec();
    let found = passages(&splitter(16, 0), &document);
    assert!(found.iter().all(|one| one.piece(&document.text).is_some()));
}

#[test]
fn settings_out_of_range_are_refused() {
    let check = |tokens, overlap| {
        let config = PassageConfig {
            tokens: Some(tokens),
            overlap,
            bm25: Unit::Passage,
        };
        config.check()
    };
    assert!(check(16, 4).is_ok());
    assert!(check(15, 0).unwrap_err().contains("15"));
    assert!(check(100, 26).unwrap_err().contains("25"));
}

#[test]
fn the_model_says_how_long_passages_are_if_nothing_is_set() {
    let usual = PassageConfig::default();
    let of = |tokens, overlap| Ok(Resolved { tokens, overlap });
    assert_eq!(usual.resolved(None), of(256, 32));
    assert_eq!(usual.resolved(Some(510)), of(256, 32));
    assert_eq!(usual.resolved(Some(100)), of(100, 25));
    let set = PassageConfig {
        tokens: Some(300),
        ..usual
    };
    assert_eq!(set.resolved(Some(510)), of(300, 32));
    assert_eq!(set.resolved(Some(254)), Err(300));
}

/// Text with paragraphs, headings, sentences, punctuation and long words.
fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => "[a-zäöü]{1,9} ",
        2 => "[a-z]{1,5}\\. ",
        1 => Just("\n".to_owned()),
        1 => Just("\n\n".to_owned()),
        1 => "\n#{1,3} [A-Z][a-z]{1,6}\n",
        1 => "\\PC{1,8}",
        1 => "[東京都私は]{1,6}",
    ];
    prop::collection::vec(piece, 0..120).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn nothing_is_lost_and_everything_fits(
        text in any_text(), title in "([A-Z][a-z]{1,5} ){0,8}", tokens in 16usize..40, share in 4usize..9,
        by_words in any::<bool>(),
    ) {
        let document = document(title.trim(), &text);
        let resolved = Resolved { tokens, overlap: tokens / share };
        let counter = || if by_words {
            Counter::Words
        } else {
            Counter::Embedder(FakeEmbedder::new().shared())
        };
        let passages = passages(&Splitter::new(counter(), resolved), &document);
        let mut covered = 0;
        for passage in &passages {
            let piece = passage.piece(&text);
            prop_assert!(piece.is_some_and(|piece| !piece.is_empty() && piece == piece.trim()));
            let n = counter().count(&passage.full_text(&text)).unwrap();
            prop_assert!(n <= tokens || piece.unwrap().chars().count() == 1, "{n} tokens");
            // What lies between two passages is white space.
            let between = &text[covered..(passage.start as usize).max(covered)];
            prop_assert!(between.trim().is_empty(), "{between:?} is lost");
            prop_assert!(passage.end as usize > covered);
            covered = passage.end as usize;
        }
        if !passages.is_empty() {
            prop_assert!(text[covered..].trim().is_empty(), "{:?} is lost", &text[covered..]);
            let starts: Vec<u32> = passages.iter().map(|one| one.start).collect();
            prop_assert!(starts.is_sorted());
        } else {
            let all = counter().count(&document.full_text()).unwrap();
            prop_assert!(all <= tokens || text.trim().is_empty());
        }
    }
}
