//! Prefetches the weights of the next tiles while the current ones are computed.

use crate::operand::Panels;
use crate::simd::PanelRow;

/// Weights that will be needed next, prefetched piece by piece while tiles are computed.
pub(crate) struct Prefetch<'a> {
    rows: &'a [PanelRow],
    piece: usize,
}

impl<'a> Prefetch<'a> {
    /// Prefetches the `wide` panels from `panel` on, or the first ones of `next` if there are
    /// none left, in `tiles` pieces.
    #[inline(always)]
    pub(crate) fn new(
        panels: &'a Panels,
        next: Option<&'a Panels>,
        panel: usize,
        wide: usize,
        tiles: usize,
    ) -> Self {
        let rest = &panels.rows[panel * panels.steps..];
        let rows = match (rest, next) {
            ([], Some(next)) => &next.rows[..],
            (rest, _) => rest,
        };
        let rows = &rows[..rows.len().min(wide * panels.steps)];
        Prefetch {
            rows,
            piece: rows.len().div_ceil(tiles.max(1)),
        }
    }

    /// Requests the next piece.
    #[inline(always)]
    pub(crate) fn advance(&mut self) {
        let (now, later) = self.rows.split_at(self.piece.min(self.rows.len()));
        self.rows = later;
        #[cfg(target_arch = "x86_64")]
        for row in now {
            use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
            // SAFETY: every x86-64 processor has the instruction, which only hints at a read.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(std::ptr::from_ref(row).cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = now;
    }
}
