//! The stop words of the analyzers, as the analyzers fold characters, before stemming.

/// English: the 33 words that Lucene's English analyzer drops, so that results compare
/// with the published ones.
pub(crate) const ENGLISH: &[&str] = &[
    "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it",
    "no", "not", "of", "on", "or", "such", "that", "the", "their", "then", "there", "these",
    "they", "this", "to", "was", "will", "with",
];

/// German: articles, pronouns, auxiliaries, conjunctions and the commonest prepositions.
/// Negations (`nicht`, `kein`, `ohne`) are kept: `ohne Gefrierfach` asks for them.
pub(crate) const GERMAN: &[&str] = &[
    "aber", "als", "also", "am", "an", "auch", "auf", "aus", "bei", "beim", "bin", "bis", "bist",
    "da", "dabei", "dadurch", "dafür", "dagegen", "daher", "damit", "dann", "daran", "darauf",
    "daraus", "darin", "darüber", "das", "dass", "davon", "dazu", "dein", "deine", "deinem",
    "deinen", "deiner", "deines", "dem", "den", "denen", "denn", "der", "deren", "des", "dessen",
    "dich", "die", "dies", "diese", "diesem", "diesen", "dieser", "dieses", "dir", "doch", "dort",
    "du", "durch", "ein", "eine", "einem", "einen", "einer", "eines", "er", "es", "etwa", "euch",
    "euer", "eure", "eurem", "euren", "eurer", "eures", "für", "gegen", "hab", "habe", "haben",
    "habt", "hat", "hatte", "hatten", "hattest", "hattet", "hier", "hinter", "ich", "ihm", "ihn",
    "ihnen", "ihr", "ihre", "ihrem", "ihren", "ihrer", "ihres", "im", "in", "indem", "ins", "ist",
    "jede", "jedem", "jeden", "jeder", "jedes", "jene", "jenem", "jenen", "jener", "jenes", "kann",
    "können", "könnte", "könnten", "mein", "meine", "meinem", "meinen", "meiner", "meines", "mich",
    "mir", "mit", "muss", "müssen", "nach", "noch", "nun", "nur", "ob", "oder", "sehr", "sei",
    "sein", "seine", "seinem", "seinen", "seiner", "seines", "seit", "selbst", "sich", "sie",
    "sind", "so", "solche", "solchem", "solchen", "solcher", "solches", "soll", "sollen", "sollte",
    "sollten", "sondern", "sonst", "über", "um", "und", "uns", "unser", "unsere", "unserem",
    "unseren", "unserer", "unseres", "unter", "viel", "vom", "von", "vor", "wann", "war", "waren",
    "warst", "wart", "warum", "was", "weil", "welche", "welchem", "welchen", "welcher", "welches",
    "wenn", "wer", "werde", "werden", "wie", "wieder", "will", "wir", "wird", "wirst", "wo",
    "wollen", "wollte", "wollten", "wurde", "wurden", "während", "würde", "würden", "zu", "zum",
    "zur", "zwar", "zwischen", // Without umlauts.
    "dafuer", "darueber", "fuer", "koennen", "koennte", "koennten", "muessen", "ueber", "waehrend",
    "wuerde", "wuerden",
];

#[cfg(test)]
mod tests {
    use unicode_normalization::is_nfc;

    use super::*;

    #[test]
    fn the_lists_hold_words_as_the_analyzer_sees_them() {
        for words in [ENGLISH, GERMAN] {
            for word in words {
                assert!(is_nfc(word) && *word == word.to_lowercase(), "{word}");
                assert!(!word.contains('ß'), "{word}");
                assert_eq!(
                    words.iter().filter(|other| *other == word).count(),
                    1,
                    "{word}"
                );
            }
        }
    }

    #[test]
    fn german_words_are_there_with_umlauts_and_without() {
        for word in GERMAN {
            let without = word
                .replace('ä', "ae")
                .replace('ö', "oe")
                .replace('ü', "ue");
            assert!(GERMAN.contains(&without.as_str()), "{without}");
        }
    }

    #[test]
    fn german_negations_are_searchable() {
        for word in ["nicht", "kein", "keine", "ohne"] {
            assert!(!GERMAN.contains(&word));
        }
    }
}
