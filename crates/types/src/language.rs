//! The language of a text, as far as it matters here.

use serde::{Deserialize, Serialize};

/// The language of a document or query. What cannot be told is `None` of an `Option<Language>`,
/// not a language of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Language {
    /// German.
    #[serde(rename = "de")]
    German,
    /// English.
    #[serde(rename = "en")]
    English,
    /// Any other.
    #[serde(rename = "other")]
    Other,
}

/// What a record says of its language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LanguageTag {
    /// A language.
    Language(Language),
    /// That it is not known, or that there are several: `und`, `mul`, `mis`, `zxx`, or nothing.
    Undetermined,
    /// Nothing that is a language tag.
    Invalid,
}

impl Language {
    /// All of them.
    pub const ALL: [Language; 3] = [Language::German, Language::English, Language::Other];

    /// Its name in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Language::German => "German",
            Language::English => "English",
            Language::Other => "another language",
        }
    }

    /// Its code: `de`, `en`, or `other`.
    pub fn code(self) -> &'static str {
        match self {
            Language::German => "de",
            Language::English => "en",
            Language::Other => "other",
        }
    }
}

impl std::fmt::Display for Language {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.code())
    }
}

impl LanguageTag {
    /// Reads a language tag of BCP 47 (RFC 5646), as far as it says which language: `de`, `de-AT`,
    /// `de_CH.UTF-8` as operating systems write it, `DEU`; case does not count. `other` is one too,
    /// as [`Language::code`] writes it.
    pub fn parse(tag: &str) -> Self {
        let tag = tag.trim();
        let primary = tag.split(['-', '_', '.']).next().unwrap_or_default();
        let is_tag = tag
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'@'));
        match primary.to_ascii_lowercase().as_str() {
            "" if tag.is_empty() => LanguageTag::Undetermined,
            _ if !is_tag => LanguageTag::Invalid,
            "de" | "deu" | "ger" => LanguageTag::Language(Language::German),
            "en" | "eng" => LanguageTag::Language(Language::English),
            "und" | "mul" | "mis" | "zxx" => LanguageTag::Undetermined,
            "other" => LanguageTag::Language(Language::Other),
            other
                if matches!(other.len(), 2 | 3)
                    && other.bytes().all(|b| b.is_ascii_lowercase()) =>
            {
                LanguageTag::Language(Language::Other)
            }
            _ => LanguageTag::Invalid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_whatever_their_case_and_region() {
        for (tag, language) in [
            ("de", Language::German),
            ("de-AT", Language::German),
            ("DE_ch.UTF-8", Language::German),
            ("deu", Language::German),
            (" en-US ", Language::English),
            ("eng", Language::English),
            ("fr", Language::Other),
            ("zh-Hant-TW", Language::Other),
            ("other", Language::Other),
        ] {
            assert_eq!(
                LanguageTag::parse(tag),
                LanguageTag::Language(language),
                "{tag}"
            );
        }
        for tag in ["", "und", "mul", "zxx"] {
            assert_eq!(LanguageTag::parse(tag), LanguageTag::Undetermined, "{tag}");
        }
        for tag in [
            "german",
            "d",
            "de en",
            "Deutsch (Österreich)",
            "1",
            "-de",
            "d3",
        ] {
            assert_eq!(LanguageTag::parse(tag), LanguageTag::Invalid, "{tag}");
        }
    }

    #[test]
    fn a_code_is_read_as_its_language() {
        for language in Language::ALL {
            assert_eq!(
                LanguageTag::parse(language.code()),
                LanguageTag::Language(language)
            );
            let json = serde_json::to_string(&language).unwrap();
            assert_eq!(json, format!("\"{language}\""));
        }
    }
}
