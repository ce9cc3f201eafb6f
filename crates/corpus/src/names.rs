//! The names under which files hold the same thing, and the one rule for ids. Documents,
//! queries and judgments are all read by these lists, whatever the format.

use serde_json::{Map, Value};

use crate::problem::Reason;

/// Names of one field, the first that is present counts.
pub(crate) type Names = &'static [&'static str];

/// The id of a document, in a file of documents.
pub(crate) const DOCUMENT_ID: Names = &[
    "_id",
    "id",
    "doc_id",
    "docid",
    "docno",
    "corpus_id",
    "document_id",
];

/// The id of a query, in a file of queries.
pub(crate) const QUERY_ID: Names = &[
    "_id", "id", "query_id", "queryid", "qid", "topic_id", "topic",
];

/// A document's title.
pub(crate) const TITLE: Names = &["title"];

/// A document's text.
pub(crate) const TEXT: Names = &["text", "contents"];

/// A query's text.
pub(crate) const QUERY_TEXT: Names = &["text", "query", "title"];

/// The tags of a query.
pub(crate) const TAGS: Names = &["tags"];

/// The vector of a query.
pub(crate) const VECTOR: &str = "vector";

/// The query of a record of texts: beside texts, `text` would say too little.
pub(crate) const QUERY: Names = &["query"];

/// The texts that are to be scored for a query.
pub(crate) const TEXTS: Names = &["texts", "documents"];

/// How many of them are wanted.
pub(crate) const TOP_K: Names = &["top_k", "top_n"];

/// The query of a judgment: as the id of a query, but that a name must say of what.
pub(crate) const JUDGED_QUERY: Names =
    &["query_id", "queryid", "qid", "topic_id", "topic", "query"];

/// The document of a judgment.
pub(crate) const JUDGED_DOCUMENT: Names = &[
    "doc_id",
    "docid",
    "docno",
    "corpus_id",
    "document_id",
    "document",
    "doc",
];

/// The grade of a judgment.
pub(crate) const GRADE: Names = &["score", "relevance", "rel", "grade", "label"];

/// Whether a name in a file is the listed one: letter case does not matter, and `-` or a
/// blank is as good as `_`.
pub(crate) fn is_named(found: &str, listed: &str) -> bool {
    let plain = |byte: u8| match byte {
        b'-' | b' ' => b'_',
        other => other.to_ascii_lowercase(),
    };
    let found = found.trim();
    found.len() == listed.len() && found.bytes().map(plain).eq(listed.bytes().map(plain))
}

/// The place of the first listed name. One that is written as listed comes before one that
/// differs in letter case.
pub(crate) fn position(header: &[String], names: &[&str]) -> Option<usize> {
    let exact = |name: &&str| header.iter().position(|found| found == name);
    let alike = |name: &&str| header.iter().position(|found| is_named(found, name));
    let mut names_again = names.iter();
    names
        .iter()
        .find_map(exact)
        .or_else(|| names_again.find_map(alike))
}

/// The key of an object under the first listed name, by the rule of [`position`].
pub(crate) fn key(record: &Map<String, Value>, names: &[&str]) -> Option<String> {
    let exact = |name: &&&str| record.contains_key(**name);
    if let Some(name) = names.iter().find(exact) {
        return Some((*name).to_owned());
    }
    let alike = |name: &&str| record.keys().find(|found| is_named(found, name));
    names.iter().find_map(alike).cloned()
}

/// An id as every reader takes it: without white space around it, and not empty. What is
/// within it stays.
pub(crate) fn id(text: &str) -> Result<&str, Reason> {
    match text.trim() {
        "" => Err(Reason::MissingId),
        id => Ok(id),
    }
}

/// Joins alternative names for a message, as in "`_id` or `id`".
pub(crate) fn alternatives(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_any_letter_case() {
        let header = ["Query-ID", "Corpus ID", "score"].map(str::to_owned);
        assert_eq!(position(&header, JUDGED_QUERY), Some(0));
        assert_eq!(position(&header, JUDGED_DOCUMENT), Some(1));
        assert_eq!(position(&header, GRADE), Some(2));
        assert_eq!(position(&header, TITLE), None);
    }

    #[test]
    fn a_name_written_as_listed_comes_first() {
        let header = ["ID", "id"].map(str::to_owned);
        assert_eq!(position(&header, DOCUMENT_ID), Some(1));
        let record: Map<String, Value> =
            [("_ID".to_owned(), 1.into()), ("id".to_owned(), 2.into())]
                .into_iter()
                .collect();
        assert_eq!(key(&record, DOCUMENT_ID).as_deref(), Some("id"));
    }

    #[test]
    fn an_id_has_no_white_space_around_it() {
        assert_eq!(id(" a b\t\r").unwrap(), "a b");
        assert!(matches!(id("\u{a0} "), Err(Reason::MissingId)));
    }
}
