//! The chain of analysis: what becomes of texts, and what finds them.

use std::convert::Infallible;

use super::*;

mod compounds;
mod languages;
mod properties;
mod spellings;

/// A chain, and the languages of the texts that go through it.
struct Chain {
    analysis: Analysis,
    languages: Languages,
}

impl Chain {
    /// The terms of a document, and its length.
    fn document(&self, text: &str) -> (Vec<String>, u32) {
        let Indexed { terms, length, .. } = self.analysis.document(text, self.languages);
        (terms, length)
    }

    /// What a query asks for, nothing cut.
    fn query(&self, text: &str) -> Vec<QueryWord> {
        let Ok(words) =
            (self.analysis).query(text, self.languages, |_| Ok::<_, Infallible>(Vec::new()));
        words
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Analysis {
            accents,
            apostrophes,
            ..
        } = &self.analysis;
        write!(
            f,
            "{accents:?}, apostrophes {apostrophes}, {:?}",
            self.languages
        )
    }
}

/// The chain of one analyzer with its default treatment of accents.
fn analysis(analyzer: Analyzer) -> Chain {
    with_accents(analyzer, None)
}

/// The chain for texts in several languages, for one of this language.
fn mixed(languages: Languages) -> Chain {
    Chain {
        languages,
        ..analysis(Analyzer::Mixed)
    }
}

/// The chain that marks negated words, for texts of one language.
fn negating(analyzer: Analyzer, languages: Languages) -> Chain {
    let config = Bm25Config {
        negation: true,
        ..config(analyzer)
    };
    Chain {
        analysis: Analysis::new(&config),
        languages,
    }
}

fn with_accents(analyzer: Analyzer, fold_accents: Option<bool>) -> Chain {
    let config = Bm25Config {
        fold_accents,
        ..config(analyzer)
    };
    Chain {
        analysis: Analysis::new(&config),
        languages: Languages::Both,
    }
}

/// What an analyzer does where nothing else is set.
pub(super) fn config(analyzer: Analyzer) -> Bm25Config {
    Bm25Config {
        analyzer,
        fold_accents: None,
        negation: false,
        words: None,
        k1: 0.9,
        b: 0.4,
        fields: crate::config::Fields::Concatenated,
    }
}

/// What a query of this text asks for: the forms of each word, `|` between them.
fn asked(chain: &Chain, text: &str) -> Vec<String> {
    let written = |word: QueryWord| {
        let forms = word.forms.iter().map(|form| form.terms.join(" "));
        forms.collect::<Vec<String>>().join("|")
    };
    chain.query(text).into_iter().map(written).collect()
}

/// Whether a document is found by a query.
fn finds(chain: &Chain, query: &str, document: &str) -> bool {
    let (terms, _) = chain.document(document);
    let words = chain.query(query);
    let forms = words.iter().flat_map(|word| &word.forms);
    let mut asked = forms.flat_map(|form| &form.terms);
    asked.any(|term| terms.contains(term))
}

/// Whether a document holds every word of a query, in one of its forms.
fn holds_all(chain: &Chain, query: &str, document: &str) -> bool {
    let (terms, _) = chain.document(document);
    let words = chain.query(query);
    let holds = |form: &Form| form.terms.iter().all(|term| terms.contains(term));
    !words.is_empty() && words.iter().all(|word| word.forms.iter().any(holds))
}

const ALL: [Analyzer; 4] = [
    Analyzer::English,
    Analyzer::German,
    Analyzer::Mixed,
    Analyzer::Plain,
];

#[test]
fn words_are_folded_stemmed_and_freed_of_stop_words() {
    assert_eq!(
        asked(
            &analysis(Analyzer::English),
            "The Refrigerator's doors don’t CLOSE, and the seals leak, the 1990's"
        ),
        ["refriger", "door", "don't", "close", "seal", "leak", "1990"]
    );
    assert_eq!(
        asked(
            &analysis(Analyzer::German),
            "Die Laborkühlschränke und der Kühlschrank, daß die Straße"
        ),
        ["laborkuhlschrank", "kuhlschrank", "strass"]
    );
    assert_eq!(
        asked(&analysis(Analyzer::Plain), "The Doors' L'Eau"),
        ["the", "doors", "l", "eau"]
    );
}

