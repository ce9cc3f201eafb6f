//! The values of one field while they are collected, and how they become a column.

use std::collections::HashMap;

use treffer_disk::FileWriter;

use crate::error::Error;
use crate::format::{Header, pad};
use crate::key::key;
use crate::value::{FieldType, Value};

/// Collects the values of a field, document by document.
pub(crate) struct Collector {
    field_type: FieldType,
    /// Each word with its number, in order of arrival.
    words: HashMap<String, u32>,
    /// Keys, or numbers of words: those of each document ascending, each once.
    values: Vec<u64>,
    /// Where each document's values end.
    ends: Vec<u32>,
}

impl Collector {
    pub(crate) fn new(field_type: FieldType) -> Self {
        Collector {
            field_type,
            words: HashMap::new(),
            values: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// Adds a value of the field's type to the document that comes next. Returns the number of a
    /// word.
    pub(crate) fn add(&mut self, value: &Value) -> Option<u32> {
        debug_assert_eq!(value.field_type(), self.field_type);
        if let Value::Keyword(word) = value {
            let id = match self.words.get(word) {
                Some(&id) => id,
                None => {
                    let id = self.words.len() as u32;
                    self.words.insert(word.clone(), id);
                    id
                }
            };
            self.add_id(id);
            return Some(id);
        }
        self.values.extend(key(value));
        None
    }

    /// Adds a word again.
    pub(crate) fn add_id(&mut self, id: u32) {
        self.values.push(u64::from(id));
    }

    /// Ends a document. Returns whether its values could still be counted.
    pub(crate) fn end_document(&mut self) -> bool {
        let start = self.ends.last().map_or(0, |&end| end as usize);
        if self.values.len() > start + 1 {
            let own = &mut self.values[start..];
            own.sort_unstable();
            let n = move_different_first(own);
            self.values.truncate(start + n);
        }
        match u32::try_from(self.values.len()) {
            Ok(end) => self.ends.push(end),
            Err(_) => return false,
        }
        true
    }

    /// Writes the column.
    pub(crate) fn write(mut self, out: &mut FileWriter) -> Result<(), Error> {
        let words = self.sort_words();
        let is_keyword = self.field_type == FieldType::Keyword;
        let (min, max) = match (self.values.iter().min(), self.values.iter().max()) {
            (Some(&min), Some(&max)) if !is_keyword => (min, max),
            (Some(_), Some(&max)) => (0, max),
            _ => (0, 0),
        };
        let step = if is_keyword || max == min {
            1
        } else {
            self.values
                .iter()
                .fold(max - min, |step, value| match step {
                    1 => 1,
                    _ => greatest_common_divisor(step, value - min),
                })
        };
        let max_code = (max - min) / step;
        let mut start = 0;
        let (mut n_present, mut most) = (0, 0);
        for &end in &self.ends {
            n_present += u32::from(end > start);
            most = most.max(end - start);
            start = end;
        }
        let is_single = most <= 1 && max_code < u64::MAX;
        let largest = max_code + u64::from(is_single);
        let header = Header {
            field_type: self.field_type,
            is_single,
            width: match largest {
                0..=0xff => 1,
                0x100..=0xffff => 2,
                0x1_0000..=0xffff_ffff => 4,
                _ => 8,
            },
            n_docs: self.ends.len() as u32,
            n_values: self.values.len() as u32,
            n_present,
            n_terms: words.len() as u32,
            base: min,
            step,
            max_code,
            term_bytes: words.iter().map(|word| word.len() as u64).sum(),
        };
        header.write(out)?;
        let mut push = |code: u64| out.push(&code.to_le_bytes()[..usize::from(header.width)]);
        if is_single {
            let mut start = 0;
            for &end in &self.ends {
                let value = (end > start).then(|| self.values[start as usize]);
                push(value.map_or(0, |value| (value - min) / step + 1))?;
                start = end;
            }
        } else {
            for value in &self.values {
                push((value - min) / step)?;
            }
        }
        pad(out)?;
        if !is_single {
            for start in std::iter::once(&0).chain(&self.ends) {
                out.push(&start.to_le_bytes())?;
            }
            pad(out)?;
        }
        let mut end = 0u64;
        for word in &words {
            end += word.len() as u64;
            out.push(&end.to_le_bytes())?;
        }
        for word in &words {
            out.push(word.as_bytes())?;
        }
        Ok(())
    }

    /// Takes the words in their order, and gives each its place as its number. Every word has a
    /// document, as words are added with them.
    fn sort_words(&mut self) -> Vec<String> {
        let mut words: Vec<(String, u32)> = std::mem::take(&mut self.words).into_iter().collect();
        if self.field_type != FieldType::Keyword {
            return Vec::new();
        }
        words.sort_unstable();
        let mut places = vec![0; words.len()];
        for ((_, id), place) in words.iter().zip(0u64..) {
            places[*id as usize] = place;
        }
        for value in &mut self.values {
            *value = places[*value as usize];
        }
        let mut start = 0;
        for &end in &self.ends {
            self.values[start..end as usize].sort_unstable();
            start = end as usize;
        }
        words.into_iter().map(|(word, _)| word).collect()
    }
}

/// Moves the different ones of sorted values to the front; returns how many there are.
fn move_different_first(sorted: &mut [u64]) -> usize {
    let mut n = 1;
    for at in 1..sorted.len() {
        if sorted[at] != sorted[n - 1] {
            sorted[n] = sorted[at];
            n += 1;
        }
    }
    n
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
