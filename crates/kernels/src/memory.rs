//! Groups of 32 bits seen as the integers they hold, lowest first.

/// Four bytes a group.
pub(crate) fn bytes_mut(groups: &mut [u32]) -> &mut [u8] {
    // SAFETY: bytes need no alignment, and every bit pattern is valid for both.
    unsafe { std::slice::from_raw_parts_mut(groups.as_mut_ptr().cast(), size_of_val(groups)) }
}

/// Two 16-bit integers a group.
pub(crate) fn words_mut(groups: &mut [u32]) -> &mut [i16] {
    // SAFETY: 16-bit integers need no more alignment than 32-bit ones, and every bit
    // pattern is valid for both.
    unsafe { std::slice::from_raw_parts_mut(groups.as_mut_ptr().cast(), groups.len() * 2) }
}
