//! Linear layers with Intel's AMX tiles. A tile is sixteen rows of 64 bytes; one instruction
//! multiplies two tiles into sixteen by sixteen sums.
//!
//! The compiler has no stable intrinsics for tiles, so a block of the product is written in
//! assembly: two by two tiles of sums, along the whole inner dimension. Rows and panels
//! already have the layout of tiles. The sums are exact, and are scaled and stored by the
//! same code as with the other instruction sets.
//!
//! Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18.

use std::arch::asm;

use crate::operand::{Panels, Rows};
use crate::output::{Columns, Store};
use crate::prefetch::Prefetch;
use crate::simd::avx512::Floats;
use crate::simd::{Float, LANES, PanelRow};

/// Number of rows of a tile, and of columns of a tile of sums.
const SIDE: usize = 16;
/// Number of groups in a row of a tile of operands.
const GROUPS: usize = 16;

/// Whether `rows` fill their tiles well enough to be faster than with AVX-512.
pub(crate) fn is_faster(rows: &Rows) -> bool {
    rows.len() >= 4
}

/// The operand of `ldtilecfg`.
#[repr(C, align(64))]
struct Config {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// All eight tiles have their full size.
static CONFIG: Config = Config {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    row_bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

/// Four tiles of sums: two tiles of rows by two panels.
#[repr(C, align(64))]
struct Sums([[[i32; SIDE]; SIDE]; 4]);

/// The product of bytes; see [`crate::product()`].
///
/// # Safety
/// The processor must have AMX, and the system must have enabled it for this process
/// ([`crate::cpu::has_amx`]).
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(crate) unsafe fn product(
    rows: &Rows,
    (panels, next): (&Panels, Option<&Panels>),
    out: &mut [f32],
    stride: usize,
    store: Store<'_>,
) {
    assert_eq!(rows.steps, panels.steps, "rows and columns differ in depth");
    assert!(
        rows.steps > 0 && rows.steps.is_multiple_of(GROUPS),
        "bytes are padded to whole tiles"
    );
    let tiles = rows.len().div_ceil(SIDE);
    assert!(
        rows.groups.len() >= tiles * SIDE * rows.steps,
        "bytes are padded to whole tiles"
    );
    let n_panels = panels.scale.len() / LANES;
    let mut sums = Sums([[[0; SIDE]; SIDE]; 4]);
    // SAFETY: tiles are available, and the configuration is valid.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const CONFIG, options(nostack)) };
    for panel in (0..n_panels).step_by(2) {
        // An odd last panel is multiplied twice, and the second sums are ignored.
        let wide = 2.min(n_panels - panel);
        let second = panels.panel(panel + wide - 1);
        let mut prefetch = Prefetch::new(panels, next, panel + wide, 2, tiles.div_ceil(2));
        for tile in (0..tiles).step_by(2) {
            prefetch.advance();
            let tall = 2.min(tiles - tile);
            // SAFETY: tiles are configured; both tiles of rows and both panels are within
            // their slices, as asserted above.
            unsafe {
                multiply(
                    &rows.groups[tile * SIDE * rows.steps..],
                    rows.steps,
                    tall,
                    [panels.panel(panel), second],
                    &mut sums,
                );
            }
            for (index, sums) in sums.0[..2 * tall].iter().enumerate() {
                if index % 2 < wide {
                    let first = (tile + index / 2) * SIDE;
                    let at = (panel + index % 2) * LANES;
                    finish(rows, panels, first, at, sums, out, stride, store);
                }
            }
        }
    }
    // SAFETY: releases the tiles, so that the system need not save them.
    unsafe { asm!("tilerelease", options(nomem, nostack)) };
}

/// Computes the sums of `tall` (1 or 2) tiles of rows, of `steps` groups, by two panels.
///
/// # Safety
/// Tiles must be configured with their full size. `groups` must have `tall` times 16 rows, and
/// both panels `steps` rows; `steps` must be a multiple of 16 and not 0.
unsafe fn multiply(
    groups: &[u32],
    steps: usize,
    tall: usize,
    panels: [&[PanelRow]; 2],
    sums: &mut Sums,
) {
    let upper = groups.as_ptr();
    let row_bytes = steps * size_of::<u32>();
    let [left, right] = panels.map(<[PanelRow]>::as_ptr);
    let loops = steps / GROUPS;
    macro_rules! tiles {
        ($before:literal, $lower_load:literal, $lower_products:literal, $after:literal) => {
            asm!(
                "tilezero tmm0",
                "tilezero tmm1",
                $before,
                "2:",
                "tileloadd tmm4, [{upper} + {row_bytes}]",
                "tileloadd tmm6, [{left} + {panel_bytes}]",
                "tileloadd tmm7, [{right} + {panel_bytes}]",
                $lower_load,
                "tdpbusd tmm0, tmm4, tmm6",
                "tdpbusd tmm1, tmm4, tmm7",
                $lower_products,
                "add {upper}, 64",
                "add {lower}, 64",
                "add {left}, 1024",
                "add {right}, 1024",
                "dec {loops}",
                "jnz 2b",
                "tilestored [{sums} + {panel_bytes}], tmm0",
                "tilestored [{sums} + {panel_bytes} + 1024], tmm1",
                $after,
                upper = inout(reg) upper => _,
                lower = inout(reg) upper.wrapping_add(SIDE * steps) => _,
                row_bytes = in(reg) row_bytes,
                left = inout(reg) left => _,
                right = inout(reg) right => _,
                panel_bytes = in(reg) size_of::<PanelRow>(),
                loops = inout(reg) loops => _,
                sums = in(reg) sums,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            )
        };
    }
    // SAFETY: the caller guarantees that tiles are configured and that all operands that are
    // loaded exist, at least one tile deep; `sums` has room for four tiles.
    unsafe {
        if tall == 2 {
            tiles!(
                "tilezero tmm2
                 tilezero tmm3",
                "tileloadd tmm5, [{lower} + {row_bytes}]",
                "tdpbusd tmm2, tmm5, tmm6
                 tdpbusd tmm3, tmm5, tmm7",
                "tilestored [{sums} + {panel_bytes} + 2048], tmm2
                 tilestored [{sums} + {panel_bytes} + 3072], tmm3"
            );
        } else {
            tiles!("", "", "", "");
        }
    }
}

/// [`crate::peak::multiply_in_registers`] for tiles.
///
/// # Safety
/// The processor must have AMX, and the system must have enabled it for this process
/// ([`crate::cpu::has_amx`]).
pub(crate) unsafe fn multiply_in_registers(steps: u64) -> u64 {
    // Four independent sums, as in a block of a product; a tile multiplies 16 by 16 by 64.
    let loops = (steps * 24 / (4 * 16 * 16)).max(1);
    // SAFETY: tiles are available, the configuration is valid, and zeroed tiles may be
    // multiplied.
    unsafe {
        asm!("ldtilecfg [{}]", in(reg) &raw const CONFIG, options(nostack));
        asm!(
            "tilezero tmm4",
            "tilezero tmm5",
            "tilezero tmm6",
            "tilezero tmm7",
            "2:",
            "tdpbusd tmm0, tmm4, tmm6",
            "tdpbusd tmm1, tmm4, tmm7",
            "tdpbusd tmm2, tmm5, tmm6",
            "tdpbusd tmm3, tmm5, tmm7",
            "dec {loops}",
            "jnz 2b",
            loops = inout(reg) loops => _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nomem, nostack),
        );
        asm!("tilerelease", options(nomem, nostack));
    }
    loops * 4 * 16 * 16 * 64
}

/// Scales and stores a tile of sums, of the rows from `first` and the columns from `at` on.
#[expect(
    clippy::too_many_arguments,
    reason = "both operands and the tile's position"
)]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn finish(
    rows: &Rows,
    panels: &Panels,
    first: usize,
    at: usize,
    sums: &[[i32; SIDE]; SIDE],
    out: &mut [f32],
    stride: usize,
    store: Store<'_>,
) {
    // SAFETY: this function enables the features that the vectors need.
    let v = unsafe { Floats::new() };
    let columns = Columns::load(v, panels, at, store);
    for (row, sums) in (first..rows.len()).zip(sums) {
        let out = &mut out[row * stride + at..][..columns.width];
        let (scale, zero) = (rows.scale[row], rows.zero[row]);
        columns.put(v, v.load_int(sums), scale, zero, true, out);
    }
}
