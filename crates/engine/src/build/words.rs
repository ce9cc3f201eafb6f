//! The words that compounds may be cut into besides those of the index.

use treffer_bm25::{Bm25Config, TextAnalysis};
use treffer_corpus::{Problem, Reason, Stop, read_words};

use crate::error::{Error, part};

/// Reads the list that the configuration names, if it does: its words as terms. Bad lines are
/// passed to `on_problem` and skipped.
///
/// # Errors
/// If the configuration is not valid, or the list cannot be read.
pub fn read_pieces(
    config: &Bm25Config,
    stop: &Stop,
    on_problem: &mut dyn FnMut(Problem),
) -> Result<Vec<String>, Error> {
    let Some(path) = &config.words else {
        return Ok(Vec::new());
    };
    let analysis = TextAnalysis::new(config).map_err(part("read", "list of words", path))?;
    let mut terms = Vec::new();
    let mut accept = |word: &str| {
        let term = analysis.piece(word);
        let term = term.map_err(|why| Reason::NotAWord { why: why.into() })?;
        terms.push(term);
        Ok(())
    };
    read_words(path, stop, &mut accept, on_problem).map_err(Error::Corpus)?;
    terms.sort_unstable();
    terms.dedup();
    Ok(terms)
}
