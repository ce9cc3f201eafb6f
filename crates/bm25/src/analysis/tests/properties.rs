//! Promises for any text.

use proptest::prelude::*;

use super::*;

/// Characters that the chain treats in a special way, and any others.
fn any_text() -> impl Strategy<Value = String> {
    let special = "[a-zA-Z0-9äöüßÄéİıſςΣﬁ²³₂½①™℃㎡µ\u{AD}\u{200B}\u{200D}\u{FEFF}\u{FE0F}\u{307}\u{308}'’.,:/_°%€\"×xlLmg\u{A0}\u{2212}\u{2013}-]{0,6}";
    let other = "[ก-๎一-丁가-각ァ-ンｦ-ﾟ\u{1780}-\u{17D3}0-9a-c]{0,6}";
    let words = prop_oneof![4 => special, 2 => other, 1 => "\\PC{0,4}", 1 => any::<String>()];
    prop::collection::vec(words, 0..12).prop_map(|words| words.join(" "))
}

fn any_analysis() -> impl Strategy<Value = Chain> {
    let analyzer = prop::sample::select(ALL.to_vec());
    let languages = prop::sample::select(vec![
        Languages::One(Language::German),
        Languages::One(Language::English),
        Languages::One(Language::Other),
        Languages::Both,
        Languages::All,
    ]);
    (analyzer, any::<Option<bool>>(), languages).prop_map(|(analyzer, fold, languages)| Chain {
        languages,
        ..with_accents(analyzer, fold)
    })
}

fn normalized(text: &str, accents: Accents) -> String {
    let mut out = String::new();
    normalize(text, accents, &mut out);
    out
}

const ACCENTS: [Accents; 3] = [Accents::Kept, Accents::Folded, Accents::FoldedExceptUmlauts];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_document_is_found_by_each_of_its_words(analysis in any_analysis(), text in any_text()) {
        let (terms, _) = analysis.document(&text);
        for word in text.split_ascii_whitespace() {
            for asked in analysis.query(word) {
                let mut asked_terms = asked.forms.iter().flat_map(|form| &form.terms);
                prop_assert!(
                    asked_terms.any(|term| terms.contains(term)),
                    "{:?} asks for {:?}, the document has {:?}", word, asked, terms
                );
            }
        }
    }

    #[test]
    fn a_document_is_found_by_its_whole_text(analysis in any_analysis(), text in any_text()) {
        let (terms, length) = analysis.document(&text);
        for word in analysis.query(&text) {
            let mut asked = word.forms.iter().flat_map(|form| &form.terms);
            prop_assert!(asked.all(|term| terms.contains(term)));
        }
        prop_assert!(length as usize <= terms.len());
        prop_assert_eq!(length == 0, terms.is_empty());
    }

    /// What is unsure is indexed and asked for in both languages: documents and queries that are
    /// sure and those that are not find one another.
    #[test]
    fn what_is_unsure_has_the_terms_of_both_languages(text in any_text()) {
        let both = mixed(Languages::Both);
        let (terms, length) = both.document(&text);
        let words = both.query(&text);
        let asked: Vec<&String> =
            words.iter().flat_map(|word| &word.forms).flat_map(|form| &form.terms).collect();
        let mut lengths = Vec::new();
        for language in [Language::German, Language::English] {
            let one = mixed(Languages::One(language));
            let (of_one, length) = one.document(&text);
            lengths.push(length);
            for term in &of_one {
                let count = |terms: &[String]| terms.iter().filter(|t| *t == term).count();
                prop_assert!(count(&terms) >= count(&of_one), "{} {:?}", term, terms);
            }
            for form in one.query(&text).iter().flat_map(|word| &word.forms) {
                prop_assert!(form.terms.iter().all(|term| asked.contains(&term)));
            }
        }
        prop_assert!(lengths.iter().all(|one| *one <= length));
        prop_assert!(length <= lengths.iter().sum());
    }

    /// The words of a text do not depend on its language, only their terms do.
    #[test]
    fn a_text_is_cut_into_the_same_words_in_every_language(text in any_text()) {
        let Chain { analysis, .. } = mixed(Languages::All);
        let mut scratch = Scratch::default();
        analysis.read_runs(&text, &mut scratch);
        let words = analysis.in_each(analysis.vocabularies(Languages::All), &mut scratch);
        prop_assert!(words.iter().all(|word| word.len() == Language::ALL.len()));
    }

    #[test]
    fn terms_are_what_the_index_takes(analysis in any_analysis(), text in any_text()) {
        let (terms, _) = analysis.document(&text);
        for term in terms {
            prop_assert!(!term.is_empty() && !term.contains(char::is_whitespace), "{:?}", term);
            prop_assert!(term.len() <= 2 * runs::MAX_RUN_BYTES);
        }
    }

    #[test]
    fn folding_is_idempotent(text in any_text()) {
        for accents in ACCENTS {
            let once = normalized(&text, accents);
            prop_assert_eq!(&normalized(&once, accents), &once, "{:?}", accents);
        }
    }

    #[test]
    fn case_does_not_count(analysis in any_analysis(), text in any_text()) {
        prop_assert_eq!(analysis.document(&text.to_lowercase()), analysis.document(&text));
    }
}

/// All characters, each alone, after a letter and after a digit.
#[test]
fn folding_is_idempotent_for_every_character() {
    for accents in [Accents::Kept, Accents::Folded] {
        for c in '\0'..=char::MAX {
            let once = normalized(&format!("{c} a{c} 1{c}"), accents);
            assert_eq!(
                normalized(&once, accents),
                once,
                "{accents:?} {:x}",
                c as u32
            );
        }
    }
}

#[test]
fn upper_and_lower_case_of_every_character_are_one() {
    for c in '\0'..=char::MAX {
        let folded = normalized(&c.to_string(), Accents::Kept);
        for case in [c.to_lowercase().to_string(), c.to_uppercase().to_string()] {
            assert_eq!(normalized(&case, Accents::Kept), folded, "{:x}", c as u32);
        }
    }
}

/// The short way for Latin letters and the long way give the same.
#[test]
fn latin_letters_fold_as_all_others() {
    for accents in ACCENTS {
        for c in '\0'..='\u{FF}' {
            // A Cyrillic letter sends the whole word the long way.
            let long = normalized(&format!("{c}ж"), accents);
            assert_eq!(
                format!("{}ж", normalized(&c.to_string(), accents)),
                long,
                "{c:?}"
            );
        }
    }
}
