//! The documents that a filter holds for.

use std::ops::Bound;

use fixedbitset::FixedBitSet;

use crate::column::{Code, Column, with_codes};
use crate::columns::Columns;
use crate::dictionary::Dictionary;
use crate::error::Error;

use super::bind::{BoundFilter, BoundLeaf, BoundNode, BoundTest};

/// A keyword that no document has, while some have it with other capitals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseHint {
    /// The field.
    pub field: String,
    /// The keyword of the filter.
    pub asked: String,
    /// The first keyword of the documents that differs in capitals only.
    pub there: String,
}

impl BoundFilter {
    /// The documents of `columns` that it holds for. A field that they lack has no values there.
    ///
    /// # Errors
    /// [`Error::FieldType`] if a field has another type there, [`Error::Damaged`] if what is
    /// touched is not as it was written.
    pub fn matches(&self, columns: &Columns) -> Result<FixedBitSet, Error> {
        evaluate(&self.root, columns)
    }

    /// The keywords that were asked for exactly and that `columns` have with other capitals only.
    /// It reads all words of such fields: for when there are no results.
    ///
    /// # Errors
    /// As [`matches`](Self::matches).
    pub fn case_hints(&self, columns: &Columns) -> Result<Vec<CaseHint>, Error> {
        let mut hints = Vec::new();
        collect_hints(&self.root, columns, &mut hints)?;
        Ok(hints)
    }
}

fn evaluate(node: &BoundNode, columns: &Columns) -> Result<FixedBitSet, Error> {
    match node {
        BoundNode::And(parts) => {
            let mut all = FixedBitSet::with_capacity(columns.len());
            all.toggle_range(..);
            for part in parts {
                if all.is_clear() {
                    break;
                }
                match part {
                    BoundNode::Not(inner) => all.difference_with(&evaluate(inner, columns)?),
                    _ => all.intersect_with(&evaluate(part, columns)?),
                }
            }
            Ok(all)
        }
        BoundNode::Or(parts) => {
            let mut any = FixedBitSet::with_capacity(columns.len());
            for part in parts {
                any.union_with(&evaluate(part, columns)?);
            }
            Ok(any)
        }
        BoundNode::Not(inner) => {
            let mut set = evaluate(inner, columns)?;
            set.toggle_range(..);
            Ok(set)
        }
        BoundNode::Leaf(leaf) => match column_of(leaf, columns)? {
            Some(column) => column.with_any_of(leaf),
            None => Ok(FixedBitSet::with_capacity(columns.len())),
        },
    }
}

fn column_of<'c>(leaf: &BoundLeaf, columns: &'c Columns) -> Result<Option<&'c Column>, Error> {
    let Some(column) = columns.column(&leaf.field) else {
        return Ok(None);
    };
    let found = column.header.field_type;
    if found != leaf.field_type {
        return Err(Error::FieldType {
            field: leaf.field.clone(),
            needed: format!("a field of type {}", leaf.field_type),
            found,
        });
    }
    Ok(Some(column))
}

impl Column {
    fn with_any_of(&self, leaf: &BoundLeaf) -> Result<FixedBitSet, Error> {
        let n_docs = self.header.n_docs as usize;
        let mut ranges = Vec::with_capacity(leaf.tests.len());
        if self.header.n_values > 0 {
            for test in &leaf.tests {
                ranges.extend(self.codes_of(test)?);
            }
        }
        let wanted = Wanted::new(ranges, self.header.max_code);
        if matches!(wanted, Wanted::None) {
            return Ok(FixedBitSet::with_capacity(n_docs));
        }
        let starts = self.starts()?;
        let blocks = with_codes!(&self.codes, codes => {
            let codes = codes.slice(0..codes.len())?;
            match starts {
                None => wanted_bits(codes, &wanted.shifted()),
                Some(starts) => several(&wanted_bits(codes, &wanted), starts)
                    .map_err(|doc| self.bad_start(doc))?,
            }
        });
        Ok(FixedBitSet::with_capacity_and_blocks(n_docs, blocks))
    }

    /// The codes for which a test holds, first and last.
    fn codes_of(&self, test: &BoundTest) -> Result<Option<(u64, u64)>, Error> {
        let header = &self.header;
        if let Some(words) = self.words() {
            let places = places_of(test, words)?;
            return Ok((places.0 < places.1).then(|| (places.0 as u64, places.1 as u64 - 1)));
        }
        let (lowest, highest) = match *test {
            BoundTest::Keys(lowest, highest) => (lowest, highest),
            BoundTest::Nothing => return Ok(None),
            _ => return Ok(Some((0, header.max_code))),
        };
        let last = header.base + header.step * header.max_code;
        if highest < header.base || lowest > last {
            return Ok(None);
        }
        let first = lowest.saturating_sub(header.base).div_ceil(header.step);
        let last = (highest.min(last) - header.base) / header.step;
        Ok((first <= last).then_some((first, last)))
    }
}

/// The places of the words for which a test holds: the first, and the one after the last.
fn places_of(test: &BoundTest, words: &Dictionary) -> Result<(usize, usize), Error> {
    match test {
        BoundTest::Any | BoundTest::Keys(..) => Ok((0, words.len())),
        BoundTest::Nothing => Ok((0, 0)),
        BoundTest::Prefix(prefix) => Ok((
            words.partition_point(|word| word < prefix.as_str())?,
            words.partition_point(|word| {
                word < prefix.as_str() || word.starts_with(prefix.as_str())
            })?,
        )),
        BoundTest::Words(lower, upper) => {
            let start = match lower {
                Bound::Unbounded => 0,
                Bound::Included(lower) => words.partition_point(|word| word < lower.as_str())?,
                Bound::Excluded(lower) => words.partition_point(|word| word <= lower.as_str())?,
            };
            let end = match upper {
                Bound::Unbounded => words.len(),
                Bound::Included(upper) => words.partition_point(|word| word <= upper.as_str())?,
                Bound::Excluded(upper) => words.partition_point(|word| word < upper.as_str())?,
            };
            Ok((start, end))
        }
    }
}

