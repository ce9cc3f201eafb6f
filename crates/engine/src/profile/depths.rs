//! How deep each stage goes, as keys `bm25_depth`, `dense_depth` and so on.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use treffer_types::{StageMap, StageName};

use crate::stages::{Registry, StageKind};

/// Ends the key of every depth.
const SUFFIX: &str = "_depth";

/// The depth of each stage: how many candidates it retrieves, or, for a reranker, scores.
///
/// Written as one key for each stage, `STAGE_depth`. A stage without a key has its default
/// depth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Depths(StageMap<usize>);

impl Depths {
    /// The depth of `stage`, if it has one.
    pub fn get(&self, stage: StageName) -> Option<usize> {
        self.0.get(stage).copied()
    }

    /// Sets the depth of `stage`.
    pub fn set(&mut self, stage: StageName, depth: usize) {
        self.0.insert(stage, depth);
    }

    /// These depths with that of `stage` set.
    pub fn with(mut self, stage: StageName, depth: usize) -> Self {
        self.set(stage, depth);
        self
    }

    /// The depths, in the order in which stages run.
    pub fn iter(&self) -> impl Iterator<Item = (StageName, usize)> + '_ {
        self.0.iter().map(|(stage, depth)| (stage, *depth))
    }

    /// The key of a stage's depth in a profile.
    pub fn key(stage: StageName) -> String {
        format!("{stage}{SUFFIX}")
    }
}

impl Default for Depths {
    /// The default depth of every standard stage that retrieves or reranks by itself.
    fn default() -> Self {
        let kinds = Registry::standard();
        // A stage that only scores has none: it scores every candidate.
        let has_one = |kind: &&StageKind| kind.default_depth > 0;
        let kinds = kinds.iter().filter(has_one);
        let depths = kinds.map(|kind| (kind.name, kind.default_depth));
        Depths(depths.collect())
    }
}

impl Serialize for Depths {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (stage, depth) in self.iter() {
            map.serialize_entry(&Depths::key(stage), &depth)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Depths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;

        impl<'de> Visitor<'de> for Keys {
            type Value = Depths;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("depths by stage, as in `bm25_depth = 200`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Depths, A::Error> {
                use serde::de::Error;
                let mut depths = Depths::default();
                while let Some(key) = access.next_key::<String>()? {
                    let stage = key.strip_suffix(SUFFIX).and_then(|name| name.parse().ok());
                    let stage: StageName =
                        stage.ok_or_else(|| A::Error::custom(format!("unknown key `{key}`")))?;
                    depths.set(stage, access.next_value()?);
                }
                Ok(depths)
            }
        }

        deserializer.deserialize_map(Keys)
    }
}
