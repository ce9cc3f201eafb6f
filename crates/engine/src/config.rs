//! The configuration of an index: presets, files and single keys, merged and checked before
//! anything is built.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};
use treffer_bm25::Bm25Config;
pub use treffer_bm25::{Analyzer, Fields};
use treffer_columns::FieldSchema;
use treffer_types::Device;

pub use crate::blueprint::{
    Blueprint, Compression, CrossConfig, DenseConfig, LanguageConfig, LateConfig, LateStorage,
};
use crate::error::Error;
use crate::field_stages::{FieldStages, check_names};
use crate::keys;
pub use crate::passages::{PassageConfig, Unit};
use crate::profile::Profile;
use crate::stages::Registry;
pub use treffer_api::DEFAULT_PROFILE;

mod known;

use known::{added_stages, known_keys, known_profile, known_settings};

/// The configuration of an index. `configs/english.toml` explains each key.
///
/// What shapes the index ([`Blueprint`]) is fixed when it is built; the rest
/// ([`Settings`]) is stored beside it in `treffer.toml` and can be edited at any time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where models run.
    #[serde(default)]
    pub device: Device,
    /// How the languages of documents are known.
    #[serde(default, skip_serializing_if = "LanguageConfig::is_default")]
    pub language: LanguageConfig,
    /// The fields of documents, besides id, title and text, that can be filtered, counted and
    /// sorted by: their names and types, as in `brand = "keyword"`. A dotted name, or a section
    /// of that name, leads into an object.
    #[serde(default, skip_serializing_if = "FieldSchema::is_empty")]
    pub fields: FieldSchema,
    /// The BM25 stage.
    pub bm25: Bm25Config,
    /// How documents are split into passages; without it they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passages: Option<PassageConfig>,
    /// The bi-encoder stage; without it the index has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dense: Option<DenseConfig>,
    /// The stage of late interaction; without it the index has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late: Option<LateConfig>,
    /// The cross-encoder stage; without it the index has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross: Option<CrossConfig>,
    /// Stages that score documents by a field: see [`field_stages`](crate::field_stages).
    #[serde(default, skip_serializing_if = "FieldStages::is_empty")]
    pub field_stages: FieldStages,
    /// Profiles by name; there is always one called `default`.
    #[serde(default)]
    pub profiles: BTreeMap<String, Profile>,
}

/// What can be changed without rebuilding: the content of `treffer.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The generation of the index that they were written for: see
    /// [`BuiltSettings`](crate::manifest::BuiltSettings).
    pub generation: u64,
    /// Where models run.
    pub device: Device,
    /// The part of the BM25 stage that can be changed.
    pub bm25: Bm25Settings,
    /// Stages that score documents by a field.
    #[serde(default, skip_serializing_if = "FieldStages::is_empty")]
    pub field_stages: FieldStages,
    /// Profiles by name.
    pub profiles: BTreeMap<String, Profile>,
}

/// The parameters of the BM25 stage that can be changed without rebuilding.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bm25Settings {
    /// Term-frequency saturation.
    pub k1: f32,
    /// Length normalization.
    pub b: f32,
}

/// Presets by name, as shipped in `configs/`.
pub const PRESETS: [(&str, &str); 5] = [
    ("english", include_str!("../../../configs/english.toml")),
    ("german", include_str!("../../../configs/german.toml")),
    (
        "multilingual",
        include_str!("../../../configs/multilingual.toml"),
    ),
    ("fast", include_str!("../../../configs/fast.toml")),
    ("quick", include_str!("../../../configs/quick.toml")),
];

impl Config {
    /// A shipped preset.
    ///
    /// # Errors
    /// If there is none of this name; the message lists them.
    pub fn preset(name: &str) -> Result<Self, Error> {
        Base::Preset(name)
            .read()
            .and_then(|table| Config::from_table(table, "preset"))
    }

    /// `base` with single keys set on top, each as `section.key=value`; `value` is
    /// TOML, or taken as a string if it is no TOML value.
    ///
    /// # Errors
    /// If the base cannot be read, a key is unknown (the nearest known one is named) or a
    /// value is out of range.
    pub fn load(base: Base<'_>, overrides: &[String]) -> Result<Self, Error> {
        let mut table = base.read()?;
        keys::rename_former(&mut table).map_err(|(former, today)| {
            config_error(
                &base.to_string(),
                &format!(
                    "it has the sections `{today}` and `{former}`, which is the former name of `{today}`; keep one"
                ),
            )
        })?;
        for text in overrides {
            apply_override(&mut table, text)?;
        }
        Config::from_table(table, &base.to_string())
    }

    /// The part that is fixed once the index is built.
    pub fn blueprint(&self) -> Blueprint {
        Blueprint {
            language: self.language.clone(),
            fields: self.fields.clone(),
            bm25: self.bm25.clone(),
            passages: self.passages.clone(),
            dense: self.dense.clone(),
            late: self.late.clone(),
            cross: self.cross.clone(),
        }
    }