/// Codes that are looked for.
enum Wanted {
    None,
    /// First and last.
    Range(u64, u64),
    /// Whether each is, from 0 to the largest.
    Table(Vec<bool>),
    /// Ascending, with gaps between them.
    Ranges(Vec<(u64, u64)>),
}

/// So many codes fit the cache.
const MOST_IN_TABLE: u64 = 1 << 16;

impl Wanted {
    fn new(mut ranges: Vec<(u64, u64)>, max_code: u64) -> Self {
        ranges.sort_unstable();
        let mut joined: Vec<(u64, u64)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match joined.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => {
                    before.1 = before.1.max(last);
                }
                _ => joined.push((first, last)),
            }
        }
        match joined[..] {
            [] => Wanted::None,
            [(first, last)] => Wanted::Range(first, last),
            _ if max_code < MOST_IN_TABLE => {
                let mut table = vec![false; max_code as usize + 1];
                for (first, last) in joined {
                    table[first as usize..=last as usize].fill(true);
                }
                Wanted::Table(table)
            }
            _ => Wanted::Ranges(joined),
        }
    }

    /// As the codes are held where 0 is no value; there the largest is below 2^64 - 1.
    fn shifted(self) -> Self {
        match self {
            Wanted::None => Wanted::None,
            Wanted::Range(first, last) => Wanted::Range(first + 1, last + 1),
            Wanted::Table(mut table) => {
                table.insert(0, false);
                Wanted::Table(table)
            }
            Wanted::Ranges(ranges) => Wanted::Ranges(
                ranges
                    .into_iter()
                    .map(|(first, last)| (first + 1, last + 1))
                    .collect(),
            ),
        }
    }
}

fn is_in(ranges: &[(u64, u64)], code: u64) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= code);
    after > 0 && code <= ranges[after - 1].1
}

const BITS: usize = usize::BITS as usize;

/// A bit for each code that is wanted.
fn wanted_bits<T: Code>(codes: &[T], wanted: &Wanted) -> Vec<usize> {
    match wanted {
        Wanted::None => Vec::new(),
        Wanted::Range(first, last) => {
            // The header says that the largest code fits.
            let (Ok(first), Ok(last)) = (T::try_from(*first), T::try_from(*last)) else {
                return Vec::new();
            };
            bits(codes, |code| (code >= first) & (code <= last))
        }
        Wanted::Table(table) => bits(codes, |code| {
            let code: u64 = code.into();
            table.get(code as usize).is_some_and(|&wanted| wanted)
        }),
        Wanted::Ranges(ranges) => bits(codes, |code| is_in(ranges, code.into())),
    }
}

fn bits<T: Code>(codes: &[T], is_wanted: impl Fn(T) -> bool) -> Vec<usize> {
    codes
        .chunks(BITS)
        .map(|chunk| {
            let mut word = 0;
            for (bit, &code) in chunk.iter().enumerate() {
                word |= usize::from(is_wanted(code)) << bit;
            }
            word
        })
        .collect()
}

/// A bit for each document with a code that is wanted, from a bit for each code. Fails with a
/// document whose codes are out of range.
fn several(wanted_codes: &[usize], starts: &[u32]) -> Result<Vec<usize>, u32> {
    let n_docs = starts.len().saturating_sub(1);
    let mut blocks = vec![0; n_docs.div_ceil(BITS)];
    let mut doc = 0;
    for (block, &word) in wanted_codes.iter().enumerate() {
        let mut rest = word;
        while rest != 0 {
            let place = block * BITS + rest.trailing_zeros() as usize;
            rest &= rest - 1;
            while doc < n_docs && starts[doc + 1] as usize <= place {
                doc += 1;
            }
            if doc == n_docs || (starts[doc] as usize) > place {
                return Err(doc as u32);
            }
            blocks[doc / BITS] |= 1 << (doc % BITS);
        }
    }
    Ok(blocks)
}

fn collect_hints(
    node: &BoundNode,
    columns: &Columns,
    hints: &mut Vec<CaseHint>,
) -> Result<(), Error> {
    match node {
        BoundNode::And(parts) | BoundNode::Or(parts) => {
            for part in parts {
                collect_hints(part, columns, hints)?;
            }
        }
        BoundNode::Not(inner) => collect_hints(inner, columns, hints)?,
        BoundNode::Leaf(leaf) => {
            let Some(words) = column_of(leaf, columns)?.and_then(Column::words) else {
                return Ok(());
            };
            for test in &leaf.tests {
                let BoundTest::Words(Bound::Included(asked), Bound::Included(upper)) = test else {
                    continue;
                };
                let places = places_of(test, words)?;
                if asked != upper || places.0 < places.1 {
                    continue;
                }
                let folded = asked.to_lowercase();
                for place in 0..words.len() {
                    let there = words.get(place)?;
                    if there.to_lowercase() == folded {
                        hints.push(CaseHint {
                            field: leaf.field.clone(),
                            asked: asked.clone(),
                            there: there.to_owned(),
                        });
                        break;
                    }
                }
            }
        }
    }
    Ok(())
}
