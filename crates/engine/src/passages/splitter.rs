//! From a document to its passages.
//!
//! A document that fits stays whole. A longer one is cut before its headings, of which small
//! sections that follow one another are kept together, and within a section into pieces of about
//! the same size: before a paragraph, else a line, a sentence, a word, and only in a text without
//! any of them between two tokens. Each piece repeats the last sentences of the one before it,
//! within the overlap, and is read under the title and the headings above it.
//!
//! `text-splitter` and its like cut Markdown or plain text by the number of tokens. They know
//! neither the headings of a document that was converted before nor what is read above a piece,
//! and count the tokens of each piece anew.

use treffer_types::{BoxError, Document, Passage};

use super::breaks::Breaks;
use super::{Counter, Resolved};

/// What comes before a piece has at most this part of a passage.
const CONTEXT: usize = 3;
/// A section with fewer tokens than this part of a passage is kept together with its neighbor.
const SMALL: usize = 4;
/// Between the titles and headings of a context.
const JOINT: &str = " > ";

/// Splits documents.
pub(crate) struct Splitter {
    counter: Counter,
    /// Most tokens of a passage.
    tokens: usize,
    /// Most tokens of it that the one before has too.
    overlap: usize,
}

/// The passages of a document.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Split {
    /// In their order; none if the document is one passage.
    pub(crate) passages: Vec<Passage>,
    /// Tokens of a title that is too long to be read before every passage.
    pub(crate) tokens_cut: usize,
}

impl Splitter {
    /// Splits into passages of the tokens that `counter` counts.
    pub(crate) fn new(counter: Counter, resolved: Resolved) -> Self {
        let Resolved { tokens, overlap } = resolved;
        Splitter {
            counter,
            tokens,
            overlap,
        }
    }

    /// The passages of a document.
    pub(crate) fn split(&self, document: &Document) -> Result<Split, BoxError> {
        if self.counter.count(&document.full_text())? <= self.tokens
            || document.text.trim().is_empty()
        {
            return Ok(Split::default());
        }
        let mut contexts = Contexts::new(self, document)?;
        let text = Text {
            text: &document.text,
            ends: self.counter.token_ends(&document.text)?,
            breaks: Breaks::of(&document.text),
        };
        let mut passages = Vec::new();
        let sections = sections(document);
        let mut next = 0;
        while let Some(first) = sections.get(next) {
            contexts.enter(first)?;
            let room = self.tokens - contexts.above.tokens;
            let mut end = first.end;
            next += 1;
            while let Some(section) = sections.get(next) {
                let (group, more) = (text.tokens(first.start, end), text.tokens(end, section.end));
                let is_small = |tokens: usize| tokens * SMALL < room;
                if group + more > room || !(is_small(group) || is_small(more)) {
                    break;
                }
                contexts.pass(section);
                end = section.end;
                next += 1;
            }
            self.split_section(&text, first.start, end, &contexts, &mut passages)?;
        }
        Ok(Split {
            passages,
            tokens_cut: contexts.title_cut,
        })
    }

    /// Cuts the text from `start` to `end` into passages of about the same size.
    fn split_section(
        &self,
        text: &Text<'_>,
        mut start: u32,
        end: u32,
        contexts: &Contexts<'_>,
        passages: &mut Vec<Passage>,
    ) -> Result<(), BoxError> {
        let mut context = &contexts.above;
        loop {
            let room = self.tokens - context.tokens;
            let rest = text.tokens(start, end);
            if rest <= room {
                return self.push(text, start, end, context, passages);
            }
            let target = rest.div_ceil(rest.div_ceil(room));
            let cut = text.cut(start, room / 2, target, room);
            self.push(text, start, cut, context, passages)?;
            start = text.overlapping(start, cut, self.overlap);
            context = &contexts.within;
        }
    }

    /// Adds the passage from `start` to `end`, without white space around it. If it has more
    /// tokens alone than within the text, it is cut in two.
    fn push(
        &self,
        text: &Text<'_>,
        start: u32,
        end: u32,
        context: &Context,
        passages: &mut Vec<Passage>,
    ) -> Result<(), BoxError> {
        let piece = &text.text[start as usize..end as usize];
        let left = piece.len() - piece.trim_start().len();
        let piece = piece.trim();
        let start = start + left as u32;
        let end = start + piece.len() as u32;
        // A half of a passage may be what the one before it has too.
        if piece.is_empty() || passages.last().is_some_and(|last| end <= last.end) {
            return Ok(());
        }
        let passage = Passage {
            context: context.text.clone(),
            start,
            end,
        };
        let fits = self.counter.count(&passage.full_text(text.text))? <= self.tokens;
        let middle = text.middle(start, end);
        if fits || middle == start {
            passages.push(passage);
            return Ok(());
        }
        self.push(text, start, middle, context, passages)?;
        self.push(text, middle, end, context, passages)
    }
}

/// The text of a document, with what is needed to cut it.
struct Text<'a> {
    text: &'a str,
    /// Where each token ends.
    ends: Vec<u32>,
    breaks: Breaks,
}

