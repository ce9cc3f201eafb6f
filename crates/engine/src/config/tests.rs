//! What configurations are read, merged and refused.

use treffer_types::{Pooling, StageName};

use super::*;

fn load(overrides: &[&str]) -> Result<Config, String> {
    let overrides: Vec<String> = overrides
        .iter()
        .map(std::string::ToString::to_string)
        .collect();
    Config::load(Base::Preset("english"), &overrides).map_err(|error| error.to_string())
}

#[test]
fn every_preset_loads_and_survives_a_round_trip() {
    for (name, _) in PRESETS {
        let config = Config::preset(name).unwrap_or_else(|e| panic!("{name}: {e}"));
        let text = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<Config>(&text).unwrap(), config, "{name}");
    }
}

#[test]
fn settings_survive_a_round_trip() {
    let settings = Config::preset("german").unwrap().settings(7);
    assert_eq!(
        Settings::parse(&settings.to_toml(), "it").unwrap(),
        settings
    );
}

#[test]
fn keys_are_set_from_the_command_line() {
    let config = load(&[
        "bm25.k1=1.2",
        "dense.model=./mine",
        "profiles.deep.cross_depth=7",
    ])
    .unwrap();
    assert_eq!(config.bm25.k1, 1.2);
    assert_eq!(config.dense.unwrap().model, "./mine");
    assert_eq!(
        config.profiles["deep"].depths.get(StageName::CROSS),
        Some(7)
    );
}

#[test]
fn a_configuration_of_former_names_is_read() {
    let today = Config::preset("german").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.toml");
    let text = toml::to_string(&today).unwrap();
    fs::write(&path, text.replace("[bm25]", "[lexical]")).unwrap();
    assert_eq!(Config::load(Base::File(&path), &[]).unwrap(), today);
    assert_eq!(load(&["lexical.k1=1.2"]).unwrap().bm25.k1, 1.2);
    fs::write(&path, format!("[lexical]\nk1 = 1.0\n{text}")).unwrap();
    let error = Config::load(Base::File(&path), &[]).unwrap_err();
    assert!(error.to_string().contains("keep one"), "{error}");
}

#[test]
fn an_unknown_key_names_the_nearest() {
    let message = load(&["bm25.analyser=german"]).unwrap_err();
    assert!(
        message.contains("`bm25.analyser`; did you mean `bm25.analyzer`?"),
        "{message}"
    );
    let message = load(&["profiles.default.ef=3"]).unwrap_err();
    assert!(
        message.contains("unknown key `profiles.default.ef`"),
        "{message}"
    );
}

#[test]
fn what_a_model_does_not_say_is_set_by_keys() {
    let config = load(&[
        "dense.query_prefix=query: ",
        "dense.passage_prefix=",
        "dense.pooling=lasttoken",
        "cross.label=entailment",
    ])
    .unwrap();
    let dense = config.dense.clone().unwrap().settings;
    assert_eq!(dense.query_prefix.as_deref(), Some("query: "));
    assert_eq!(dense.passage_prefix.as_deref(), Some(""));
    assert_eq!(dense.pooling, Some(Pooling::LastToken));
    let cross = config.cross.clone().unwrap().settings;
    assert_eq!(cross.label.as_deref(), Some("entailment"));
    for (written, label) in [("1", "1"), ("true", "true"), ("True", "True")] {
        let config = load(&[&format!("cross.label={written}")]).unwrap();
        assert_eq!(config.cross.unwrap().settings.label.as_deref(), Some(label));
    }
    let text = toml::to_string(&config).unwrap();
    assert_eq!(toml::from_str::<Config>(&text).unwrap(), config);
    let json = serde_json::to_string(&config.blueprint()).unwrap();
    let read: Blueprint = serde_json::from_str(&json).unwrap();
    assert_eq!(read, config.blueprint());
    for (keys, word) in [
        (&["dense.pooling=median"][..], "median"),
        (&["cross.grades=[1,1]"], "must differ"),
        (&["cross.grades=[0,1]", "cross.label=yes"], "both set"),
        (&["cross.lable=yes"], "cross.label"),
    ] {
        let message = load(keys).unwrap_err();
        assert!(message.contains(word), "{message}");
    }
}

#[test]
fn values_out_of_range_are_refused() {
    for (key, part) in [
        (
            "profiles.default.weights={ bm25 = 0.5, dense = 0.5, cross = 0.5 }",
            "1.5",
        ),
        (
            "profiles.default.weights={ bm25 = -0.5, dense = 1.0, cross = 0.5 }",
            "-0.5",
        ),
        ("profiles.default.ef_search=10", "ef_search is 10"),
        ("bm25.analyzer=klingon", "klingon"),
        ("device=tpu", "tpu"),
        ("nokey", "key=value"),
    ] {
        let message = load(&[key]).unwrap_err();
        assert!(message.contains(part), "{key}: {message}");
    }
    assert!(load(&["bm25.b=1.5"]).is_err());
    assert!(load(&["dense.m=1"]).is_err());
}
