//! Shared by the unit tests.

use crate::isa::{Isa, Level};

/// Every instruction set that this processor supports.
pub(crate) fn all() -> Vec<Isa> {
    Level::ALL.into_iter().filter_map(Isa::get).collect()
}
