//! The keys that a configuration, the settings of an index and a profile may have.

use toml::{Table, Value};
use treffer_types::StageName;

use super::{Config, FIELD_STAGES, FIELDS, PRESETS};
use crate::field_stages::FieldStage;
use crate::profile::{Depths, Profile};
use crate::stages::Registry;

/// Every key of a configuration, from one that has them all; profile names are free, and `stages`
/// have weights and normalizers in profiles, too.
pub(super) fn known_keys(stages: &[String]) -> Table {
    let full: Table = PRESETS[0]
        .1
        .parse()
        .expect("the shipped presets are valid TOML");
    let mut known = with_any_profile(with_optional(full), stages);
    let any = Table::from_iter([("*".to_string(), Value::Boolean(true))]); // checked by serde
    known.insert(FIELDS.into(), Value::Table(any));
    known.insert(FIELD_STAGES.into(), any_field_stage());
    known
}

/// Keys of sections that are not there unless they are set.
const OPTIONAL: [(&str, &[&str]); 6] = [
    ("passages", &["tokens"]),
    ("language", &["field"]),
    ("bm25", &["words"]),
    (
        "dense",
        &[
            "query_prefix",
            "passage_prefix",
            "pooling",
            "language_shift",
            "vectors",
            "dimension",
            "storage",
            "builder",
        ],
    ),
    ("late", &["model", "storage", "dimension", "pool"]),
    ("cross", &["label", "grades", "by_language"]),
];

fn with_optional(mut known: Table) -> Table {
    for (section, keys) in OPTIONAL {
        let section = known
            .entry(section)
            .or_insert_with(|| Value::Table(Table::new()));
        let section = section.as_table_mut().expect("a section is a table");
        for key in keys {
            section.insert((*key).into(), Value::Boolean(true)); // checked by serde
        }
    }
    known
}

/// Every key of `treffer.toml`.
pub(super) fn known_settings(stages: &[String]) -> Table {
    let preset = Config::from_known_preset();
    let known = Table::try_from(preset.settings(1)).expect("settings can be written as TOML");
    let mut known = with_any_profile(known, stages);
    known.insert(FIELD_STAGES.into(), any_field_stage());
    known
}

/// The names of the stages that a configuration or settings add, as they stand there.
pub(super) fn added_stages(table: &Table) -> Vec<String> {
    let stages = table.get(FIELD_STAGES).and_then(Value::as_table);
    stages.into_iter().flat_map(Table::keys).cloned().collect()
}

fn any_field_stage() -> Value {
    let keys = FieldStage::KEYS.map(|key| (key.to_string(), Value::Boolean(true)));
    Value::Table(Table::from_iter([(
        "*".to_string(),
        Value::Table(Table::from_iter(keys)),
    )]))
}

/// Every key of a profile, with weights and normalizers of the standard stages and of these.
pub(super) fn known_profile(stages: &[String]) -> Table {
    let mut profile =
        Table::try_from(Profile::default()).expect("a profile can be written as TOML");
    profile.insert("deadline_ms".into(), Value::Integer(1)); // not there unless it is set
    profile.insert(Depths::key(StageName::LATE), Value::Integer(1)); // the same
    for optional in ["by_language", "cross_languages", "learned", "tuned"] {
        profile.insert(optional.into(), Value::Boolean(true)); // checked by serde
    }
    for section in ["normalizers", "weights"] {
        let section = profile.get_mut(section).and_then(Value::as_table_mut);
        let section = section.expect("a profile has values by stage");
        let standard = Registry::standard().names();
        let standard = standard.iter().map(ToString::to_string);
        for stage in standard.chain(stages.iter().cloned()) {
            section.insert(stage, Value::Boolean(true)); // checked by serde
        }
    }
    profile
}

fn with_any_profile(mut known: Table, stages: &[String]) -> Table {
    let any = Table::from_iter([("*".to_string(), Value::Table(known_profile(stages)))]);
    known.insert("profiles".into(), Value::Table(any));
    known
}
