//! Texts that wait to be encoded, and what can be wrong with encoding them.

use std::ops::AddAssign;

use treffer_types::BoxError;

use crate::error::Error;

/// Passages encoded between two reports of progress.
pub(super) const ENCODED_AT_ONCE: usize = 64;

/// What exceeded a model's maximal length.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cut {
    pub(super) passages: u32,
    pub(super) tokens: u64,
}

impl Cut {
    pub(super) fn add(&mut self, tokens_cut: u32) {
        self.passages += u32::from(tokens_cut > 0);
        self.tokens += u64::from(tokens_cut);
    }
}

impl AddAssign for Cut {
    fn add_assign(&mut self, other: Self) {
        self.passages += other.passages;
        self.tokens += other.tokens;
    }
}

/// Texts that wait to be encoded.
#[derive(Default)]
pub(super) struct Texts {
    texts: Vec<String>,
}

/// One of the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TextNumber(usize);

impl Texts {
    pub(super) fn add(&mut self, text: String) -> TextNumber {
        self.texts.push(text);
        TextNumber(self.texts.len() - 1)
    }

    pub(super) fn of(&self, numbers: &[TextNumber]) -> Vec<&str> {
        numbers.iter().map(|n| self.texts[n.0].as_str()).collect()
    }
}

pub(super) fn run_error(name: &str, source: BoxError) -> Error {
    Error::Model {
        action: "run",
        name: name.to_owned(),
        source,
    }
}

/// What a model makes of texts, one embedding for each; it is not run without any.
pub(super) fn embed_all<T>(
    name: &str,
    texts: &[&str],
    embed: impl FnOnce(&[&str]) -> Result<Vec<T>, BoxError>,
) -> Result<Vec<T>, Error> {
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    let embeddings = embed(texts).map_err(|source| run_error(name, source))?;
    check_number(name, texts.len(), embeddings.len())?;
    Ok(embeddings)
}

/// A model of another program may give fewer vectors than it was given texts.
pub(super) fn check_number(name: &str, expected: usize, found: usize) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    let what = format!("it returned the vectors of {found} texts for {expected}");
    Err(run_error(name, what.into()))
}
