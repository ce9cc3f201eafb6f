//! Checks parts of a `tokenizer.json` before the tokenizers library reads it.
//!
//! The library trusts a normalizer with the machine's memory, and what it allocates in vain
//! ends the process, where a panic could be caught. Known reasons for panics are found here
//! too, since a panic prints a message of its own.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use treffer_types::BoxError;

/// Longest text in bytes that a character map may put in place of a character. The longest
/// that Unicode's normal forms know has 33.
const MOST_MAPPED: usize = 1024;

/// Largest factor by which the replacements of a normalizer may lengthen a text together.
const MOST_GROWTH: usize = 4096;

#[derive(Deserialize)]
struct Parts {
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    post_processor: Value,
    #[serde(default)]
    truncation: Value,
}

/// Refuses what could exhaust the memory, and what is known to make the library panic.
pub(crate) fn check(tokenizer: &[u8]) -> Result<(), BoxError> {
    let parts: Parts = serde_json::from_slice(tokenizer)?;
    let mut growth = 1;
    check_part(&parts.normalizer, &mut growth)?;
    check_pieces(&parts.pre_tokenizer)?;
    check_templates(&parts.post_processor)?;
    if parts.truncation["direction"] == "Left" {
        return Err("it truncates at the left; only the end of a text can be cut".into());
    }
    Ok(())
}

/// Refuses pieces of length 0.
fn check_pieces(part: &Value) -> Result<(), String> {
    match part {
        Value::Array(parts) => parts.iter().try_for_each(check_pieces),
        Value::Object(fields) => {
            if part["type"] == "FixedLength" && part["length"] == 0 {
                return Err("its pre-tokenizer cuts a text into pieces of length 0".to_owned());
            }
            fields.values().try_for_each(check_pieces)
        }
        _ => Ok(()),
    }
}

/// Refuses a template with a special token that is not described.
fn check_templates(part: &Value) -> Result<(), String> {
    match part {
        Value::Array(parts) => parts.iter().try_for_each(check_templates),
        Value::Object(fields) if part["type"] == "TemplateProcessing" => {
            let pieces = ["single", "pair"].into_iter();
            let pieces = pieces
                .filter_map(|key| fields.get(key)?.as_array())
                .flatten();
            let special = |piece: &Value| piece["SpecialToken"]["id"].as_str().map(str::to_owned);
            let known = |token: &String| part["special_tokens"].get(token).is_some();
            match pieces.filter_map(special).find(|token| !known(token)) {
                None => Ok(()),
                Some(token) => Err(format!(
                    "its template has the special token `{token}`, which it does not describe"
                )),
            }
        }
        Value::Object(fields) => fields.values().try_for_each(check_templates),
        _ => Ok(()),
    }
}

/// The settings of a BERT's normalizer, if the tokenizer has one.
#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct BertNormalizer {
    pub(crate) lowercase: bool,
    pub(crate) strip_accents: Option<bool>,
    pub(crate) handle_chinese_chars: bool,
}

/// The settings of a BERT's normalizer in the bytes of a `tokenizer.json`.
pub(crate) fn of_bert(tokenizer: &[u8]) -> Option<BertNormalizer> {
    let parts: Parts = serde_json::from_slice(tokenizer).ok()?;
    let normalizer = parts.normalizer;
    let of_bert = normalizer["type"] == "BertNormalizer";
    of_bert.then(|| serde_json::from_value(normalizer).ok())?
}

fn check_part(part: &Value, growth: &mut usize) -> Result<(), String> {
    match part {
        Value::Array(parts) => parts.iter().try_for_each(|part| check_part(part, growth)),
        Value::Object(fields) => {
            if let Some(Value::String(map)) = fields.get("precompiled_charsmap") {
                grow(growth, longest_of_map(map)?)?;
            }
            if let Some(Value::String(content)) = fields.get("content") {
                grow(growth, content.len())?;
            }
            fields
                .values()
                .try_for_each(|part| check_part(part, growth))
        }
        _ => Ok(()),
    }
}

/// A part may put so many bytes in the place of one.
fn grow(growth: &mut usize, bytes: usize) -> Result<(), String> {
    *growth = growth.saturating_mul(bytes.max(1));
    if *growth <= MOST_GROWTH {
        return Ok(());
    }
    Err(format!(
        "the replacements of its normalizer lengthen a text more than {MOST_GROWTH} times"
    ))
}

