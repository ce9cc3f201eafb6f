//! How many documents of a set have each value of a field.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use fixedbitset::FixedBitSet;
use serde::Serialize;

use crate::column::{Code, Column, wide, with_codes};
use crate::columns::Columns;
use crate::error::Error;
use crate::value::Value;

/// A value, and how many documents have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FacetCount {
    /// The value.
    pub value: Value,
    /// Documents of the set that have it; a document counts once for each of its values.
    pub count: u64,
}

/// The values of a field among a set of documents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FacetCounts {
    /// By count, the highest first; of equal counts the lower value first.
    pub values: Vec<FacetCount>,
    /// How many different values there are, also those that are not in `values`.
    pub n_values: usize,
    /// Documents of the set with a value.
    pub n_present: u64,
    /// Documents of the set without one.
    pub n_missing: u64,
}

impl FacetCounts {
    /// The counts of two sets of documents together, such as those of two segments. Exact if
    /// neither was cut to its top.
    #[must_use]
    pub fn merge(self, other: FacetCounts) -> FacetCounts {
        let mut counts: BTreeMap<Value, u64> = BTreeMap::new();
        for FacetCount { value, count } in self.values.into_iter().chain(other.values) {
            *counts.entry(value).or_default() += count;
        }
        let counts = counts.into_iter();
        let mut values: Vec<FacetCount> = counts
            .map(|(value, count)| FacetCount { value, count })
            .collect();
        values.sort_by(order);
        FacetCounts {
            n_values: values.len(),
            values,
            n_present: self.n_present + other.n_present,
            n_missing: self.n_missing + other.n_missing,
        }
    }

    /// Keeps the first `top` values.
    #[must_use]
    pub fn top(mut self, top: usize) -> FacetCounts {
        self.values.truncate(top);
        self
    }
}

fn order(a: &FacetCount, b: &FacetCount) -> Ordering {
    b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value))
}

impl Columns {
    /// Counts the values of `field` among `docs`, a set of all these documents: the `top` most
    /// frequent ones, or all of them, as [`FacetCounts::merge`] needs them. A field that these
    /// columns lack has no values.
    ///
    /// # Errors
    /// [`Error::OtherSet`], or [`Error::Damaged`] if what is touched is not as it was written.
    pub fn facets(
        &self,
        field: &str,
        docs: &FixedBitSet,
        top: Option<usize>,
    ) -> Result<FacetCounts, Error> {
        self.check_set(docs.len())?;
        let n_docs = docs.count_ones(..) as u64;
        let Some(column) = self.column(field) else {
            return Ok(FacetCounts {
                n_missing: n_docs,
                ..FacetCounts::default()
            });
        };
        let (mut counts, n_present) = column.count(docs)?;
        let n_values = counts.len();
        // Codes have the order of their values.
        let order = |a: &(u64, u32), b: &(u64, u32)| b.1.cmp(&a.1).then(a.0.cmp(&b.0));
        if let Some(top) = top
            && top < n_values
        {
            counts.select_nth_unstable_by(top, order);
            counts.truncate(top);
        }
        counts.sort_unstable_by(order);
        let mut values = Vec::with_capacity(counts.len());
        for (code, count) in counts {
            values.push(FacetCount {
                value: column.value(code)?,
                count: u64::from(count),
            });
        }
        Ok(FacetCounts {
            values,
            n_values,
            n_present,
            n_missing: n_docs - n_present,
        })
    }
}

/// So many counters, and no more than a few for each document, are allocated at once.
const MOST_COUNTERS: u64 = 1 << 24;

impl Column {
    /// Codes with how many documents of the set have them, and how many have any.
    fn count(&self, docs: &FixedBitSet) -> Result<(Vec<(u64, u32)>, u64), Error> {
        let header = &self.header;
        if header.n_values == 0 {
            return Ok((Vec::new(), 0));
        }
        let starts = self.starts()?;
        // Where there are few codes, each has a counter; else the codes of the set are sorted.
        let has_counters = header.max_code < MOST_COUNTERS
            && header.max_code <= 4 * u64::from(header.n_docs) + 256;
        with_codes!(&self.codes, codes => {
            let codes = codes.slice(0..codes.len())?;
            if has_counters {
                // One more, for documents without a value, and one for codes that cannot be.
                let n = header.max_code as usize + 1;
                let mut counters = vec![0u32; n + 2];
                let n_present = match starts {
                    None => count_single(codes, docs, &mut counters),
                    Some(starts) => {
                        let count = |doc| self.own(codes, starts, doc);
                        count_several(count, docs, &mut counters)?
                    }
                };
                if counters[n + 1] > 0 {
                    return Err(self.damaged(format!("it holds codes above {}", header.max_code)));
                }
                let counted = counters[1..=n].iter().zip(0u64..);
                let counted = counted.filter(|(count, _)| **count > 0);
                Ok((counted.map(|(&count, code)| (code, count)).collect(), n_present))
            } else {
                let mut found: Vec<u64> = Vec::new();
                let mut n_present = 0;
                for doc in docs.ones() {
                    let before = found.len();
                    match starts {
                        None => {
                            let code = wide(codes[doc]);
                            found.extend(code.checked_sub(1));
                        }
                        Some(starts) => {
                            let own = self.own(codes, starts, doc)?;
                            found.extend(own.iter().map(|&code| wide(code)));
                        }
                    }
                    n_present += u64::from(found.len() > before);
                }
                found.sort_unstable();
                if let Some(&largest) = found.last() {
                    self.checked(largest)?;
                }
                let runs = found.chunk_by(|a, b| a == b);
                Ok((runs.map(|run| (run[0], run.len() as u32)).collect(), n_present))
            }
        })
    }

    /// The codes of a document, in a column where documents have several.
    fn own<'c, T>(&self, codes: &'c [T], starts: &[u32], doc: usize) -> Result<&'c [T], Error> {
        codes
            .get(starts[doc] as usize..starts[doc + 1] as usize)
            .ok_or_else(|| self.bad_start(doc as u32))
    }
}

/// Counts by code plus 1; what is too large goes to the last counter. Returns how many had a
/// value.
fn count_single<T: Code>(codes: &[T], docs: &FixedBitSet, counters: &mut [u32]) -> u64 {
    let last = counters.len() - 1;
    let mut n_docs = 0;
    for doc in docs.ones() {
        let code: u64 = codes[doc].into();
        counters[last.min(code as usize)] += 1;
        n_docs += 1;
    }
    n_docs - u64::from(counters[0])
}

fn count_several<'c, T: Code>(
    own: impl Fn(usize) -> Result<&'c [T], Error>,
    docs: &FixedBitSet,
    counters: &mut [u32],
) -> Result<u64, Error> {
    let last = counters.len() - 1;
    let mut n_present = 0;
    for doc in docs.ones() {
        let own = own(doc)?;
        for &code in own {
            let code: u64 = code.into();
            counters[last.min((code as usize).saturating_add(1))] += 1;
        }
        n_present += u64::from(!own.is_empty());
    }
    Ok(n_present)
}