impl Text<'_> {
    /// How many tokens end before `place` or there.
    fn before(&self, place: u32) -> usize {
        self.ends.partition_point(|end| *end <= place)
    }

    fn tokens(&self, start: u32, end: u32) -> usize {
        self.before(end) - self.before(start)
    }

    /// Where token `number` ends, or the text.
    fn end_of(&self, number: usize) -> u32 {
        let end = self.ends.get(number).copied();
        end.unwrap_or(self.text.len() as u32)
    }

    /// Where a passage from `start` ends that has at least `low` tokens, at most `high`, and best
    /// `target`. There are more than `high`.
    fn cut(&self, start: u32, low: usize, target: usize, high: usize) -> u32 {
        let first = self.before(start);
        let place = |tokens: usize| match tokens {
            0 => start,
            tokens => self.end_of(first + tokens - 1),
        };
        // What begins before the end of the first token that is too many does not hold it.
        let beyond = self.end_of(first + high);
        let nearest = self
            .breaks
            .nearest(place(low).max(start + 1), place(target), beyond);
        nearest.unwrap_or_else(|| self.character_from(start, place(high)))
    }

    /// Where the passage after one from `start` to `end` begins: up to `overlap` tokens before
    /// its end, where a sentence or a word does.
    fn overlapping(&self, start: u32, end: u32, overlap: usize) -> u32 {
        let last = self.before(end);
        let low = match last.checked_sub(overlap + 1) {
            Some(token) => self.end_of(token),
            None => 0,
        };
        let first = self.breaks.first(low.max(start + 1), end);
        first.filter(|_| overlap > 0).unwrap_or(end)
    }

    /// Where to cut from `start` to `end` in two; `start` if it is one character.
    fn middle(&self, start: u32, end: u32) -> u32 {
        let half = start + (end - start) / 2;
        let nearest = self.breaks.nearest(start + 1, half, end);
        let cut = nearest.unwrap_or_else(|| self.character_from(start, half));
        if cut < end { cut } else { start }
    }

    /// The boundary of a character at `place` or before it, but after `start`.
    fn character_from(&self, start: u32, place: u32) -> u32 {
        let mut at = place as usize;
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        if at > start as usize {
            return at as u32;
        }
        let first = self.text[start as usize..].chars().next();
        start + first.map_or(0, char::len_utf8) as u32
    }
}

/// The text from one heading to the next.
struct Section<'a> {
    start: u32,
    end: u32,
    /// Level and words of its heading; what comes before the first heading has none.
    heading: Option<(u8, &'a str)>,
}

/// The sections of a document. Headings that lie elsewhere than at the start of a character are
/// passed over.
fn sections(document: &Document) -> Vec<Section<'_>> {
    let text = document.text.as_str();
    let mut sections = vec![Section {
        start: 0,
        end: text.len() as u32,
        heading: None,
    }];
    for heading in &document.headings {
        let Some(rest) = text.get(heading.at as usize..) else {
            continue;
        };
        let words = rest.lines().next().unwrap_or_default().trim();
        let Some(last) = sections.last_mut().filter(|last| last.start <= heading.at) else {
            continue;
        };
        last.end = heading.at;
        sections.push(Section {
            start: heading.at,
            end: text.len() as u32,
            heading: Some((heading.level, words)),
        });
    }
    sections.retain(|section| section.start < section.end);
    sections
}

/// What is read before a piece.
#[derive(Default)]
struct Context {
    text: String,
    tokens: usize,
}

/// The contexts of the section that is being cut.
struct Contexts<'a> {
    splitter: &'a Splitter,
    title: String,
    /// Tokens of the title that were cut.
    title_cut: usize,
    /// The headings above the current place, by level.
    path: Vec<(u8, &'a str)>,
    /// Of the passage that begins with the section's heading.
    above: Context,
    /// Of the passages after it.
    within: Context,
}

impl<'a> Contexts<'a> {
    fn new(splitter: &'a Splitter, document: &'a Document) -> Result<Self, BoxError> {
        let title = document.title.trim();
        let ends = splitter.counter.token_ends(title)?;
        let most = splitter.tokens / CONTEXT;
        let (kept, title_cut) = match ends.get(most) {
            None => (title, 0),
            // The words before the first token that is too many.
            Some(_) => {
                let last = most.checked_sub(1).and_then(|last| ends.get(last));
                let room = last.map_or(0, |end| *end as usize);
                let kept = title.get(..room).unwrap_or_default();
                let words = kept.rfind(char::is_whitespace).map(|at| &kept[..at]);
                (words.unwrap_or(kept), ends.len() - most)
            }
        };
        Ok(Contexts {
            splitter,
            title: kept.to_owned(),
            title_cut,
            path: Vec::new(),
            above: Context::default(),
            within: Context::default(),
        })
    }

    /// Makes the contexts of a section.
    fn enter(&mut self, section: &Section<'a>) -> Result<(), BoxError> {
        self.leave(section);
        self.above = self.context()?;
        self.pass(section);
        self.within = self.context()?;
        Ok(())
    }

    /// Goes on into a section without making its contexts.
    fn pass(&mut self, section: &Section<'a>) {
        self.leave(section);
        self.path.extend(section.heading);
    }

    /// Leaves the sections that end where this one begins.
    fn leave(&mut self, section: &Section<'a>) {
        if let Some((level, _)) = section.heading {
            self.path.retain(|(above, _)| *above < level);
        }
    }

    /// Title and headings, the innermost of them alone, or the title alone: as much as there is
    /// room for.
    fn context(&self) -> Result<Context, BoxError> {
        let headings: Vec<&str> = self.path.iter().map(|(_, heading)| *heading).collect();
        let shorter = [
            &headings[..],
            &headings[headings.len().saturating_sub(1)..],
            &[],
        ];
        for headings in shorter {
            let parts = [self.title.as_str()].into_iter();
            let parts: Vec<&str> = (parts.chain(headings.iter().copied()))
                .filter(|part| !part.is_empty())
                .collect();
            let text = parts.join(JOINT);
            let tokens = self.splitter.counter.count(&text)?;
            if tokens <= self.splitter.tokens / CONTEXT {
                return Ok(Context { text, tokens });
            }
        }
        Ok(Context::default())
    }
}
