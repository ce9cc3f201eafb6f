//! The order in which vectors are inserted, and seeded numbers.

/// The rows `0..n`, shuffled, always the same way.
///
/// A corpus usually comes in order of topic. Inserted in that order, a topic's vectors
/// link to one another before there is anything else to link to, and later ones crowd out
/// the few links that lead in: whole topics are lost to searches. In a shuffled order the
/// first vectors span all topics.
pub(crate) fn insertion_order(n: u32) -> Vec<u32> {
    let mut rows: Vec<u32> = (0..n).collect();
    // Fisher and Yates's shuffle.
    for (step, last) in (1..rows.len()).rev().enumerate() {
        rows.swap(last, (random(step as u64) % (last as u64 + 1)) as usize);
    }
    rows
}

/// The number with the given index in a sequence that looks random: SplitMix64 (Steele, Lea
/// and Flood, 2014).
pub(crate) fn random(index: u64) -> u64 {
    let state = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut random = state;
    random = (random ^ (random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    random = (random ^ (random >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    random ^ (random >> 31)
}