/// The longest text in bytes that a character map puts in place of a character. A map is the length
/// of a table in bytes, the table, and texts that end with 0.
fn longest_of_map(map: &str) -> Result<usize, String> {
    let damaged = |why: &str| format!("the precompiled_charsmap of its normalizer {why}");
    let bytes = STANDARD
        .decode(map)
        .map_err(|error| damaged(&format!("is not base64: {error}")))?;
    let (length, rest) = bytes
        .split_first_chunk()
        .ok_or_else(|| damaged("is too short"))?;
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let (_, texts) = rest
        .split_at_checked(length)
        .ok_or_else(|| damaged("is shorter than it says"))?;
    let longest = texts.split(|&byte| byte == 0).map(<[u8]>::len).max();
    let longest = longest.unwrap_or_default();
    if longest > MOST_MAPPED {
        return Err(damaged(&format!(
            "puts more than {MOST_MAPPED} bytes in place of a character"
        )));
    }
    Ok(longest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn message(normalizer: Value) -> String {
        let file = json!({ "model": { "type": "WordPiece" }, "normalizer": normalizer });
        match check(file.to_string().as_bytes()) {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    fn map(bytes: &[u8]) -> Value {
        json!({ "type": "Precompiled", "precompiled_charsmap": STANDARD.encode(bytes) })
    }

    #[test]
    fn a_character_map_has_the_length_that_it_says() {
        assert_eq!(message(map(&[4, 0, 0, 0, 1, 2, 3, 4, b'a', 0])), "");
        for (bytes, why) in [
            (&[0, 0, 0][..], "too short"),
            (&[255, 255, 255, 255], "shorter than it says"),
            (&[8, 0, 0, 0, 1, 2, 3, 4], "shorter than it says"),
        ] {
            let found = message(json!({ "type": "Sequence", "normalizers": [map(bytes)] }));
            assert!(found.contains(why), "{found}");
        }
        let found = message(json!({ "type": "Precompiled", "precompiled_charsmap": "???" }));
        assert!(found.contains("not base64"), "{found}");
        let long = [&[0, 0, 0, 0][..], &[b'a'; MOST_MAPPED + 1]].concat();
        assert!(message(map(&long)).contains("in place of a character"));
    }

    #[test]
    fn replacements_do_not_multiply_without_end() {
        let replace = json!({ "type": "Replace", "pattern": { "String": "a" }, "content": "aa" });
        let chain = |n: usize| json!({ "type": "Sequence", "normalizers": vec![&replace; n] });
        assert_eq!(message(chain(12)), "");
        assert!(message(chain(13)).contains("lengthen a text"));
        let map = map(&[&[0, 0, 0, 0][..], &[b'a'; 100]].concat());
        let chain = |n: usize| json!({ "type": "Sequence", "normalizers": vec![&map; n] });
        assert_eq!(message(chain(1)), "");
        assert!(message(chain(2)).contains("lengthen a text"));
    }

    #[test]
    fn truncation_at_the_left_is_found() {
        let found = |side: &str| {
            let file = json!({ "truncation": { "direction": side, "max_length": 8 } });
            check(file.to_string().as_bytes()).is_err()
        };
        assert!(found("Left") && !found("Right"));
        assert!(check(br#"{"truncation": null}"#).is_ok());
    }

    #[test]
    fn known_reasons_for_a_panic_are_found() {
        let found = |part: &str, value: Value| {
            let file = json!({ part: { "type": "Sequence", "parts": [value] } });
            check(file.to_string().as_bytes()).map_err(|error| error.to_string())
        };
        let pieces = |length: u32| json!({ "type": "FixedLength", "length": length });
        assert_eq!(found("pre_tokenizer", pieces(5)), Ok(()));
        let message = found("pre_tokenizer", pieces(0)).unwrap_err();
        assert!(message.contains("length 0"), "{message}");
        let template = |token: &str| {
            json!({
                "type": "TemplateProcessing",
                "single": [{ "SpecialToken": { "id": token, "type_id": 0 } }],
                "special_tokens": { "[CLS]": { "id": "[CLS]", "ids": [2], "tokens": ["[CLS]"] } },
            })
        };
        assert_eq!(found("post_processor", template("[CLS]")), Ok(()));
        let message = found("post_processor", template("[NEW]")).unwrap_err();
        assert!(message.contains("`[NEW]`"), "{message}");
    }

    #[test]
    fn the_settings_of_a_bert_are_found() {
        let file = |normalizer: Value| json!({ "normalizer": normalizer }).to_string();
        let bert = json!({
            "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": false,
        });
        let found = of_bert(file(bert).as_bytes()).unwrap();
        assert_eq!((found.lowercase, found.strip_accents), (false, None));
        assert_eq!(of_bert(file(json!({ "type": "NFC" })).as_bytes()), None);
        assert_eq!(of_bert(b"{}"), None);
    }
}
