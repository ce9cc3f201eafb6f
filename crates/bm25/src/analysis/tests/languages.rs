//! Texts in several languages under one analyzer.

use super::*;

const GERMAN: Languages = Languages::One(Language::German);
const ENGLISH: Languages = Languages::One(Language::English);
const OTHER: Languages = Languages::One(Language::Other);

#[test]
fn each_language_has_its_own_stop_words_and_stems() {
    for (languages, text, expected) in [
        (
            GERMAN,
            "Was die Kühlschränke kosten",
            &["kuhlschrank", "kost"][..],
        ),
        (
            ENGLISH,
            "people die in refrigerators",
            &["peopl", "die", "refriger"],
        ),
        (
            OTHER,
            "Les réfrigérateurs de l'eau",
            &["les", "refrigerateurs", "de", "eau"],
        ),
        (ENGLISH, "Müller's art", &["muller", "art"]),
        (GERMAN, "Müllers Art, geht's", &["mull", "art", "geht"]),
        (OTHER, "Müllers Art", &["müllers", "art"]),
    ] {
        assert_eq!(asked(&mixed(languages), text), expected, "{text}");
    }
}

#[test]
fn what_is_unsure_is_asked_for_in_each_language_once() {
    let unsure = mixed(Languages::Both);
    for (text, expected) in [
        // The same in both.
        ("Norvik 280", &["norvik 280|norvik280"][..]),
        ("engine", &["engin"]),
        // A stop word of one is a word of the other.
        ("die", &["die"]),
        ("with", &["with"]),
        ("was", &[]),
        ("Kühlschränke", &["kuhlschrank"]),
        ("Anlagen", &["anlag|anlagen"]),
        (
            "Klima-Anlagen",
            &["klima anlag|klimaanlag|klima anlagen|klimaanlagen"],
        ),
    ] {
        assert_eq!(asked(&unsure, text), expected, "{text}");
    }
}

#[test]
fn a_document_that_is_unsure_is_found_in_each_language() {
    let document = "Anlagen Refrigerators LABO-288";
    let (terms, length) = mixed(Languages::Both).document(document);
    for term in [
        "anlag",
        "anlagen",
        "refriger",
        "refrigerator",
        "labo",
        "288",
        "labo288",
    ] {
        let n = terms.iter().filter(|other| *other == term).count();
        assert_eq!(n, 1, "{term} {terms:?}");
    }
    assert_eq!(length, 4);
}

#[test]
fn only_words_of_german_are_compounds() {
    let words = |languages, text| mixed(languages).analysis.document(text, languages).words;
    assert_eq!(
        words(GERMAN, "Kühlschrank LABO-288"),
        ["kuhlschrank", "labo"]
    );
    assert_eq!(words(ENGLISH, "refrigerators"), [""; 0]);
    assert_eq!(words(OTHER, "réfrigérateur"), [""; 0]);
    assert_eq!(words(Languages::Both, "refrigerators"), ["refrigerator"]);
}
