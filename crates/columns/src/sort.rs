//! The order of documents by a field.

use std::cmp::Ordering;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use fixedbitset::FixedBitSet;
use treffer_types::DocId;

use crate::column::{wide, with_codes};
use crate::columns::Columns;
use crate::error::Error;
use crate::value::Value;

/// By which field documents are sorted, and in which direction: `price`, or `-price` for the
/// highest first. Documents without a value are last in either direction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SortBy {
    /// The field.
    pub field: String,
    /// Whether the highest value is first.
    pub descending: bool,
}

impl FromStr for SortBy {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let field = text.strip_prefix('-');
        Ok(SortBy {
            descending: field.is_some(),
            field: field.unwrap_or(text).to_owned(),
        })
    }
}

impl fmt::Display for SortBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.descending { "-" } else { "" };
        write!(f, "{sign}{}", self.field)
    }
}

/// What a document is sorted by: the lower key is first, and no value is last. Keys of the same
/// [`SortBy`] compare, also those of different segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortKey {
    /// The smallest value of the document, or the largest if the highest is first.
    pub value: Option<Value>,
    descending: bool,
}

impl Ord for SortKey {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.value, &other.value) {
            (Some(a), Some(b)) if self.descending => b.cmp(a),
            (Some(a), Some(b)) => a.cmp(b),
            // `Some` before `None`.
            (a, b) => b.is_some().cmp(&a.is_some()),
        }
    }
}

impl PartialOrd for SortKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Columns {
    /// What a document is sorted by. A field that these columns lack has no values.
    ///
    /// # Errors
    /// [`Error::UnknownDoc`], or [`Error::Damaged`] if what is touched is not as it was written.
    pub fn sort_key(&self, by: &SortBy, doc: DocId) -> Result<SortKey, Error> {
        self.check_known(doc)?;
        let value = match self.column(&by.field) {
            Some(column) => match column.extreme(doc.0, by.descending)? {
                Some(code) => Some(column.value(code)?),
                None => None,
            },
            None => None,
        };
        Ok(SortKey {
            value,
            descending: by.descending,
        })
    }

    /// The first `top` of `docs`, a set of all these documents, in order, with what they are
    /// sorted by; documents with equal keys by number.
    ///
    /// # Errors
    /// [`Error::OtherSet`], or [`Error::Damaged`] if what is touched is not as it was written.
    pub fn sorted(
        &self,
        by: &SortBy,
        docs: &FixedBitSet,
        top: usize,
    ) -> Result<Vec<(SortKey, DocId)>, Error> {
        self.check_set(docs.len())?;
        // Codes have the order of their values.
        let mut order: Vec<(bool, u64, u32)> = Vec::with_capacity(docs.count_ones(..));
        let mut push = |code: Option<u64>, doc: u32| {
            let place = code.map_or(0, |code| if by.descending { !code } else { code });
            order.push((code.is_none(), place, doc));
        };
        let docs = docs.ones().map(|doc| doc as u32);
        match self.column(&by.field) {
            None => docs.for_each(|doc| push(None, doc)),
            Some(column) if column.header.is_single => with_codes!(&column.codes, codes => {
                let codes = codes.slice(0..codes.len())?;
                for doc in docs {
                    let code = wide(codes[doc as usize]);
                    push(code.checked_sub(1), doc);
                }
            }),
            Some(column) => {
                for doc in docs {
                    push(column.extreme(doc, by.descending)?, doc);
                }
            }
        }
        if top < order.len() && top > 0 {
            order.select_nth_unstable(top - 1);
        }
        order.truncate(top);
        order.sort_unstable();
        let keys = order.into_iter().map(|(_, _, doc)| {
            let doc = DocId(doc);
            Ok((self.sort_key(by, doc)?, doc))
        });
        keys.collect()
    }
}
