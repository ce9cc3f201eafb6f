//! Where a text may be broken: before paragraphs, lines, sentences and words.

use unicode_segmentation::UnicodeSegmentation;

/// The places in a text where something begins, in bytes, ascending. What is listed as one kind
/// is not listed as a lesser one.
pub(super) struct Breaks {
    /// After an empty line.
    paragraphs: Vec<u32>,
    /// After the end of a line.
    lines: Vec<u32>,
    /// Sentences, by the rules of Unicode Standard Annex 29.
    sentences: Vec<u32>,
    /// Words, after white space.
    words: Vec<u32>,
}

impl Breaks {
    pub(super) fn of(text: &str) -> Self {
        let mut breaks = Breaks {
            paragraphs: Vec::new(),
            lines: Vec::new(),
            sentences: Vec::new(),
            words: Vec::new(),
        };
        let sentences = text.split_sentence_bound_indices().map(|(at, _)| at);
        let mut sentences = sentences.peekable();
        let (mut n_newlines, mut is_space) = (0, false);
        for (at, character) in text.char_indices() {
            if character.is_whitespace() {
                n_newlines += usize::from(character == '\n');
                is_space = true;
                continue;
            }
            // A sentence may begin in the white space before its first letter.
            let mut begins = false;
            while sentences.next_if(|sentence| *sentence <= at).is_some() {
                begins = true;
            }
            let place = at as u32;
            match n_newlines {
                0 if begins => breaks.sentences.push(place),
                0 if is_space => breaks.words.push(place),
                0 => {}
                1 => breaks.lines.push(place),
                _ => breaks.paragraphs.push(place),
            }
            (n_newlines, is_space) = (0, false);
        }
        breaks
    }

    /// The place nearest to `target` within `low..high`, of the best kind that there is.
    pub(super) fn nearest(&self, low: u32, target: u32, high: u32) -> Option<u32> {
        let kinds = [&self.paragraphs, &self.lines, &self.sentences, &self.words];
        kinds.into_iter().find_map(|places| {
            let within = within(places, low, high);
            within.iter().copied().min_by_key(|at| at.abs_diff(target))
        })
    }

    /// The first place within `low..high` where a sentence begins, or else a word.
    pub(super) fn first(&self, low: u32, high: u32) -> Option<u32> {
        let sentences = [&self.paragraphs, &self.lines, &self.sentences];
        let first = |places: &Vec<u32>| within(places, low, high).first().copied();
        let sentence = sentences.into_iter().filter_map(first).min();
        sentence.or_else(|| first(&self.words))
    }
}

fn within(places: &[u32], low: u32, high: u32) -> &[u32] {
    let start = places.partition_point(|at| *at < low);
    let end = places.partition_point(|at| *at < high).max(start);
    &places[start..end]
}
