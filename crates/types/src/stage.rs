//! Stages by name, and values by stage.
//!
//! Stages are an open set: a name is text, not a variant, so that a program can add a
//! stage of its own without changing this crate. Which stages there are, and in which
//! order they run, is defined by the engine's registry.

use std::fmt;
use std::str::FromStr;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest name in bytes.
const MAX_LENGTH: usize = 16;

/// The name of a stage, the same on the command line, in configuration and in results:
/// 1 to 16 of the characters a to z, 0 to 9 and `-`, beginning with a letter.
///
/// ```
/// use treffer_types::StageName;
///
/// let late: StageName = "late".parse()?;
/// assert_eq!(late.to_string(), "late");
/// assert!("Late!".parse::<StageName>().is_err());
/// # Ok::<(), treffer_types::InvalidStageName>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StageName([u8; MAX_LENGTH]);

impl StageName {
    /// BM25 over the inverted index. Scores are at least 0; 0 means that no query term occurs.
    pub const BM25: StageName = StageName::from_static("bm25");
    /// Cosine similarity of bi-encoder embeddings, in -1..=1.
    pub const DENSE: StageName = StageName::from_static("dense");
    /// Late interaction: the mean over the tokens of the query of the greatest cosine similarity
    /// with a token of the passage, in -1..=1.
    pub const LATE: StageName = StageName::from_static("late");
    /// The cross-encoder's raw logit, unbounded.
    pub const CROSS: StageName = StageName::from_static("cross");

    /// The name that a literal gives.
    ///
    /// # Panics
    /// If it is not a valid name; in a constant that is a compile error.
    pub const fn from_static(name: &'static str) -> Self {
        match StageName::new(name) {
            Some(name) => name,
            None => {
                panic!("a stage's name is 1 to 16 of a-z, 0-9 and `-`, beginning with a letter")
            }
        }
    }

    const fn new(name: &str) -> Option<Self> {
        let bytes = name.as_bytes();
        if bytes.is_empty() || bytes.len() > MAX_LENGTH || !bytes[0].is_ascii_lowercase() {
            return None;
        }
        let mut padded = [0; MAX_LENGTH];
        let mut at = 0;
        while at < bytes.len() {
            let byte = bytes[at];
            if !(byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
                return None;
            }
            padded[at] = byte;
            at += 1;
        }
        Some(StageName(padded))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        let length = self.0.iter().position(|byte| *byte == 0);
        std::str::from_utf8(&self.0[..length.unwrap_or(MAX_LENGTH)])
            .expect("a stage's name is ASCII")
    }
}

/// Text that cannot be the name of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidStageName(String);