    /// The part that can be changed later, for the build that commits `generation`.
    pub fn settings(&self, generation: u64) -> Settings {
        Settings {
            generation,
            device: self.device,
            bm25: Bm25Settings {
                k1: self.bm25.k1,
                b: self.bm25.b,
            },
            field_stages: self.field_stages.clone(),
            profiles: self.profiles.clone(),
        }
    }

    fn from_table(mut table: Table, origin: &str) -> Result<Self, Error> {
        if let Some(Value::Table(fields)) = table.get_mut(FIELDS) {
            let flat = keys::flattened(std::mem::take(fields));
            *fields = flat.map_err(|name| {
                config_error(origin, &format!("`{FIELDS}` has the field `{name}` twice"))
            })?;
        }
        refuse_unknown(&table, &known_keys(&added_stages(&table)), origin)?;
        let mut config: Config = Value::Table(table)
            .try_into()
            .map_err(|source: toml::de::Error| typed_error(origin, &source))?;
        config.profiles.entry(DEFAULT_PROFILE.into()).or_default();
        config.profiles = in_running_order(config.profiles, &config.field_stages);
        config.check(origin)?;
        Ok(config)
    }

    fn check(&self, origin: &str) -> Result<(), Error> {
        let Config {
            device: _,
            language,
            fields,
            bm25,
            passages,
            dense,
            late,
            cross,
            field_stages,
            profiles,
        } = self;
        let invalid = |what: &str, source: treffer_types::BoxError| Error::Config {
            origin: origin.into(),
            what: format!("section `{what}` cannot be used"),
            source: Some(source),
        };
        if language.field.as_deref() == Some("") {
            return Err(config_error(
                origin,
                "`language.field` is empty; name a field of the records, or leave it out",
            ));
        }
        if fields.names().any(str::is_empty) {
            let what = format!("`{FIELDS}` has a field without a name");
            return Err(config_error(origin, &what));
        }
        bm25.validate().map_err(|e| invalid("bm25", e.into()))?;
        if let Some(passages) = passages {
            let checked = passages.check();
            checked.map_err(|e| config_error(origin, &format!("section `passages`: {e}")))?;
        }
        if let Some(dense) = dense {
            let checked = dense.check();
            checked.map_err(|what| config_error(origin, &what))?;
            dense
                .graph
                .validate()
                .map_err(|e| invalid("dense", e.into()))?;
        }
        if let Some(late) = late {
            let checked = late.compression.validate();
            checked.map_err(|e| invalid("late", e.into()))?;
        }
        if let Some(cross) = cross {
            let scoring = cross.settings.scoring();
            scoring.map_err(|e| config_error(origin, &format!("section `cross`: {e}")))?;
        }
        check_names(field_stages, &Registry::standard().names())
            .map_err(|what| config_error(origin, &what))?;
        check_profiles(profiles, origin)
    }
}

impl Settings {
    /// From the text of `treffer.toml`; `origin` names it in errors.
    ///
    /// # Errors
    /// If a key or value is wrong.
    pub fn parse(text: &str, origin: &str) -> Result<Self, Error> {
        let table = parse(text, origin)?;
        refuse_unknown(&table, &known_settings(&added_stages(&table)), origin)?;
        let mut settings: Settings = Value::Table(table)
            .try_into()
            .map_err(|source: toml::de::Error| typed_error(origin, &source))?;
        settings.profiles = in_running_order(settings.profiles, &settings.field_stages);
        check_names(&settings.field_stages, &Registry::standard().names())
            .map_err(|what| config_error(origin, &what))?;
        let bm25 = Bm25Config {
            k1: settings.bm25.k1,
            b: settings.bm25.b,
            ..Config::from_known_preset().bm25
        };
        bm25.validate()
            .map_err(|error| config_error(origin, &error.to_string()))?;
        check_profiles(&settings.profiles, origin)?;
        Ok(settings)
    }

    /// The text of `treffer.toml`.
    pub fn to_toml(&self) -> String {
        let body = toml::to_string(self).expect("settings can be written as TOML");
        format!("{SETTINGS_HEAD}{body}")
    }

    /// The named profile.
    ///
    /// # Errors
    /// If there is none of this name; the message lists them.
    pub fn profile(&self, name: &str) -> Result<&Profile, Error> {
        self.profiles.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.profiles.keys().map(String::as_str).collect();
            Error::Request(format!(
                "there is no profile `{name}`; this index has {}",
                names.join(", ")
            ))
        })
    }
}

const SETTINGS_HEAD: &str = "\
# Settings of this index that take effect at the next search.
# `treffer tune` writes weights here; every key may also be edited by hand, except
# `generation`: it says for which build of the index they were written.

";

/// Where a configuration starts from.
#[derive(Clone, Copy, Debug)]
pub enum Base<'a> {
    /// A shipped preset.
    Preset(&'a str),
    /// A configuration file.
    File(&'a Path),
}

impl std::fmt::Display for Base<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Base::Preset(name) => write!(f, "preset {name}"),
            Base::File(path) => path.display().fmt(f),
        }
    }
}

