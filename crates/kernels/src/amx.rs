//! Intel's AMX tiles.

use crate::operand::{Panels, Rows};
use crate::product::Then;

pub(crate) fn is_available() -> bool {
    false
}

pub(crate) fn pays(_rows: &Rows) -> bool {
    false
}

pub(crate) fn product(_: &Rows, _: &Panels, _: &mut [f32], _: usize, _: Then<'_>) {
    unreachable!()
}
