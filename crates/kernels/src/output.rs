//! The last step of a product: scales integer sums and stores them.

use crate::operand::Panels;
use crate::simd::{Float, LANES};

/// How a product is stored.
#[derive(Clone, Copy, Debug)]
pub enum Store<'a> {
    /// Adds one bias per column and overwrites the output.
    WithBias(&'a [f32]),
    /// Overwrites the output.
    Overwrite,
    /// Adds to the output.
    Add,
}

/// The scales of sixteen columns, and how their sums are stored.
pub(crate) struct Columns<V: Float> {
    /// Number of columns in use, at most sixteen.
    pub(crate) width: usize,
    scale: V::F,
    sums: V::I,
    store: LoadedStore<V>,
}

/// [`Store`] with its bias in registers.
enum LoadedStore<V: Float> {
    WithBias(V::F),
    Overwrite,
    Add,
}

impl<V: Float> Columns<V> {
    /// Loads the columns from `at` on.
    #[inline(always)]
    pub(crate) fn load(v: V, panels: &Panels, at: usize, store: Store<'_>) -> Self {
        let width = LANES.min(panels.columns - at);
        Columns {
            width,
            scale: v.load(lanes(&panels.scale[at..])),
            sums: v.load_int(lanes(&panels.sums[at..])),
            store: match store {
                Store::WithBias(bias) => {
                    LoadedStore::WithBias(v.load_part(&bias[at..at + width], 0.0))
                }
                Store::Overwrite => LoadedStore::Overwrite,
                Store::Add => LoadedStore::Add,
            },
        }
    }

    /// Scales and stores the sums of one row.
    #[inline(always)]
    pub(crate) fn put(
        &self,
        v: V,
        sums: V::I,
        row_scale: f32,
        zero: i32,
        shifted: bool,
        out: &mut [f32],
    ) {
        let sums = if shifted {
            v.sub_int(sums, v.mul_int(v.splat_int(zero), self.sums))
        } else {
            sums
        };
        let x = v.to_float(sums);
        let scale = v.mul(v.splat(row_scale), self.scale);
        let result = match self.store {
            LoadedStore::WithBias(bias) => v.fma(x, scale, bias),
            LoadedStore::Overwrite => v.mul(x, scale),
            LoadedStore::Add => v.add(v.load_part(out, 0.0), v.mul(x, scale)),
        };
        v.store_part(result, out);
    }
}

#[inline(always)]
fn lanes<T>(values: &[T]) -> &[T; LANES] {
    values[..LANES].try_into().expect("sixteen columns")
}
