//! Texts of this project's own, by which a new index learns about a model what its documents do not
//! tell.

use treffer_types::BoxError;

/// Texts in German and English, a line each: title and text, then title and text.
const PARALLEL: &str = include_str!("../../../../data/parallel/de-en.tsv");

/// The same texts in two languages.
pub(super) struct Parallel {
    pub(super) german: Vec<String>,
    pub(super) english: Vec<String>,
}

impl Parallel {
    pub(super) fn read() -> Result<Self, BoxError> {
        let (mut german, mut english) = (Vec::new(), Vec::new());
        for line in PARALLEL.lines().skip(1) {
            let fields: Vec<&str> = line.split('\t').collect();
            let [title_de, text_de, title_en, text_en] = fields[..] else {
                return Err("data/parallel/de-en.tsv has a line without four fields".into());
            };
            german.push(format!("{title_de} {text_de}"));
            english.push(format!("{title_en} {text_en}"));
        }
        Ok(Parallel { german, english })
    }
}