#[test]
fn a_query_asks_for_each_word_once() {
    for analyzer in ALL {
        let analysis = analysis(analyzer);
        for (text, expected) in [
            ("LABO-288", &["labo 288|labo288"][..]),
            ("LABO 288", &["labo 288|labo288"]),
            ("LABO_288", &["labo 288|labo288"]),
            ("LABO288", &["labo288"]),
            ("KGN39VL35", &["kgn39 vl35|kgn39vl35"]),
            ("KGN 39 VL 35", &["kgn 39|kgn39", "vl 35|vl35"]),
            ("H₂O", &["h2o"]),
            ("Wi-Fi", &["wi fi|wifi"]),
            ("wi fi", &["wi fi|wifi"]),
            ("wifi", &["wifi"]),
            ("280L", &["280|280l"]),
            ("280 Liter", &["280|280l"]),
            ("280-l", &["280|280l"]),
            ("1.234 kg", &["1234|1234kg"]),
            ("2.50 kg", &["2.50|2.5kg"]),
            ("−18 °C", &["18|-18°c"]),
            ("2–8 °C", &["2", "8|8°c"]),
            ("60x60", &["60 60|60x60"]),
            ("60 × 60 × 85 cm", &["60 60 85|60x60x85"]),
            ("120 km/h", &["120|120km/h"]),
            ("10:30", &["10", "30"]),
            // Two numbers are never one.
            ("2022-2023", &["2022 2023"]),
            ("東京都", &["東京", "京都"]),
            ("水", &["水"]),
        ] {
            assert_eq!(asked(&analysis, text), expected, "{text}");
        }
    }
}

#[test]
fn lengths_count_what_is_written() {
    let analysis = analysis(Analyzer::English);
    for (text, length) in [
        ("", 0),
        ("the of and", 0),
        ("a laboratory refrigerator", 2),
        ("LABO-288", 2),
        ("LABO288", 2),
        ("LABO 288", 2),
        ("KGN39VL35", 4),
        ("KGN 39 VL 35", 4),
        ("H2O", 1),
        ("Wi-Fi", 2),
        ("wifi", 1),
        ("280L", 2),
        ("280 L", 2),
        ("280 Liter", 2),
        ("50 %", 1),
        ("1.234.567", 1),
        ("state-of-the-art", 2),
        ("on-line", 1),
        ("東京都", 2),
        ("水", 1),
    ] {
        assert_eq!(analysis.document(text).1, length, "{text}");
    }
}

#[test]
fn composed_and_decomposed_umlauts_are_one_letter() {
    for analyzer in ALL {
        let analysis = analysis(analyzer);
        assert_eq!(
            analysis.document("Ku\u{308}hlschra\u{308}nke"),
            analysis.document("K\u{fc}hlschr\u{e4}nke")
        );
    }
    assert_eq!(
        asked(&analysis(Analyzer::Plain), "\u{308}x क्या"),
        ["x", "क्या"]
    );
}

#[test]
fn a_very_long_word_is_cut_into_pieces_and_none_is_lost() {
    for letter in ['x', 'ü', 'ж', '𐐨', '7'] {
        let word = String::from(letter).repeat(100_000);
        let pieces = asked(&analysis(Analyzer::Plain), &word);
        assert!(
            pieces
                .iter()
                .all(|piece| piece.len() < runs::MAX_RUN_BYTES + 4)
        );
        assert_eq!(pieces.concat(), word);
    }
}

#[test]
fn no_term_is_longer_than_the_index_takes() {
    let texts = [
        "字".repeat(100_000),
        format!("字{}", "\u{302A}".repeat(10_000)),
        "a1".repeat(50_000),
        "ab12".repeat(50_000),
        "1x".repeat(50_000),
        "1 x ".repeat(50_000),
        "a-".repeat(50_000),
        "a1-".repeat(50_000),
        "1.".repeat(50_000),
        "1,234".repeat(50_000),
        "1 l ".repeat(50_000),
        "%".repeat(50_000),
    ];
    for text in texts {
        let (terms, _) = analysis(Analyzer::English).document(&text);
        let longest = terms.iter().map(String::len).max().unwrap_or(0);
        assert!(longest <= 2 * runs::MAX_RUN_BYTES, "{longest} {text:.10}");
    }
}

