//! Linear layers in Intel's AMX tiles: sixteen rows by 64 bytes each, multiplied
//! sixteen by sixteen columns at a time.
//!
//! The compiler has no stable intrinsics for tiles, so that a block of the product is
//! one piece of assembly: two by two tiles of sums, along the whole depth. Rows and
//! panels already lie as tiles want them. Sums are exact; what follows them is the
//! code of the other instruction sets.
//!
//! Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18.

use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count};

use crate::operand::{Panels, Rows};
use crate::product::{Ahead, Columns, Then};
use crate::simd::avx512::Floats;
use crate::simd::{Float, LANES, PanelRow};

/// Rows of a tile, and columns of a tile of sums.
const SIDE: usize = 16;
/// Groups in a row of a tile of operands.
const GROUPS: usize = 16;

/// Whether the processor has tiles and the system lends them to this process.
pub(crate) fn is_available() -> bool {
    let os_saves_registers = __cpuid(1).ecx & 1 << 27 != 0;
    if __cpuid(0).eax < 7 || !os_saves_registers {
        return false;
    }
    let edx = __cpuid_count(7, 0).edx;
    let (tile, int8) = (edx & 1 << 24 != 0, edx & 1 << 25 != 0);
    tile && int8 && saved_by_system() && is_lent()
}

/// Whether the system saves tiles when it changes threads.
fn saved_by_system() -> bool {
    let (low, _high): (u32, u32);
    // SAFETY: the caller has seen that XGETBV is there; it only reads a register.
    unsafe {
        asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") _high, options(nomem, nostack));
    }
    // Bits 17 and 18: the tiles' configuration and their data.
    low & 0b11 << 17 == 0b11 << 17
}

/// Asks Linux for the use of tiles, which it grants to a whole process at once.
/// <https://docs.kernel.org/arch/x86/xstate.html>
#[cfg(target_os = "linux")]
fn is_lent() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const ARCH_REQ_XCOMP_PERM: i64 = 0x1023;
    const TILE_DATA: i64 = 18;
    let result: i64;
    // SAFETY: a system call that takes two numbers, touches no memory of this process and
    // overwrites rcx and r11.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => result,
            in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") TILE_DATA,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result == 0
}

#[cfg(not(target_os = "linux"))]
fn is_lent() -> bool {
    false
}

/// Whether so many rows fill their tiles well enough to beat AVX-512.
pub(crate) fn pays(rows: &Rows) -> bool {
    rows.len() >= 4
}

/// The layout of `ldtilecfg`'s operand.
#[repr(C, align(64))]
struct Config {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// All eight tiles at full size.
static CONFIG: Config = Config {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    row_bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

/// Four tiles of sums: two of rows by two of columns.
#[repr(C, align(64))]
struct Sums([[[i32; SIDE]; SIDE]; 4]);

/// The product of bytes, as [`crate::product()`] describes it.
///
/// # Safety
/// [`is_available`] must have said so.
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(crate) unsafe fn product(
    rows: &Rows,
    (panels, next): (&Panels, Option<&Panels>),
    out: &mut [f32],
    stride: usize,
    then: Then<'_>,
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
    // SAFETY: tiles are available, and the configuration is a valid one.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const CONFIG, options(nostack)) };
    for panel in (0..n_panels).step_by(2) {
        // Beside an odd last panel stands itself, whose second sums nobody reads.
        let wide = 2.min(n_panels - panel);
        let beside = panels.panel(panel + wide - 1);
        let mut ahead = Ahead::new(panels, next, panel + wide, 2, tiles.div_ceil(2));
        for tile in (0..tiles).step_by(2) {
            ahead.fetch();
            let tall = 2.min(tiles - tile);
            // SAFETY: tiles are configured; both tiles of rows and both panels lie within
            // their slices, as was asserted.
            unsafe {
                multiply(
                    &rows.groups[tile * SIDE * rows.steps..],
                    rows.steps,
                    tall,
                    [panels.panel(panel), beside],
                    &mut sums,
                );
            }
            for (place, sums) in sums.0[..2 * tall].iter().enumerate() {
                if place % 2 < wide {
                    let first = (tile + place / 2) * SIDE;
                    let at = (panel + place % 2) * LANES;
                    finish(rows, panels, first, at, sums, out, stride, then);
                }
            }
        }
    }
    // SAFETY: gives the tiles back, so that the system need not save them.
    unsafe { asm!("tilerelease", options(nomem, nostack)) };
}

/// `sums` of `tall` (1 or 2) tiles of rows, `steps` groups each, by two panels.
///
/// # Safety
/// Tiles must be configured at full size. `groups` must hold `tall` times 16 rows, and
/// both panels `steps` rows, a multiple of 16 and not 0.
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
    // SAFETY: the caller has configured the tiles and promised that what they load from
    // is there, at least one tile deep; `sums` has room for four tiles.
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
/// [`is_available`] must have said so.
pub(crate) unsafe fn multiply_in_registers(steps: u64) -> u64 {
    // Four independent sums, as in a block of a product; a tile multiplies 16 by 16 by 64.
    let loops = (steps * 24 / (4 * 16 * 16)).max(1);
    // SAFETY: tiles are available, the configuration is a valid one, and zeroed tiles may
    // be multiplied.
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

/// Scales a tile of sums, of the rows from `first` and the columns from `at` on.
#[expect(clippy::too_many_arguments, reason = "a tile's place on both sides")]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn finish(
    rows: &Rows,
    panels: &Panels,
    first: usize,
    at: usize,
    sums: &[[i32; SIDE]; SIDE],
    out: &mut [f32],
    stride: usize,
    then: Then<'_>,
) {
    // SAFETY: this function enables what the vectors need.
    let v = unsafe { Floats::new() };
    let columns = Columns::load(v, panels, at, then);
    for (row, sums) in (first..rows.len()).zip(sums) {
        let out = &mut out[row * stride + at..][..columns.width];
        let (scale, zero) = (rows.scale[row], rows.zero[row]);
        columns.put(v, v.load_int(sums), scale, zero, true, out);
    }
}
