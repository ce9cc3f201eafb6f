//! Settings of an index, as they may be edited, and configurations.

#![no_main]

use libfuzzer_sys::fuzz_target;
use treffer_engine::config::Settings;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let Ok(settings) = Settings::parse(text, "treffer.toml") else {
        return;
    };
    let again = Settings::parse(&settings.to_toml(), "treffer.toml");
    assert_eq!(again.expect("what was read can be written"), settings);
});