#[test]
fn text_without_words_has_no_terms() {
    for text in [
        "",
        " \t\n",
        "\0",
        "😀👩‍👩‍👧",
        "--- ... !",
        "\u{200d}\u{ad}\u{feff}\u{fe0f}",
        "'",
        "% ° € \" × ™",
        "the and of",
    ] {
        assert_eq!(
            asked(&analysis(Analyzer::English), text),
            [""; 0],
            "{text:?}"
        );
        assert_eq!(analysis(Analyzer::English).document(text).1, 0);
    }
}

/// The negated terms of a document, without their mark.
fn negated(chain: &Chain, text: &str) -> Vec<String> {
    let (terms, _) = chain.document(text);
    let marks = terms.iter().filter_map(|term| term.strip_prefix('¬'));
    marks.map(str::to_owned).collect()
}

#[test]
fn a_negated_word_is_asked_for_besides() {
    let chain = negating(Analyzer::German, Languages::One(Language::German));
    assert_eq!(
        asked(&chain, "Kühlschrank ohne Gefrierfach"),
        ["kuhlschrank", "ohn", "gefrierfach", "¬gefrierfach"]
    );
    assert_eq!(
        asked(&chain, "kein DIN-Zertifikat"),
        ["kein", "din zertifikat|dinzertifikat", "¬din ¬zertifikat"]
    );
    let (with, length) = chain.document("ohne Gefrierfach");
    assert_eq!(with, ["ohn", "gefrierfach", "¬gefrierfach"]);
    assert_eq!(length, 2, "marks add nothing");
    let unmarked = analysis(Analyzer::German);
    assert_eq!(
        unmarked.document("ohne Gefrierfach").0,
        ["ohn", "gefrierfach"]
    );
}

#[test]
fn what_is_negated_ends_at_punctuation_and_after_two_words() {
    let german = negating(Analyzer::German, Languages::One(Language::German));
    let english = negating(Analyzer::English, Languages::One(Language::English));
    for (text, expected) in [
        ("ein Schrank ohne Fach, mit Licht", "fach"),
        ("ohne Fach mit Licht", "fach"),
        ("ohne ein Fach und die Tür am Schrank", "fach tur"),
        ("Licht. Kein Fach", "fach"),
        ("weder Fach noch Tür", "fach tur"),
        ("NoFrost: nein", "nofrost"),
        ("leise, NoFrost: nein, Licht", "nofrost"),
        ("für Medikamente nicht geeignet", ""),
        ("kein", ""),
        // What negates in English is another word in German.
        ("no Frost, without Tür", ""),
    ] {
        assert_eq!(negated(&german, text).join(" "), expected, "{text}");
    }
    for (text, expected) in [
        ("no compressor, but a light", "compressor"),
        ("without alarm but with light", "alarm"),
        ("alarm: no", "alarm"),
        ("no 280 liters", ""),
        ("neither gas nor oil", "gas oil"),
        ("it does not hum", ""),
        ("kein compressor", ""),
        ("without", ""),
    ] {
        assert_eq!(negated(&english, text).join(" "), expected, "{text}");
    }
    let plain = negating(Analyzer::Plain, Languages::One(Language::Other));
    assert_eq!(negated(&plain, "ohne Fach, without light"), [""; 0]);
    // In a mixed index each text is negated in its own language, an unsure one in both.
    let mixed = |languages| negating(Analyzer::Mixed, languages);
    let text = "ohne alarm, without light";
    assert_eq!(
        negated(&mixed(Languages::One(Language::German)), text),
        ["alarm"]
    );
    assert_eq!(
        negated(&mixed(Languages::One(Language::English)), text),
        ["light"]
    );
    assert_eq!(negated(&mixed(Languages::Both), text), ["alarm", "light"]);
}
