//! Detects AMX, for which the standard library has no stable check.

use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count};

/// Whether the processor has AMX tiles with 8-bit products, and the operating system enables
/// them for this process.
pub(crate) fn has_amx() -> bool {
    let os_saves_registers = __cpuid(1).ecx & 1 << 27 != 0;
    if __cpuid(0).eax < 7 || !os_saves_registers {
        return false;
    }
    let edx = __cpuid_count(7, 0).edx;
    let (tile, int8) = (edx & 1 << 24 != 0, edx & 1 << 25 != 0);
    tile && int8 && tiles_are_saved() && request_tiles()
}

/// Whether the operating system saves tiles when it switches threads.
fn tiles_are_saved() -> bool {
    let (low, _high): (u32, u32);
    // SAFETY: the caller has checked that XGETBV is available; it only reads a register.
    unsafe {
        asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") _high, options(nomem, nostack));
    }
    // Bits 17 and 18: the configuration and the data of the tiles.
    low & 0b11 << 17 == 0b11 << 17
}

/// Requests the use of tiles from Linux, which grants it to the whole process.
/// <https://docs.kernel.org/arch/x86/xstate.html>
#[cfg(target_os = "linux")]
fn request_tiles() -> bool {
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
fn request_tiles() -> bool {
    false
}
