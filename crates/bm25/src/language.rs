//! The language of a text: German, English, another, or unsure.
//!
//! Three witnesses, the cheapest first:
//!
//! 1. **Function words** (`function_words`). A text in German or English has many, and none of the
//!    other language but in names (`The Mask of Anarchy`). They decide nearly all sentences.
//! 2. **Letters**, by whichlang (n-grams, 16 languages), where these are few or contradict.
//! 3. **Letters, otherwise** by whatlang (trigrams), among German and English or for all languages:
//!    only where it agrees with the others are these believed.
//!
//! What is left is unsure: single words, names, codes and numbers, which are often the same in
//! both. They are indexed and asked for as both. A text is another language only if nothing speaks
//! for German or English and both libraries agree, or if its letters are not Latin.
//!
//! # Why these
//!
//! Share of texts told rightly / wrongly, on queries of XQuAD in German and English, product titles
//! of the sample, and titles of NFCorpus (often a single word); microseconds for a query:
//!
//! | | xquad-de | xquad-en | sample titles | NFCorpus | µs |
//! |---|---|---|---|---|---|
//! | whatlang, all languages | 0.929/0.071 | 0.891/0.109 | 0.558/0.442 | 0.343/0.658 | 100 |
//! | whatlang, of two | 0.987/0.013 | 0.950/0.050 | 0.887/0.113 | 0.796/0.205 | 11 |
//! | whichlang | 0.995/0.005 | 0.993/0.007 | 0.770/0.230 | 0.612/0.389 | 1 |
//! | lingua, of two | 0.992/0.008 | 0.990/0.010 | 0.915/0.085 | 0.932/0.068 | 130 |
//! | this, the rest unsure | 0.995/0.001 | 0.999/0.000 | 0.731/0.007 | 0.418/0.006 | 1 |
//!
//! On paragraphs none of them errs; a paragraph takes this 5 µs, lingua 300 to 500. lingua is the
//! most accurate library for single words, but slower than all the rest of indexing a text, and
//! brings 10 MB of models for two languages. The others have tables of less than a megabyte.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use serde::Serialize;
use treffer_types::Language;

mod function_words;

/// How much of a long text is looked at, in bytes.
const SAMPLE: usize = 600;

/// Tells languages. Kept, because it holds the tables of words.
pub(crate) struct Detector {
    function_words: HashMap<&'static str, Language, RandomState>,
    of_two: whatlang::Detector,
    /// Of German, English and a third, by what whichlang calls it.
    of_three: Vec<(whichlang::Lang, whatlang::Detector)>,
}

/// What speaks for the language of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Detection {
    /// The language; `None` if it is unsure.
    pub language: Option<Language>,
    /// Words of letters that were looked at: of a long text, those of its beginning.
    pub words: u32,
    /// Those among them that are German function words.
    pub german: u32,
    /// Those among them that are English function words.
    pub english: u32,
    /// The language by n-grams of letters, if these were asked.
    pub letters: Option<Language>,
}

impl Detection {
    /// By how much of all words German function words outnumber English ones or the reverse, from
    /// 0 to 1. Sentences have 0.2 and more.
    pub fn margin(&self) -> f32 {
        if self.words == 0 {
            return 0.0;
        }
        self.german.abs_diff(self.english) as f32 / self.words as f32
    }
}

