//! A tokenizer of BERT from a `vocab.txt`, for models that were saved without a
//! `tokenizer.json`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// File name of the vocabulary: one word piece per line, whose number from 0 is its id.
pub(crate) const VOCABULARY: &str = "vocab.txt";
/// File name of tokens beside those of a vocabulary, in folders of older programs.
pub(crate) const ADDED_TOKENS: &str = "added_tokens.json";

/// The settings of a tokenizer: `tokenizer_config.json`, and `special_tokens_map.json` for
/// what it lacks. The defaults are those of Transformers.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TokenizerConfig {
    pub(crate) tokenizer_class: Option<String>,
    pub(crate) do_lower_case: Option<bool>,
    pub(crate) do_basic_tokenize: Option<bool>,
    pub(crate) strip_accents: Option<bool>,
    pub(crate) tokenize_chinese_chars: Option<bool>,
    pub(crate) truncation_side: Option<String>,
    unk_token: Option<Special>,
    cls_token: Option<Special>,
    sep_token: Option<Special>,
    pad_token: Option<Special>,
    mask_token: Option<Special>,
    added_tokens_decoder: Map<String, Value>,
}

/// A special token as text, or as an object with its text.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Special {
    Text(String),
    Object { content: String },
}

impl Special {
    fn text(&self) -> &str {
        match self {
            Special::Text(text) | Special::Object { content: text } => text,
        }
    }
}

/// Tokenizers that are BERT's under another name.
const CLASSES: [&str; 4] = [
    "BertTokenizer",
    "ElectraTokenizer",
    "DistilBertTokenizer",
    "MobileBertTokenizer",
];

impl TokenizerConfig {
    /// The text of the mask token, if it is stated.
    pub(crate) fn mask_token(&self) -> Option<&str> {
        self.mask_token.as_ref().map(Special::text)
    }

    /// Takes the special tokens of `other` that this lacks.
    pub(crate) fn complete(&mut self, other: TokenizerConfig) {
        let ours = [
            &mut self.unk_token,
            &mut self.cls_token,
            &mut self.sep_token,
            &mut self.pad_token,
            &mut self.mask_token,
        ];
        let theirs = [
            other.unk_token,
            other.cls_token,
            other.sep_token,
            other.pad_token,
            other.mask_token,
        ];
        for (ours, theirs) in ours.into_iter().zip(theirs) {
            if ours.is_none() {
                *ours = theirs;
            }
        }
    }

    /// The special tokens: unknown, class, separator, padding, mask.
    fn specials(&self) -> [&str; 5] {
        let all = [
            (&self.unk_token, "[UNK]"),
            (&self.cls_token, "[CLS]"),
            (&self.sep_token, "[SEP]"),
            (&self.pad_token, "[PAD]"),
            (&self.mask_token, "[MASK]"),
        ];
        all.map(|(token, usual)| token.as_ref().map_or(usual, Special::text))
    }
}

