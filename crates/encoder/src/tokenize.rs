//! Tokenizes text into the sequences that a model reads, with special tokens, segments and
//! truncation.

use std::path::Path;

use tokenizers::{Encoding, Tokenizer};
use treffer_types::BoxError;

use crate::error::Error;
use crate::guard::guard;
use crate::precheck;

/// One input sequence of a model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sequence {
    /// Token ids, special tokens included; never empty.
    pub(crate) ids: Vec<u32>,
    /// The segment of each token: 0, or 1 for the second text of a pair.
    pub(crate) segments: Vec<u32>,
    /// Number of tokens of the text, or of a pair's second text, that were cut.
    pub(crate) tokens_cut: u32,
    /// Number of tokens at the beginning that are left out of the pooling.
    pub(crate) not_pooled: usize,
    /// Number of tokens at the end that no token attends to.
    pub(crate) unattended: usize,
}

impl Sequence {
    /// Number of tokens that all attend to, at the beginning.
    pub(crate) fn attended(&self) -> usize {
        self.ids.len() - self.unattended
    }
}

/// A tokenizer that truncates by its own rules and does not pad.
///
/// Long texts are tokenized completely, so that the number of tokens cut is exact. Special
/// tokens that are written in a text are treated as such, as in Transformers.
pub(crate) struct TextReader {
    tokenizer: Tokenizer,
    single: Template,
    pair: Template,
    limits: Limits,
}

/// What a model allows of the texts that it reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Number of word pieces.
    pub(crate) vocab_size: usize,
    /// Maximal number of tokens of a sequence.
    pub(crate) max_length: usize,
    /// Whether texts are lowered first.
    pub(crate) lower_case: bool,
}

impl TextReader {
    /// Parses the content of the `tokenizer.json` at `path`.
    pub(crate) fn parse(path: &Path, bytes: &[u8], limits: Limits) -> Result<Self, Error> {
        let unusable = |source: BoxError| Error::Tokenizer {
            path: path.to_owned(),
            source,
        };
        precheck::check(bytes).map_err(unusable)?;
        let read = || {
            let mut tokenizer = Tokenizer::from_bytes(bytes)?;
            // Many files contain settings of padding and truncation from training.
            tokenizer.with_padding(None);
            tokenizer.with_truncation(None)?;
            let single = Template::probe(&tokenizer, false)?;
            let pair = Template::probe(&tokenizer, true)?;
            Ok((tokenizer, single, pair))
        };
        let (tokenizer, single, pair) = guard(read).map_err(unusable)?;
        for template in [&single, &pair] {
            template.check(limits.vocab_size).map_err(unusable)?;
        }
        if single.specials() == 0 {
            let reason = "its post_processor adds no special token, so that nothing is left of a \
                          text without words; save it with the model's template";
            return Err(unusable(reason.into()));
        }
        let specials = pair.specials().max(single.specials());
        if limits.max_length < specials + 2 {
            return Err(Error::Config {
                path: path.to_owned(),
                key: "max_length",
                reason: format!(
                    "is {}, too short for a pair and its {specials} special tokens",
                    limits.max_length
                ),
            });
        }
        Ok(TextReader {
            tokenizer,
            single,
            pair,
            limits,
        })
    }

    /// The token ids of `text`, without special tokens or truncation.
    pub(crate) fn tokens(&self, text: &str) -> Result<Vec<u32>, BoxError> {
        if self.limits.lower_case {
            self.tokens_of(&text.to_lowercase())
        } else {
            self.tokens_of(text)
        }
    }

    fn tokens_of(&self, text: &str) -> Result<Vec<u32>, BoxError> {
        let encoding = guard(|| self.tokenizer.encode_fast(text, false))?;
        let ids = encoding.get_ids().to_vec();
        let most = self.limits.vocab_size;
        match ids.iter().find(|&&id| id as usize >= most) {
            None => Ok(ids),
            Some(id) => Err(beyond_vocabulary(*id, most)),
        }
    }

    /// Where each token of `text` begins and ends, in bytes, without special tokens or truncation.
    pub(crate) fn token_places(&self, text: &str) -> Result<Vec<(usize, usize)>, BoxError> {
        let lowered: String;
        let (read, origins) = if self.limits.lower_case {
            let (text, origins) = lowered_with_origins(text);
            lowered = text;
            (lowered.as_str(), Some(origins))
        } else {
            (text, None)
        };
        let encoding = guard(|| self.tokenizer.encode(read, false))?;
        let original = |at: usize| match &origins {
            None => at.min(text.len()),
            Some(origins) => origins
                .get(at)
                .map_or(text.len(), |at| (*at).min(text.len())),
        };
        let offsets = encoding.get_offsets().iter();
        let places = offsets.map(|&(start, end)| (original(start), original(end)));
        Ok(places.collect())
    }