impl Detector {
    pub(crate) fn new() -> Self {
        let of = |words: &'static [&'static str], language| {
            words.iter().map(move |&word| (word, language))
        };
        Detector {
            function_words: of(function_words::GERMAN, Language::German)
                .chain(of(function_words::ENGLISH, Language::English))
                .collect(),
            of_two: whatlang::Detector::with_allowlist(OF_TWO.to_vec()),
            of_three: THIRD
                .map(|(by_letters, third)| {
                    let three = OF_TWO.into_iter().chain([third]).collect();
                    (by_letters, whatlang::Detector::with_allowlist(three))
                })
                .into(),
        }
    }

    /// The language of a document: of its text, and of its title where the text is short.
    pub(crate) fn document(&self, title: &str, text: &str) -> Detection {
        let text = head(text);
        if text.len() >= SAMPLE / 2 || title.is_empty() {
            return self.detect(text);
        }
        self.detect(&[head(title), " ", text].concat())
    }

    /// The language of a text.
    pub(crate) fn detect(&self, text: &str) -> Detection {
        let text = head(text);
        let mut found = self.count(text);
        found.language = self.decide(text, &mut found);
        found
    }

    /// Counts words.
    fn count(&self, text: &str) -> Detection {
        let mut found = Detection::default();
        let mut lower = String::new();
        for word in text.split(|c: char| !c.is_alphabetic()) {
            if word.is_empty() {
                continue;
            }
            found.words += 1;
            // Longer than all of them.
            if word.len() > 12 {
                continue;
            }
            lower.clear();
            if word.is_ascii() {
                lower.push_str(word);
                lower.make_ascii_lowercase();
            } else {
                lower.extend(word.chars().flat_map(char::to_lowercase));
            }
            match self.function_words.get(lower.as_str()) {
                Some(Language::German) => found.german += 1,
                Some(Language::English) => found.english += 1,
                Some(Language::Other) | None => {}
            }
        }
        found
    }

    fn decide(&self, text: &str, found: &mut Detection) -> Option<Language> {
        let Detection {
            words,
            german,
            english,
            ..
        } = *found;
        let (most, least) = (german.max(english), german.min(english));
        let by_words = match german.cmp(&english) {
            std::cmp::Ordering::Greater => Some(Language::German),
            std::cmp::Ordering::Less => Some(Language::English),
            std::cmp::Ordering::Equal => None,
        };
        let is_dense = most * 5 >= words;
        if most >= 3 + 4 * least && is_dense {
            return by_words;
        }
        let n_letters = match letters(text) {
            Letters::Latin(n) => n,
            Letters::Other => return Some(Language::Other),
            Letters::None => return None,
        };
        let is_foreign = most * 16 <= words && words >= 8 || most * 8 <= words && words >= 16;
        let nearest = whichlang::detect_language(text);
        let by_letters = language_of(nearest);
        found.letters = Some(by_letters);
        let of_two = || {
            let found = self.of_two.detect(text)?;
            Some(of_whatlang(found.lang()))
        };
        match (by_words, by_letters) {
            (Some(by_words), by_letters) if by_words == by_letters => Some(by_words),
            // Few function words among many others: `is` and `of` are Dutch, too.
            (_, Language::Other) if is_foreign => {
                (self.is_other(text, nearest)).then_some(Language::Other)
            }
            (Some(by_words), _) if most >= 2 && least == 0 && is_dense => Some(by_words),
            (Some(by_words), _) => of_two().filter(|of_two| *of_two == by_words && is_dense),
            (None, Language::Other) => None,
            (None, by_letters) => {
                let is_enough = n_letters >= LETTERS || text.contains(GERMAN_LETTERS);
                of_two().filter(|of_two| is_enough && *of_two == by_letters)
            }
        }
    }
}

impl Detector {
    /// Whether whatlang takes a text, of all languages, for another than German and English.
    /// `nearest` is what whichlang takes it for.
    fn is_other(&self, text: &str, nearest: whichlang::Lang) -> bool {
        // It scores each language by itself, so one that is ahead of both is so among all, too. That
        // takes a tenth of the time, and most texts are in the language that whichlang says.
        let mut of_three = self.of_three.iter();
        let of_three = of_three.find(|(third, _)| *third == nearest);
        let of_three = of_three.and_then(|(_, detector)| detector.detect(text));
        let is_other = |found: &whatlang::Info| of_whatlang(found.lang()) == Language::Other;
        // Without any confidence, another may have the same score.
        if of_three.is_some_and(|found| is_other(&found) && found.confidence() > 0.0) {
            return true;
        }
        whatlang::detect(text).is_some_and(|found| is_other(&found))
    }
}

const OF_TWO: [whatlang::Lang; 2] = [whatlang::Lang::Deu, whatlang::Lang::Eng];
/// Languages with Latin letters that both libraries know.
const THIRD: [(whichlang::Lang, whatlang::Lang); 8] = [
    (whichlang::Lang::Fra, whatlang::Lang::Fra),
    (whichlang::Lang::Ita, whatlang::Lang::Ita),
    (whichlang::Lang::Nld, whatlang::Lang::Nld),
    (whichlang::Lang::Por, whatlang::Lang::Por),
    (whichlang::Lang::Spa, whatlang::Lang::Spa),
    (whichlang::Lang::Swe, whatlang::Lang::Swe),
    (whichlang::Lang::Tur, whatlang::Lang::Tur),
    (whichlang::Lang::Vie, whatlang::Lang::Vie),
];

/// Fewest letters that tell a language without a function word.
const LETTERS: usize = 16;
/// Letters that English does not have: fewer are enough.
const GERMAN_LETTERS: [char; 7] = ['ä', 'ö', 'ü', 'Ä', 'Ö', 'Ü', 'ß'];

/// Of which scripts a text is.
enum Letters {
    None,
    /// Latin letters only or mainly, and how many.
    Latin(usize),
    Other,
}

fn letters(text: &str) -> Letters {
    let (mut latin, mut other) = (0, 0);
    for c in text.chars() {
        if c.is_ascii_alphabetic() || matches!(c, '\u{C0}'..='\u{24F}' | '\u{1E00}'..='\u{1EFF}') {
            latin += usize::from(!matches!(c, '×' | '÷'));
        } else if c.is_alphabetic() {
            other += 1;
        }
    }
    match (latin, other) {
        (0, 0) => Letters::None,
        (latin, other) if other > latin && other >= 2 => Letters::Other,
        (latin, _) => Letters::Latin(latin),
    }
}