/// The bytes of the `tokenizer.json` that Transformers would make of a BERT's `vocab.txt`.
///
/// # Errors
/// What in the settings or the vocabulary cannot be followed.
pub(crate) fn to_tokenizer(
    vocabulary: &[u8],
    config: &TokenizerConfig,
    added_tokens: &BTreeMap<String, u32>,
) -> Result<Vec<u8>, String> {
    if let Some(class) = &config.tokenizer_class {
        let plain = class.strip_suffix("Fast").unwrap_or(class);
        if !CLASSES.contains(&plain) {
            return Err(format!(
                "tokenizer_config.json names the tokenizer `{class}`, which a vocab.txt alone does not describe"
            ));
        }
    }
    if config.do_basic_tokenize == Some(false) {
        return Err(
            "tokenizer_config.json says `do_basic_tokenize` false, which is not supported"
                .to_owned(),
        );
    }
    let text = std::str::from_utf8(vocabulary).map_err(|_| "vocab.txt is not UTF-8".to_owned())?;
    let pieces = text.lines().zip(0_u32..);
    let mut vocab: Map<String, Value> = Map::new();
    for (piece, id) in pieces {
        vocab.insert(piece.to_owned(), id.into());
    }
    let id = |token: &str| {
        let id = vocab.get(token).and_then(Value::as_u64);
        id.ok_or_else(|| format!("vocab.txt lacks the special token `{token}`"))
    };
    let [unknown, class, separator, padding, mask] = config.specials();
    let (class_id, separator_id) = (id(class)?, id(separator)?);
    let mut added = Vec::new();
    for token in [padding, unknown, class, separator, mask] {
        // Only training needs a mask.
        if token == mask && !vocab.contains_key(token) {
            continue;
        }
        added.push(json!({
            "id": id(token)?, "content": token, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": true,
        }));
    }
    for token in config.added_tokens_decoder.values() {
        let content = token["content"].as_str().unwrap_or_default();
        if !config.specials().contains(&content) {
            return Err(format!(
                "tokenizer_config.json adds the token `{content}` to those of vocab.txt"
            ));
        }
    }
    if let Some(token) = added_tokens
        .keys()
        .find(|token| !vocab.contains_key(*token))
    {
        return Err(format!(
            "added_tokens.json adds the token `{token}` to those of vocab.txt"
        ));
    }
    let special = |token: &str, id: u64| json!({ "id": token, "ids": [id], "tokens": [token] });
    let piece =
        |token: &str, segment: u8| json!({ "SpecialToken": { "id": token, "type_id": segment } });
    let text = |text: &str, segment: u8| json!({ "Sequence": { "id": text, "type_id": segment } });
    let mut special_tokens = Map::new();
    special_tokens.insert(class.to_owned(), special(class, class_id));
    special_tokens.insert(separator.to_owned(), special(separator, separator_id));
    let tokenizer = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": true,
            "handle_chinese_chars": config.tokenize_chinese_chars.unwrap_or(true),
            "strip_accents": config.strip_accents,
            "lowercase": config.do_lower_case.unwrap_or(true),
        },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [piece(class, 0), text("A", 0), piece(separator, 0)],
            "pair": [piece(class, 0), text("A", 0), piece(separator, 0), text("B", 1), piece(separator, 1)],
            "special_tokens": special_tokens,
        },
        "decoder": { "type": "WordPiece", "prefix": "##", "cleanup": true },
        "model": {
            "type": "WordPiece",
            "unk_token": unknown,
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocab,
        },
    });
    Ok(tokenizer.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECES: &[u8] = b"[PAD]\n[UNK]\r\n[CLS]\n[SEP]\n[MASK]\ncold\n##er\n";

    fn made(vocabulary: &[u8], config: &str) -> Result<Value, String> {
        let config = serde_json::from_str(config).unwrap();
        let bytes = to_tokenizer(vocabulary, &config, &BTreeMap::new());
        bytes.map(|bytes| serde_json::from_slice(&bytes).unwrap())
    }

    #[test]
    fn tokens_beside_the_vocabulary_are_named() {
        let with = |token: &str| {
            let added = BTreeMap::from([(token.to_owned(), 7)]);
            to_tokenizer(PIECES, &TokenizerConfig::default(), &added)
        };
        assert!(with("cold").is_ok());
        let message = with("labx").unwrap_err();
        assert!(
            message.contains("added_tokens.json") && message.contains("`labx`"),
            "{message}"
        );
    }

    #[test]
    fn a_vocabulary_becomes_the_tokenizer_of_a_bert() {
        let tokenizer = made(PIECES, "{}").unwrap();
        assert_eq!(tokenizer["model"]["vocab"]["##er"], 6);
        assert_eq!(tokenizer["normalizer"]["lowercase"], true);
        let cased = made(
            PIECES,
            r#"{"do_lower_case": false, "tokenizer_class": "BertTokenizerFast", "cls_token": {"content": "cold"}}"#,
        )
        .unwrap();
        assert_eq!(cased["normalizer"]["lowercase"], false);
        let first = &cased["post_processor"]["special_tokens"]["cold"];
        assert_eq!(first["ids"][0], 5);
    }

    #[test]
    fn special_tokens_come_from_either_file() {
        let mut config: TokenizerConfig =
            serde_json::from_str(r#"{"cls_token": "[SEP]"}"#).unwrap();
        config
            .complete(serde_json::from_str(r#"{"cls_token": "x", "sep_token": "cold"}"#).unwrap());
        assert_eq!(
            config.specials(),
            ["[UNK]", "[SEP]", "cold", "[PAD]", "[MASK]"]
        );
    }

    #[test]
    fn what_cannot_be_followed_is_named() {
        for (vocabulary, config, word) in [
            (
                PIECES,
                r#"{"tokenizer_class": "BertJapaneseTokenizer"}"#,
                "BertJapaneseTokenizer",
            ),
            (
                PIECES,
                r#"{"do_basic_tokenize": false}"#,
                "do_basic_tokenize",
            ),
            (
                PIECES,
                r#"{"added_tokens_decoder": {"7": {"content": "[NEW]"}}}"#,
                "[NEW]",
            ),
            (b"[UNK]\n[CLS]\n[PAD]", "{}", "[SEP]"),
            (b"\xff\n", "{}", "UTF-8"),
        ] {
            let message = made(vocabulary, config).unwrap_err();
            assert!(message.contains(word), "{message}");
        }
    }
}
