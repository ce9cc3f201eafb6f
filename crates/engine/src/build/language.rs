//! What the records of a corpus say of their language.

use serde_json::Value;
use treffer_types::{Document, Language, LanguageTag};

use crate::blueprint::LanguageConfig;

/// Reads the language of each record, and keeps account of what is none.
#[derive(Debug, Default)]
pub(super) struct RecordLanguages {
    field: Option<String>,
    unread: UnreadLanguages,
}

/// Records whose field for the language holds no language tag. They are indexed, and their
/// language is detected, as of those without the field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnreadLanguages {
    /// The field.
    pub field: String,
    /// How many there are.
    pub records: u64,
    /// The first: the document's id, and what its field holds.
    pub first: Option<(String, String)>,
}

impl RecordLanguages {
    pub(super) fn new(config: &LanguageConfig) -> Self {
        let unread = UnreadLanguages {
            field: config.field.clone().unwrap_or_default(),
            ..UnreadLanguages::default()
        };
        RecordLanguages {
            field: config.field.clone(),
            unread,
        }
    }

    /// The language that the record names, if it does. What names none is counted.
    pub(super) fn of(&mut self, document: &Document) -> Option<Language> {
        match self.tag(document)? {
            (LanguageTag::Language(language), _) => Some(language),
            (LanguageTag::Undetermined, _) => None,
            (LanguageTag::Invalid, value) => {
                let first = (document.id.clone(), value.to_string());
                self.unread.records += 1;
                self.unread.first.get_or_insert(first);
                None
            }
        }
    }

    /// The language that the record names, if it does.
    pub(super) fn named(&self, document: &Document) -> Option<Language> {
        match self.tag(document)? {
            (LanguageTag::Language(language), _) => Some(language),
            (LanguageTag::Undetermined | LanguageTag::Invalid, _) => None,
        }
    }

    fn tag<'a>(&self, document: &'a Document) -> Option<(LanguageTag, &'a Value)> {
        let value = find(document, self.field.as_deref()?)?;
        let tag = match value {
            Value::Null => LanguageTag::Undetermined,
            Value::String(tag) => LanguageTag::parse(tag),
            _ => LanguageTag::Invalid,
        };
        Some((tag, value))
    }

    /// Records whose field names no language.
    pub(super) fn unread(self) -> UnreadLanguages {
        self.unread
    }
}

/// The value of a field, by its name or by the names of objects on the way to it.
fn find<'a>(document: &'a Document, field: &str) -> Option<&'a Value> {
    let metadata = &document.metadata;
    metadata.get(field).or_else(|| {
        let mut names = field.split('.');
        let first = metadata.get(names.next()?)?;
        names.try_fold(first, |value, name| value.get(name))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(metadata: Value) -> Document {
        let Value::Object(metadata) = metadata else {
            panic!("{metadata} is no object");
        };
        Document {
            id: "d1".into(),
            text: "text".into(),
            metadata,
            ..Document::default()
        }
    }

    #[test]
    fn a_field_names_the_language_and_what_names_none_is_counted() {
        let mut languages = RecordLanguages::new(&LanguageConfig {
            field: Some("lang".into()),
        });
        let mut of = |value: Value| languages.of(&document(json!({ "lang": value })));
        assert_eq!(of(json!("de-AT")), Some(Language::German));
        assert_eq!(of(json!("EN")), Some(Language::English));
        assert_eq!(of(json!("fr")), Some(Language::Other));
        assert_eq!(of(json!("und")), None);
        assert_eq!(of(json!(null)), None);
        assert_eq!(of(json!("Deutsch!")), None);
        assert_eq!(of(json!(7)), None);
        assert_eq!(languages.of(&document(json!({}))), None);
        let unread = languages.unread();
        assert_eq!(unread.records, 2);
        assert_eq!(unread.first, Some(("d1".into(), "\"Deutsch!\"".into())));
    }

    #[test]
    fn a_field_may_be_within_an_object() {
        let mut languages = RecordLanguages::new(&LanguageConfig {
            field: Some("metadata.lang".into()),
        });
        let inner = document(json!({ "metadata": { "lang": "de" } }));
        assert_eq!(languages.of(&inner), Some(Language::German));
        let flat = document(json!({ "metadata.lang": "en" }));
        assert_eq!(languages.of(&flat), Some(Language::English));
        assert_eq!(languages.of(&document(json!({ "metadata": 1 }))), None);
    }

    #[test]
    fn without_a_field_nothing_is_read() {
        let mut languages = RecordLanguages::new(&LanguageConfig::default());
        assert_eq!(languages.of(&document(json!({ "lang": "de" }))), None);
    }
}