fn language_of(language: whichlang::Lang) -> Language {
    match language {
        whichlang::Lang::Deu => Language::German,
        whichlang::Lang::Eng => Language::English,
        _ => Language::Other,
    }
}

fn of_whatlang(language: whatlang::Lang) -> Language {
    match language {
        whatlang::Lang::Deu => Language::German,
        whatlang::Lang::Eng => Language::English,
        _ => Language::Other,
    }
}

/// The beginning of a text, up to the end of a word where that is near.
fn head(text: &str) -> &str {
    if text.len() <= SAMPLE {
        return text;
    }
    let end = text.floor_char_boundary(SAMPLE);
    let head = &text[..end];
    head.rfind(|c: char| c.is_ascii_whitespace())
        .map_or(head, |end| &head[..end])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> Option<Language> {
        Detector::new().detect(text).language
    }

    #[test]
    fn sentences_and_telling_words_are_told() {
        for text in [
            "Der Laborkühlschrank ist nach DIN 13277 zertifiziert.",
            "Wie repariere ich die Hauptplatine?",
            "Kühlschrank",
            "leiser Kühlschrank 280 l",
            "Hauptplatine reparieren",
            "Bosch KGN39VLEB Kühl-Gefrier-Kombination",
            "Was ist das Engineering News-Record?",
        ] {
            assert_eq!(of(text), Some(Language::German), "{text}");
        }
        for text in [
            "A laboratory refrigerator that is certified to DIN 13277.",
            "how did James Dean die",
            "what is captcha code",
            "How are Ergänzungsschulen funded?",
        ] {
            assert_eq!(of(text), Some(Language::English), "{text}");
        }
        for text in [
            "Le réfrigérateur de laboratoire est conçu pour conserver des échantillons à une température stable.",
            "Lodówka laboratoryjna jest przeznaczona do przechowywania próbek w stałej temperaturze.",
            "De koelkast is een van de meest gebruikte apparaten in het laboratorium of in de keuken van het bedrijf.",
            "Холодильник для лаборатории",
            "実験室用冷蔵庫",
        ] {
            assert_eq!(of(text), Some(Language::Other), "{text}");
        }
    }

    #[test]
    fn names_codes_and_words_of_both_languages_are_unsure() {
        for text in [
            "",
            "280",
            "LABO-288",
            "LABO-288 280 l",
            "MacBook Air 13 M2",
            "iPhone",
            "die",
            "was",
            "will",
            "Norvik Icebox 270",
            "€ % 5",
            "Bad",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_and_names_do_not_change_the_language() {
        let detector = Detector::new();
        let german =
            "Norvik 280 L: Der Kühlschrank hat 5 °C und 42 dB(A), ist aber nicht für Labore.";
        assert_eq!(detector.detect(german).language, Some(Language::German));
        let document = detector.document(
            "Norvik Icebox 270",
            "Nutzinhalt 280 l, mit Gefrierfach und Tür",
        );
        assert_eq!(document.language, Some(Language::German));
    }

    /// Of several languages.
    const WORDS: &str = "le réfrigérateur dans est la cucina della een koelkast het para geladeira \
        não nevera los kylskåp och buzdolabı için tủ lạnh the refrigerator of der Kühlschrank und \
        lodówka wab wxqz";

    proptest! {
        #[test]
        fn any_text_has_a_language_or_none(text in any::<String>(), title in any::<String>()) {
            let detector = Detector::new();
            let found = detector.document(&title, &text);
            prop_assert!((0.0..=1.0).contains(&found.margin()));
            prop_assert!(found.german + found.english <= found.words);
            prop_assert_eq!(detector.document(&title, &text), found);
        }

        #[test]
        fn asking_about_three_languages_first_changes_nothing(
            words in prop::collection::vec(
                prop::sample::select(WORDS.split(' ').collect::<Vec<_>>()),
                1..30,
            ),
            letters in "[a-zçéñøğłä ]{0,40}",
        ) {
            let text = words.join(" ") + &letters;
            let all = whatlang::detect(&text);
            let is_other = all.is_some_and(|all| of_whatlang(all.lang()) == Language::Other);
            let nearest = whichlang::detect_language(&text);
            prop_assert_eq!(Detector::new().is_other(&text, nearest), is_other);
        }

        #[test]
        fn case_does_not_count_for_function_words(text in "[a-zäöü ]{0,60}") {
            let detector = Detector::new();
            let (one, other) = (detector.detect(&text), detector.detect(&text.to_uppercase()));
            prop_assert_eq!((one.words, one.german, one.english), (other.words, other.german, other.english));
        }
    }
}