    /// Where each token of `text` ends, in bytes, without special tokens or truncation.
    pub(crate) fn token_ends(&self, text: &str) -> Result<Vec<u32>, BoxError> {
        let mut last = 0;
        let ends = self.token_places(text)?.into_iter().map(|(_, end)| {
            // The pieces of one character all end with it.
            last = last.max(end);
            u32::try_from(last).unwrap_or(u32::MAX)
        });
        Ok(ends.collect())
    }

    /// For each token of what [`marked`](Self::marked) makes of a text of which it keeps as many
    /// tokens, which of these it is; `None` for special tokens and the marker.
    pub(crate) fn origins(&self, kept: usize, has_marker: bool) -> Vec<Option<usize>> {
        let mut origins = Vec::with_capacity(kept + self.specials() + 1);
        for slot in &self.single.0 {
            match slot {
                Slot::Special { .. } => origins.push(None),
                Slot::First { .. } | Slot::Second { .. } => origins.extend((0..kept).map(Some)),
            }
        }
        if has_marker {
            origins.insert(origins.len().min(1), None);
        }
        origins
    }

    /// How the vocabulary writes a token.
    pub(crate) fn name_of(&self, id: u32) -> String {
        let name = self.tokenizer.id_to_token(id);
        name.unwrap_or_else(|| format!("token {id}"))
    }

    /// Number of tokens that a query and a passage may have together, next to special tokens.
    pub(crate) fn pair_room(&self) -> usize {
        self.limits.max_length - self.pair.specials()
    }

    /// Number of special tokens behind a single text.
    pub(crate) fn specials_behind(&self) -> usize {
        let is_special = |slot: &&Slot| matches!(slot, Slot::Special { .. });
        self.single.0.iter().rev().take_while(is_special).count()
    }

    /// Number of tokens at the beginning of the sequence of any text with this prefix: special
    /// tokens, and the prefix.
    pub(crate) fn prefix_length(&self, prefix: &str) -> Result<usize, BoxError> {
        let first = |slot: &Slot| matches!(slot, Slot::First { .. });
        let before = self.single.0.iter().position(first).unwrap_or(0);
        // Sentence Transformers trims it when it counts.
        Ok(before + self.tokens(prefix.trim())?.len())
    }

    /// Number of tokens that a text may have without being cut, next to special tokens.
    pub(crate) fn room(&self) -> usize {
        self.limits.max_length - self.single.specials()
    }

    /// The sequence of one text, truncated at its end.
    pub(crate) fn single(&self, text: &str) -> Result<Sequence, BoxError> {
        let tokens = self.tokens(text)?;
        let kept = tokens.len().min(self.room());
        let mut sequence = self.single.fill(&tokens[..kept], &[]);
        sequence.tokens_cut = count(tokens.len() - kept);
        Ok(sequence)
    }

    /// The sequence of one text, of at most `most` tokens, with a marker after its first token.
    pub(crate) fn marked(
        &self,
        text: &str,
        marker: Option<u32>,
        most: usize,
    ) -> Result<Sequence, BoxError> {
        let tokens = self.tokens(text)?;
        let others = self.single.specials() + usize::from(marker.is_some());
        let kept = tokens.len().min(most.saturating_sub(others));
        let mut sequence = self.single.fill(&tokens[..kept], &[]);
        sequence.tokens_cut = count(tokens.len() - kept);
        if let Some(marker) = marker {
            let at = sequence.ids.len().min(1);
            sequence.ids.insert(at, marker);
            sequence.segments.insert(at, 0);
        }
        Ok(sequence)
    }

    /// The number of special tokens of one text.
    pub(crate) fn specials(&self) -> usize {
        self.single.specials()
    }

    /// The id of a token, if there is one that the model knows.
    pub(crate) fn id_of(&self, token: &str) -> Option<u32> {
        let id = self.tokenizer.token_to_id(token)?;
        ((id as usize) < self.limits.vocab_size).then_some(id)
    }