impl fmt::Display for InvalidStageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` cannot be the name of a stage: names are 1 to 16 of the characters a-z, 0-9 and `-`, as in bm25, dense and cross",
            self.0
        )
    }
}

impl std::error::Error for InvalidStageName {}

impl fmt::Display for StageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for StageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for StageName {
    type Err = InvalidStageName;

    fn from_str(name: &str) -> Result<Self, InvalidStageName> {
        StageName::new(name).ok_or_else(|| InvalidStageName(name.to_owned()))
    }
}

impl Serialize for StageName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for StageName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

/// Stage names for a message, as in "bm25, dense".
pub fn stage_list(stages: &[StageName]) -> String {
    let names: Vec<&str> = stages.iter().map(StageName::as_str).collect();
    names.join(", ")
}

/// A value for each of some stages, in an order of its own, usually that in which the
/// stages run. Two maps are equal if they hold the same values in any order.
#[derive(Clone)]
pub struct StageMap<T>(Vec<(StageName, T)>);

impl<T> StageMap<T> {
    /// An empty map.
    pub const fn new() -> Self {
        StageMap(Vec::new())
    }

    /// The value that `value_of` gives for each of `stages`, in their order.
    pub fn from_fn(stages: &[StageName], mut value_of: impl FnMut(StageName) -> T) -> Self {
        stages
            .iter()
            .map(|stage| (*stage, value_of(*stage)))
            .collect()
    }

    /// The value of `stage`, if it has one.
    pub fn get(&self, stage: StageName) -> Option<&T> {
        let mut entries = self.0.iter();
        entries
            .find(|(name, _)| *name == stage)
            .map(|(_, value)| value)
    }

    /// The value of `stage`, if it has one, to be changed.
    pub fn get_mut(&mut self, stage: StageName) -> Option<&mut T> {
        let mut entries = self.0.iter_mut();
        entries
            .find(|(name, _)| *name == stage)
            .map(|(_, value)| value)
    }

    /// Sets the value of `stage`; a stage that had none comes last.
    pub fn insert(&mut self, stage: StageName, value: T) {
        match self.get_mut(stage) {
            Some(old) => *old = value,
            None => self.0.push((stage, value)),
        }
    }

    /// The pairs, in the map's order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (StageName, &T)> + Clone {
        self.0.iter().map(|(stage, value)| (*stage, value))
    }

    /// The stages that have a value, in the map's order.
    pub fn stages(&self) -> impl ExactSizeIterator<Item = StageName> + Clone + '_ {
        self.0.iter().map(|(stage, _)| *stage)
    }

    /// Maps each value, in the same order.
    pub fn map<U>(&self, mut change: impl FnMut(StageName, &T) -> U) -> StageMap<U> {
        self.iter()
            .map(|(stage, value)| (stage, change(stage, value)))
            .collect()
    }

    /// Number of stages that have a value.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no stage has a value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same values, those of `stages` first and in that order, the others after them in
    /// the order they had.
    pub fn in_order_of(mut self, stages: &[StageName]) -> Self {
        let place = |stage: &StageName| stages.iter().position(|one| one == stage);
        self.0
            .sort_by_key(|(stage, _)| place(stage).unwrap_or(stages.len()));
        self
    }
}

impl<T: Copy> StageMap<T> {
    /// The value of `stage`, or `otherwise` if it has none.
    pub fn get_or(&self, stage: StageName, otherwise: T) -> T {
        self.get(stage).copied().unwrap_or(otherwise)
    }
}

impl<T> Default for StageMap<T> {
    fn default() -> Self {
        StageMap::new()
    }
}

impl<T: PartialEq> PartialEq for StageMap<T> {
    fn eq(&self, other: &Self) -> bool {
        let has = |(stage, value): (StageName, &T)| other.get(stage) == Some(value);
        self.len() == other.len() && self.iter().all(has)
    }
}

impl<T: Eq> Eq for StageMap<T> {}

impl<T: fmt::Debug> fmt::Debug for StageMap<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// If a stage occurs several times, its last value counts, at the position of the first.
impl<T> FromIterator<(StageName, T)> for StageMap<T> {
    fn from_iter<I: IntoIterator<Item = (StageName, T)>>(pairs: I) -> Self {
        let mut map = StageMap::new();
        for (stage, value) in pairs {
            map.insert(stage, value);
        }
        map
    }
}

impl<T> IntoIterator for StageMap<T> {
    type Item = (StageName, T);
    type IntoIter = std::vec::IntoIter<(StageName, T)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<T: Serialize> Serialize for StageMap<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (stage, value) in self.iter() {
            map.serialize_entry(&stage, value)?;
        }
        map.end()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for StageMap<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = StageMap<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from stage names to values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                let mut map = StageMap::new();
                while let Some((stage, value)) = access.next_entry::<StageName, T>()? {
                    if map.get(stage).is_some() {
                        let twice = format!("the stage `{stage}` is named twice");
                        return Err(serde::de::Error::custom(twice));
                    }
                    map.insert(stage, value);
                }
                Ok(map)
            }
        }

        deserializer.deserialize_map(Entries(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_as_they_print() {
        for name in ["bm25", "dense", "cross", "late", "a", "popularity-boost"] {
            assert_eq!(name.parse::<StageName>().unwrap().to_string(), name);
        }
        for name in ["", "BM25", "25bm", "-a", "a b", "über", "seventeen-letters"] {
            assert!(name.parse::<StageName>().is_err(), "{name}");
        }
    }

    #[test]
    fn a_map_keeps_its_order_in_json_and_is_equal_in_any() {
        let text = r#"{"dense":2,"bm25":1,"late":3}"#;
        let map: StageMap<u32> = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&map).unwrap(), text);
        let ordered = map
            .clone()
            .in_order_of(&[StageName::BM25, StageName::DENSE]);
        assert_eq!(
            serde_json::to_string(&ordered).unwrap(),
            r#"{"bm25":1,"dense":2,"late":3}"#
        );
        assert_eq!(ordered, map);
        assert!(serde_json::from_str::<StageMap<u32>>(r#"{"bm25":1,"bm25":2}"#).is_err());
    }
}
