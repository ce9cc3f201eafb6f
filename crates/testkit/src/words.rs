//! The tokenizer and the hash that both fakes share.

use treffer_types::{Fingerprint, ModelSpec};

/// Lower-cased runs of letters and digits, in order.
pub(crate) fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// Where each of the [`words`] begins and ends in `text`.
pub(crate) fn word_places(text: &str) -> Vec<(u32, u32)> {
    let mut places = Vec::new();
    let mut start = None;
    for (at, character) in text.char_indices() {
        match (start, character.is_alphanumeric()) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                places.push((from as u32, at as u32));
                start = None;
            }
            _ => {}
        }
    }
    places.extend(start.map(|from| (from as u32, text.len() as u32)));
    places
}

/// Where each of the [`words`] ends in `text`.
pub(crate) fn word_ends(text: &str) -> Vec<u32> {
    word_places(text).into_iter().map(|(_, end)| end).collect()
}

/// 64-bit FNV-1a, followed by the finalizer of MurmurHash3: with FNV alone, short
/// words differ too little in the high bits.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for &byte in bytes {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// A fingerprint of 64 hexadecimal digits that changes with every field of `spec`.
pub(crate) fn fingerprint(spec: &ModelSpec) -> Fingerprint {
    let described = format!("{spec:?}");
    let digits = (0..4)
        .map(|part| format!("{:016x}", hash(format!("{part} {described}").as_bytes())))
        .collect();
    Fingerprint(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_lower_cased_runs_of_letters_and_digits() {
        assert_eq!(
            words("  DIN-13277: Kühlschrank, 280 L!"),
            ["din", "13277", "kühlschrank", "280", "l"]
        );
        assert!(words(" \u{0} ?! ").is_empty());
        assert_eq!(word_ends("  DIN-13277: Kühl"), [5, 11, 18]);
    }

    #[test]
    fn the_hash_is_the_same_on_every_platform() {
        // From an independent computation of the two published functions.
        assert_eq!(hash(b""), 0xefd0_1f60_ba99_2926);
        assert_eq!(hash(b"treffer"), 0x11ae_b393_8990_3ce3);
    }
}
