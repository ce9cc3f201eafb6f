//! Words of three letters that compounds are cut into, though no word of the index that is so short
//! is.
//!
//! Nouns alone, and none that is also an ending (`-bar`, `-los`, `-art`) or the end of many foreign
//! words (`Pol`, `Ort`). With all words of three letters of an index, nDCG@10 falls (gerlayqa-bgb-de
//! by 0.0011, xquad-r-de by 0.0012); with these, `Kühlschranktür` is found as `Tür`, and it changes by
//! +0.0007 and -0.0003 (xquad-de +0.0003; none is significant).

/// As terms, sorted.
pub(crate) const SHORT_WORDS: &[&str] = &[
    "abt", "akt", "amt", "arm", "ast", "axt", "bad", "bau", "box", "bus", "dom", "eis", "erz",
    "fee", "gas", "gut", "hof", "hub", "hut", "kai", "kuh", "kur", "lok", "mai", "not", "ohr",
    "rad", "rat", "reh", "ruf", "see", "set", "tag", "tal", "tee", "ton", "tor", "tur", "typ",
    "uhr", "weg", "wut", "zar", "zoo", "zug",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::compounds::is_listed_word;

    #[test]
    fn they_are_sorted_terms_of_three_letters() {
        assert!(SHORT_WORDS.is_sorted_by(|a, b| a < b));
        assert!(
            SHORT_WORDS
                .iter()
                .all(|word| word.len() == 3 && is_listed_word(word))
        );
    }
}