impl Base<'_> {
    fn read(self) -> Result<Table, Error> {
        match self {
            Base::Preset(name) => {
                let Some((_, text)) = PRESETS.iter().find(|(preset, _)| *preset == name) else {
                    let names: Vec<&str> = PRESETS.iter().map(|(preset, _)| *preset).collect();
                    return Err(config_error(
                        "--preset",
                        &format!(
                            "there is no preset `{name}`; presets are {}",
                            names.join(", ")
                        ),
                    ));
                };
                parse(text, name)
            }
            Base::File(path) => parse(&read_text(path)?, &path.display().to_string()),
        }
    }
}

fn read_text(path: &Path) -> Result<String, Error> {
    use crate::error::IoContext;
    fs::read_to_string(path).at("read", path)
}

fn parse(text: &str, origin: &str) -> Result<Table, Error> {
    text.parse()
        .map_err(|source: toml::de::Error| Error::Config {
            origin: origin.into(),
            what: "this is not valid TOML".into(),
            source: Some(source.into()),
        })
}

fn apply_override(table: &mut Table, text: &str) -> Result<(), Error> {
    let Some((key, value)) = text.split_once('=') else {
        return Err(config_error(
            "--set",
            &format!("`{text}` is not of the form key=value"),
        ));
    };
    let value = format!("value = {value}")
        .parse::<Table>()
        .ok()
        .and_then(|mut parsed| parsed.remove("value"))
        .unwrap_or_else(|| Value::String(value.to_string()));
    keys::set(table, &keys::current_name(key.trim()), value).map_err(|part| {
        config_error(
            "--set",
            &format!("`{part}` in `{key}` is a value, not a section"),
        )
    })
}

fn refuse_unknown(table: &Table, known: &Table, origin: &str) -> Result<(), Error> {
    match keys::first_unknown(table, known) {
        None => Ok(()),
        Some((key, nearest)) => Err(config_error(
            origin,
            &match nearest {
                Some(nearest) => format!("unknown key `{key}`; did you mean `{nearest}`?"),
                None => format!("unknown key `{key}`"),
            },
        )),
    }
}

impl Profile {
    /// The profile as it stands in `treffer.toml`.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a profile can be written as TOML")
    }

    /// This profile with single keys set on top, each as `key=value`.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn with_overrides(&self, overrides: &[String]) -> Result<Self, Error> {
        let mut table = Table::try_from(self).expect("a profile can be written as TOML");
        for text in overrides {
            apply_override(&mut table, text)?;
        }
        let others = self.normalizers.stages().chain(self.weights.stages());
        let others: Vec<String> = others.map(|stage| stage.to_string()).collect();
        refuse_unknown(&table, &known_profile(&others), "--set")?;
        let profile: Profile = Value::Table(table)
            .try_into()
            .map_err(|source: toml::de::Error| typed_error("--set", &source))?;
        profile
            .check()
            .map_err(|what| config_error("--set", &what))?;
        Ok(profile.in_order_of(&Registry::standard().names()))
    }
}

/// The section whose keys are names of fields.
const FIELDS: &str = "fields";
/// The section whose keys are names of stages of fields.
const FIELD_STAGES: &str = "field_stages";

/// The profiles with their values by stage in the order in which stages run, because TOML
/// tables are unordered, and with a normalizer for each stage of a field.
fn in_running_order(
    mut profiles: BTreeMap<String, Profile>,
    field_stages: &FieldStages,
) -> BTreeMap<String, Profile> {
    let stages = Registry::standard().names();
    for profile in profiles.values_mut() {
        for (stage, of) in field_stages {
            if profile.normalizers.get(*stage).is_none() {
                profile.normalizers.insert(*stage, of.normalizer());
            }
        }
        *profile = std::mem::take(profile).in_order_of(&stages);
    }
    profiles
}

fn check_profiles(profiles: &BTreeMap<String, Profile>, origin: &str) -> Result<(), Error> {
    for (name, profile) in profiles {
        profile
            .check()
            .map_err(|what| config_error(origin, &format!("profile `{name}`: {what}")))?;
        for (language, other) in &profile.by_language {
            let wrong = match profiles.get(other) {
                None => "is no profile",
                Some(other) if !other.by_language.is_empty() => "has a by_language of its own",
                Some(_) => continue,
            };
            let what =
                format!("profile `{name}`: by_language.{language} is `{other}`, which {wrong}");
            return Err(config_error(origin, &what));
        }
    }
    Ok(())
}

/// The parser's error with the key at fault, on one line.
fn typed_error(origin: &str, source: &toml::de::Error) -> Error {
    let what = source.to_string();
    let lines: Vec<&str> = what.trim().lines().collect();
    config_error(origin, &lines.join(" "))
}

fn config_error(origin: &str, what: &str) -> Error {
    Error::Config {
        origin: origin.into(),
        what: what.trim_end().into(),
        source: None,
    }
}

impl Config {
    fn from_known_preset() -> Config {
        toml::from_str(PRESETS[0].1).expect("the shipped presets are valid TOML")
    }
}

#[cfg(test)]
mod tests;
