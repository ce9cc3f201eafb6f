//! Words that tell the language of a text: frequent in one, and no word of the other. Words of both
//! (`die`, `in`, `was`, `will`) and those that are frequent in further languages (`des`, `do`, `no`)
//! are not among them.

/// German.
pub(super) const GERMAN: &[&str] = &[
    "aber", "als", "am", "auch", "auf", "aus", "bei", "beim", "bis", "bist", "dabei", "dadurch",
    "dafür", "dagegen", "daher", "damit", "dann", "daran", "darauf", "daraus", "darf", "darin",
    "darüber", "das", "dass", "davon", "dazu", "dein", "deine", "deiner", "dem", "denen", "denn",
    "der", "deren", "dessen", "dich", "diese", "diesem", "diesen", "dieser", "dieses", "dir",
    "doch", "dort", "durch", "ein", "eine", "einem", "einen", "einer", "eines", "etwa", "euch",
    "euer", "eure", "für", "gegen", "gibt", "hab", "habe", "haben", "hatte", "hatten", "hier",
    "hinter", "ich", "ihm", "ihn", "ihnen", "ihr", "ihre", "ihrem", "ihren", "ihrer", "ihres",
    "im", "indem", "ins", "ist", "jede", "jedem", "jeden", "jeder", "jedes", "jener", "kann",
    "kein", "keine", "keinen", "keiner", "können", "könnte", "könnten", "mein", "meine", "meinem",
    "meinen", "meiner", "mich", "mir", "mit", "muss", "müssen", "nach", "nicht", "noch", "nun",
    "nur", "oder", "ohne", "sehr", "sein", "seine", "seinem", "seinen", "seiner", "seines", "seit",
    "selbst", "sich", "sie", "sind", "solche", "soll", "sollen", "sollte", "sollten", "sondern",
    "sonst", "sowie", "um", "und", "uns", "unser", "unsere", "unter", "vom", "von", "vor", "wann",
    "waren", "warum", "weil", "welche", "welchem", "welchen", "welcher", "welches", "wenn", "wer",
    "werde", "werden", "wie", "wieder", "wieviel", "wir", "wird", "wo", "wollen", "wurde",
    "wurden", "während", "würde", "würden", "zu", "zum", "zur", "zwar", "zwischen", "über",
    "dafuer", "darueber", "fuer", "koennen", "koennte", "muessen", "ueber", "waehrend", "wuerde",
    "wuerden",
];

/// English.
pub(super) const ENGLISH: &[&str] = &[
    "about", "after", "and", "any", "are", "because", "been", "before", "but", "by", "can",
    "could", "did", "does", "during", "each", "for", "from", "had", "has", "have", "he", "him",
    "his", "how", "if", "into", "is", "it", "its", "many", "most", "my", "not", "of", "off", "or",
    "other", "our", "she", "should", "some", "such", "than", "that", "the", "their", "them",
    "then", "there", "these", "they", "this", "those", "through", "to", "we", "were", "what",
    "when", "where", "which", "while", "who", "whom", "whose", "why", "with", "without", "would",
    "you", "your",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_in_both_lists_or_twice_in_one() {
        let mut all: Vec<&str> = [GERMAN, ENGLISH].concat();
        let n = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), n);
        assert!(all.iter().all(|word| *word == word.to_lowercase()));
    }
}
