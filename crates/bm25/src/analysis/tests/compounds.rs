//! Compounds, and umlauts written with an `e`.

use std::convert::Infallible;

use proptest::prelude::*;

use super::super::compounds::{LINKS, MIN_PART, for_each_part, split};
use super::*;

fn parts<'a>(term: &'a str, vocabulary: &[&str]) -> Vec<&'a str> {
    let Ok(parts) = split(term, |part| Ok::<_, Infallible>(vocabulary.contains(&part)));
    parts
}

fn nested(term: &str, vocabulary: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    let Ok(()) = for_each_part(
        term,
        &mut |part: &str| Ok::<_, Infallible>(vocabulary.contains(&part)),
        &mut |part| all.push(part.to_owned()),
    );
    all
}

#[test]
fn compounds_are_cut_into_words_of_the_index() {
    let vocabulary = [
        "labor",
        "kuhl",
        "schrank",
        "kuhlschrank",
        "wohnung",
        "brand",
        "haus",
        "sport",
        "hall",
        "schul",
        "buch",
        "regal",
        "sonn",
        "blum",
        "gast",
        "licht",
        "ordnung",
    ];
    for (term, expected) in [
        ("laborkuhlschrank", &["labor", "kuhlschrank"][..]),
        ("kuhlschrank", &["kuhl", "schrank"]),
        ("wohnungsbrand", &["wohnung", "brand"]),
        ("sonnenblum", &["sonn", "blum"]),
        ("bucherregal", &["buch", "regal"]),
        ("gastehaus", &["gast", "haus"]),
        ("hausertur", &[]),
        ("hausordnung", &["haus", "ordnung"]),
        ("schulhaus", &["schul", "haus"]),
        // Nothing may remain.
        ("sporthalle", &[]),
        ("laborx", &[]),
        ("xlaborschrank", &[]),
        ("laborxxschrank", &[]),
        // No link at the end, and none alone.
        ("laborschranks", &[]),
        ("labors", &[]),
        // A word is no part of itself.
        ("labor", &[]),
        ("wohnung", &[]),
        ("", &[]),
        ("labor1schrank", &[]),
        ("kühlschrank", &[]),
    ] {
        assert_eq!(parts(term, &vocabulary), expected, "{term}");
    }
    assert_eq!(
        nested("laborkuhlschrank", &vocabulary),
        ["labor", "kuhlschrank", "kuhl", "schrank"]
    );
}

#[test]
fn the_fewest_pieces_win_and_then_the_longest_last() {
    let vocabulary = [
        "abcd", "efgh", "ijkl", "abcdefgh", "efghijkl", "abcds", "sefgh",
    ];
    assert_eq!(parts("abcdefghijkl", &vocabulary), ["abcd", "efghijkl"]);
    // Both without a link.
    assert_eq!(parts("abcdsefgh", &vocabulary), ["abcd", "sefgh"]);
    assert_eq!(parts("abcdsefgh", &["abcd", "efgh"]), ["abcd", "efgh"]);
}

#[test]
fn long_terms_are_not_cut() {
    let term = "abcd".repeat(1000);
    assert_eq!(parts(&term, &["abcd"]), [""; 0]);
    assert_eq!(parts(&"abcd".repeat(16), &["abcd"]).len(), 16);
}

proptest! {
    /// Nothing is joined, invented or lost: pieces and links in their order are the term.
    #[test]
    fn pieces_and_links_are_the_term(
        term in "[a-cens]{0,24}",
        vocabulary in prop::collection::vec("[a-cens]{1,6}", 0..40),
    ) {
        // What the term begins with and other pieces of it, so that cuts are found.
        let mut vocabulary: Vec<String> = vocabulary;
        for start in 0..term.len() {
            vocabulary.extend((start..term.len()).step_by(3).map(|end| term[start..end].to_owned()));
        }
        let known: Vec<&str> = vocabulary.iter().map(String::as_str).collect();
        let found = parts(&term, &known);
        prop_assert!(found.len() != 1);
        let mut rest = term.as_str();
        for (i, part) in found.iter().enumerate() {
            prop_assert!(part.len() >= MIN_PART && known.contains(part));
            let at = part.as_ptr() as usize - rest.as_ptr() as usize;
            prop_assert!(LINKS.contains(&&rest[..at]) && (i > 0 || at == 0), "{} {:?}", term, found);
            rest = &rest[at + part.len()..];
        }
        prop_assert!(found.is_empty() || rest.is_empty());
    }
}

#[test]
fn umlauts_may_be_written_with_an_e() {
    let german = analysis(Analyzer::German);
    for (umlaut, plain) in [
        ("Kühlschrank", "Kuehlschrank"),
        ("Kühlschränke", "Kuehlschraenke"),
        ("Möbel", "Moebel"),
        ("Straße", "Strasse"),
        ("Größe", "Groesse"),
        ("Gefäß", "Gefaess"),
    ] {
        assert_eq!(asked(&german, umlaut), asked(&german, plain));
    }
    assert_eq!(
        asked(&german, "für über während"),
        asked(&german, "fuer ueber waehrend")
    );
    for (one, other) in [
        ("neue", "nü"),
        ("Feuer", "Für"),
        ("Mauer", "Maür"),
        ("Quelle", "Qülle"),
        ("Steuer", "Stür"),
    ] {
        assert_ne!(asked(&german, one), asked(&german, other), "{one}");
    }
    assert!(holds_all(&german, "neue", "neu") && holds_all(&german, "Mauer", "Mauern"));
}