    /// The sequence of a query, which is tokenized once for many passages, and a passage.
    ///
    /// The passage is truncated. A query that would leave no room for it is cut to half of
    /// the room, so that a part of the passage is always read.
    pub(crate) fn pair(&self, query: &[u32], passage: &str) -> Result<Sequence, BoxError> {
        let passage = self.tokens(passage)?;
        let room = self.limits.max_length - self.pair.specials();
        let query = if query.len() >= room && query.len() + passage.len() > room {
            &query[..room / 2]
        } else {
            query
        };
        let kept = passage.len().min(room - query.len());
        let mut sequence = self.pair.fill(query, &passage[..kept]);
        sequence.tokens_cut = count(passage.len() - kept);
        Ok(sequence)
    }
}

/// `text` as [`str::to_lowercase`] has it, character by character, and for each byte of it and for
/// its end where in `text` the character ends that it comes from.
fn lowered_with_origins(text: &str) -> (String, Vec<usize>) {
    let (mut lowered, mut origins) = (String::with_capacity(text.len()), vec![0]);
    for (at, character) in text.char_indices() {
        lowered.extend(character.to_lowercase());
        origins.resize(lowered.len() + 1, at + character.len_utf8());
    }
    (lowered, origins)
}

fn count(tokens: usize) -> u32 {
    u32::try_from(tokens).unwrap_or(u32::MAX)
}

/// The positions of the special tokens, such as `[CLS] a [SEP] b [SEP]` or
/// `<s> a </s></s> b </s>`, determined by running the tokenizer's post-processor.
struct Template(Vec<Slot>);

enum Slot {
    Special { id: u32, segment: u32 },
    First { segment: u32 },
    Second { segment: u32 },
}

// Placeholder ids, larger than any vocabulary.
const FIRST: u32 = u32::MAX;
const SECOND: u32 = u32::MAX - 1;

impl Template {
    /// Runs the post-processor on one placeholder token per text and finds their positions.
    fn probe(tokenizer: &Tokenizer, pair: bool) -> Result<Self, BoxError> {
        let second = pair.then(|| one_token(SECOND));
        let probed = tokenizer.post_process(one_token(FIRST), second, true)?;
        let slots: Vec<Slot> = probed
            .get_ids()
            .iter()
            .zip(probed.get_type_ids())
            .map(|(&id, &segment)| match id {
                FIRST => Slot::First { segment },
                SECOND => Slot::Second { segment },
                _ => Slot::Special { id, segment },
            })
            .collect();
        let texts = slots.len() - Template::count_specials(&slots);
        if texts != 1 + usize::from(pair) {
            return Err("its post-processor drops or repeats a text".into());
        }
        Ok(Template(slots))
    }

    /// Refuses special tokens that a model of `vocab_size` word pieces does not know.
    fn check(&self, vocab_size: usize) -> Result<(), BoxError> {
        let beyond = self.0.iter().find_map(|slot| match *slot {
            Slot::Special { id, .. } if id as usize >= vocab_size => Some(id),
            _ => None,
        });
        beyond.map_or(Ok(()), |id| Err(beyond_vocabulary(id, vocab_size)))
    }

    fn specials(&self) -> usize {
        Template::count_specials(&self.0)
    }

    fn count_specials(slots: &[Slot]) -> usize {
        let special = |slot: &&Slot| matches!(slot, Slot::Special { .. });
        slots.iter().filter(special).count()
    }

    fn fill(&self, first: &[u32], second: &[u32]) -> Sequence {
        let mut ids = Vec::with_capacity(self.0.len() + first.len() + second.len());
        let mut segments = Vec::with_capacity(ids.capacity());
        for slot in &self.0 {
            let segment = match *slot {
                Slot::Special { id, segment } => {
                    ids.push(id);
                    segment
                }
                Slot::First { segment } => {
                    ids.extend_from_slice(first);
                    segment
                }
                Slot::Second { segment } => {
                    ids.extend_from_slice(second);
                    segment
                }
            };
            segments.resize(ids.len(), segment);
        }
        Sequence {
            ids,
            segments,
            tokens_cut: 0,
            not_pooled: 0,
            unattended: 0,
        }
    }
}

fn beyond_vocabulary(id: u32, vocab_size: usize) -> BoxError {
    format!(
        "tokenizer.json has a token with id {id}, but the vocabulary of config.json has only {vocab_size} tokens"
    )
    .into()
}

fn one_token(id: u32) -> Encoding {
    Encoding::new(
        vec![id],
        vec![0],
        vec!["a".to_owned()],
        vec![Some(0)],
        vec![(0, 1)],
        vec![0],
        vec![1],
        Vec::new(),
        Default::default(),
    )
}
