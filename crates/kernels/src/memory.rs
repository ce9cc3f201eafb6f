//! Views groups of 32 bits as the integers in them, in little-endian order.

/// Four bytes per group.
pub(crate) fn bytes_mut(groups: &mut [u32]) -> &mut [u8] {
    // SAFETY: bytes need no alignment, and every bit pattern is valid for both types.
    unsafe { std::slice::from_raw_parts_mut(groups.as_mut_ptr().cast(), size_of_val(groups)) }
}

/// Two 16-bit integers per group.
pub(crate) fn words_mut(groups: &mut [u32]) -> &mut [i16] {
    // SAFETY: 16-bit integers need no more alignment than 32-bit ones, and every bit
    // pattern is valid for both types.
    unsafe { std::slice::from_raw_parts_mut(groups.as_mut_ptr().cast(), groups.len() * 2) }
}
