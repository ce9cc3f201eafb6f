//! Conditions on documents, as text.
//!
//! ```text
//! brand:Kirsch AND volume_l:[250 TO *] AND NOT discontinued:true AND (a:b OR c:"d e")
//! ```
//!
//! | condition | holds for documents with |
//! |---|---|
//! | `field:value`, `field:"a value"` | this value |
//! | `field:pre*`, `field:"a pre"*` | a keyword that begins so |
//! | `field:[1 TO 5]`, `field:{1 TO 5}`, `field:[1 TO *]` | a value from 1 to 5, between 1 and 5 without them, from 1 on; both brackets mix |
//! | `field:>=1`, `field:>1`, `field:<=1`, `field:<1` | such a value |
//! | `field:*` | any value |
//! | `field:(a OR b)` | what `field:a OR field:b` holds for |
//! | `NOT x`, `x AND y`, `x OR y`, `(x)` | as they say; NOT binds tightest, then AND |
//!
//! A condition on a field with several values holds if it holds for one of them; on a document
//! without a value it does not hold, so that `NOT field:a` holds there.
//!
//! Keywords are compared as they are, capitals included, by code points. A date may be a year, a
//! month or a day, which stand for all of it: `published:[2020 TO 2021-03]` begins with 2020 and
//! ends with March. Times without a zone are UTC. `AND`, `OR`, `NOT` and `TO` are words of the
//! language only in capitals. A value with white space, brackets, quotes or `*` is written in
//! quotes, with `\"` and `\\` for those two, or with a backslash before each such character.

mod bind;
mod error;
mod evaluate;
mod literal;
mod parse;
mod syntax;
mod write;

#[cfg(test)]
mod tests;

pub use bind::BoundFilter;
pub use error::{FilterError, FilterErrorKind};
pub use evaluate::CaseHint;
pub use syntax::Filter;
