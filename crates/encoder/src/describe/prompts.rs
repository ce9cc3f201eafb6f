//! `config_sentence_transformers.json`: prompts, and how vectors are compared.

use serde::Deserialize;
use serde_json::{Map, Value};
use treffer_types::EmbedderSettings;

/// Name of the file.
pub(super) const FILE: &str = "config_sentence_transformers.json";

/// The content of the file, as far as it matters.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SentenceConfig {
    prompts: Option<Map<String, Value>>,
    default_prompt_name: Option<String>,
    similarity_fn_name: Option<String>,
    model_type: Option<String>,
    truncate_dim: Option<Value>,
}

/// Names of the prompt for queries, most usual first, as [`plain`] gives them.
const QUERY: [&str; 7] = [
    "query",
    "queries",
    "search_query",
    "retrieval_query",
    "web_search_query",
    "s2p_query",
    "question",
];

/// Names of the prompt for passages.
const PASSAGE: [&str; 9] = [
    "document",
    "passage",
    "corpus",
    "documents",
    "passages",
    "search_document",
    "retrieval_document",
    "retrieval_passage",
    "doc",
];

/// A prompt's name in lower case and with `_` between words.
fn plain(name: &str) -> String {
    let name = name.to_lowercase();
    name.replace(|c: char| !c.is_alphanumeric(), "_")
}

impl SentenceConfig {
    /// Refuses ways to compare vectors other than the cosine. `normalized`: the model's own
    /// vectors have length 1.
    pub(super) fn check(&self, normalized: bool) -> Result<(), String> {
        self.check_type("SentenceTransformer")?;
        if let Some(value) = &self.truncate_dim
            && !value.is_null()
        {
            return Err(format!(
                "{FILE} says `truncate_dim` {value}, which is not supported; delete the key to use whole vectors"
            ));
        }
        match self.similarity_fn_name.as_deref() {
            None | Some("cosine") => Ok(()),
            // The same for vectors of length 1.
            Some("dot") if normalized => Ok(()),
            Some(name @ ("dot" | "dot_score")) => Err(format!(
                "{FILE} says `similarity_fn_name` {name}, and the model does not normalize its \
                 vectors: its scores depend on their lengths, which an index does not hold. Use a \
                 model made for the cosine; or set the key to \"cosine\" in a copy of the folder, \
                 which changes rankings"
            )),
            Some(name) => Err(format!(
                "{FILE} says `similarity_fn_name` {name}; only cosine is supported, and dot where \
                 the model normalizes its vectors"
            )),
        }
    }

    fn check_type(&self, wanted: &str) -> Result<(), String> {
        match self.model_type.as_deref() {
            Some(other) if other != wanted => Err(format!(
                "{FILE} says that it is a `{other}` (`model_type`), but a `{wanted}` is needed here"
            )),
            _ => Ok(()),
        }
    }

    /// Refuses what is not that of a cross-encoder, and prompts.
    pub(super) fn check_scorer(&self) -> Result<(), String> {
        self.check_type("CrossEncoder")?;
        match self.texts()?.iter().find(|(_, text)| !text.is_empty()) {
            None => Ok(()),
            Some((name, _)) => Err(format!(
                "{FILE} has a prompt `{name}`, and prompts are supported for bi-encoders only"
            )),
        }
    }

    /// The prefixes of queries and passages: those of `settings`, or else the prompts.
    pub(super) fn prefixes(&self, settings: &EmbedderSettings) -> Result<(String, String), String> {
        let texts = self.texts()?;
        let default = self.default_prompt(&texts)?;
        let query = settings.query_prefix.clone();
        let query = match query.or_else(|| prompt(&texts, &QUERY, &PASSAGE, default)) {
            Some(query) => query,
            None => match texts
                .iter()
                .find(|(name, text)| !text.is_empty() && !is_in(name, &PASSAGE))
            {
                None => String::new(),
                Some(_) => {
                    let names: Vec<String> =
                        texts.iter().map(|(name, _)| format!("`{name}`")).collect();
                    return Err(format!(
                        "{FILE} has the prompts {}, of which none is known to be for queries; set \
                         `query_prefix` and `passage_prefix` in [dense] (to \"\" for none)",
                        names.join(", ")
                    ));
                }
            },
        };
        let passage = settings.passage_prefix.clone();
        let passage = passage.or_else(|| prompt(&texts, &PASSAGE, &QUERY, default));
        Ok((query, passage.unwrap_or_default()))
    }

    fn texts(&self) -> Result<Vec<(&str, &str)>, String> {
        let text = |(name, text): (&'_ String, &'_ Value)| match text {
            Value::Null => Ok(None),
            Value::String(_) => Ok(Some(())),
            _ => Err(format!("{FILE} has a prompt `{name}` that is no text")),
        };
        let prompts = self.prompts.iter().flatten();
        for entry in prompts.clone() {
            text(entry)?;
        }
        Ok(prompts
            .filter_map(|(name, text)| Some((name.as_str(), text.as_str()?)))
            .collect())
    }

    /// Name and text of the prompt that `default_prompt_name` names.
    fn default_prompt<'a>(
        &'a self,
        texts: &[(&'a str, &'a str)],
    ) -> Result<Option<(&'a str, &'a str)>, String> {
        let Some(name) = self.default_prompt_name.as_deref() else {
            return Ok(None);
        };
        let found = texts.iter().find(|(other, _)| *other == name).copied();
        match found {
            Some(found) => Ok(Some(found)),
            // Sentence Transformers has these two, empty, where a file has none.
            None if matches!(name, "query" | "document") => Ok(None),
            None => Err(format!(
                "{FILE} says `default_prompt_name` {name}, but has no prompt of this name"
            )),
        }
    }
}

fn is_in(name: &str, names: &[&str]) -> bool {
    names.contains(&plain(name).as_str())
}

/// The prompt with one of `names`. Where there is none, or an empty one, it is the default
/// prompt, unless that is for the `others`.
fn prompt(
    texts: &[(&str, &str)],
    names: &[&str],
    others: &[&str],
    default: Option<(&str, &str)>,
) -> Option<String> {
    let of = |wanted: &&str| texts.iter().find(|(name, _)| plain(name) == **wanted);
    let named = names.iter().filter_map(of);
    let filled = named.clone().find(|(_, text)| !text.is_empty());
    let default = default.filter(|(name, _)| !is_in(name, others));
    let found = filled
        .copied()
        .or(default)
        .or(named.clone().next().copied());
    found.map(|(_, text)| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config(file: Value) -> SentenceConfig {
        serde_json::from_value(file).unwrap()
    }

    fn prefixes(prompts: Value, default: Option<&str>) -> Result<(String, String), String> {
        let file = json!({ "prompts": prompts, "default_prompt_name": default });
        config(file).prefixes(&EmbedderSettings::default())
    }

    #[track_caller]
    fn check(prompts: Value, default: Option<&str>, query: &str, passage: &str) {
        let found = prefixes(prompts, default).unwrap();
        assert_eq!(found, (query.to_owned(), passage.to_owned()));
    }

    #[test]
    fn prompts_are_found_under_their_usual_names() {
        check(json!({ "query": "q", "passage": "p" }), None, "q", "p");
        check(
            json!({ "query": "q", "document": "d", "passage": "p" }),
            None,
            "q",
            "d",
        );
        check(
            json!({ "search_query": "q", "search_document": "d" }),
            None,
            "q",
            "d",
        );
        check(
            json!({ "retrieval.query": "q", "retrieval.passage": "p" }),
            None,
            "q",
            "p",
        );
        check(json!({ "Query": "q", "clustering": "c" }), None, "q", "");
        check(json!({}), None, "", "");
        check(Value::Null, None, "", "");
        check(
            json!({ "query": "", "document": "", "clustering": "c" }),
            None,
            "",
            "",
        );
    }

    #[test]
    fn the_default_prompt_is_for_both_unless_its_name_says_otherwise() {
        check(json!({ "retrieval": "r" }), Some("retrieval"), "r", "r");
        check(
            json!({ "retrieval": "r", "passage": "p" }),
            Some("retrieval"),
            "r",
            "p",
        );
        check(
            json!({ "query": "", "document": "", "r": "r" }),
            Some("r"),
            "r",
            "r",
        );
        check(json!({ "query": "q" }), Some("query"), "q", "");
        check(json!({ "passage": "p" }), Some("passage"), "", "p");
        check(json!({}), Some("query"), "", "");
        let message = prefixes(json!({ "query": "q" }), Some("none")).unwrap_err();
        assert!(message.contains("`default_prompt_name` none"), "{message}");
    }

    #[test]
    fn prompts_of_unknown_use_are_refused_unless_settings_replace_them() {
        let prompts = json!({ "prompts": { "retrieval": "r", "clustering": "c" } });
        let message = config(prompts.clone())
            .prefixes(&EmbedderSettings::default())
            .unwrap_err();
        assert!(message.contains("`retrieval`, `clustering`"), "{message}");
        assert!(message.contains("query_prefix"), "{message}");
        let settings = EmbedderSettings {
            query_prefix: Some("query: ".into()),
            passage_prefix: Some(String::new()),
            pooling: None,
        };
        let found = config(prompts).prefixes(&settings).unwrap();
        assert_eq!(found, ("query: ".to_owned(), String::new()));
        assert!(prefixes(json!({ "query": 3 }), None).is_err());
    }

    #[test]
    fn only_the_cosine_and_what_equals_it_is_accepted() {
        let check = |name: &str, normalized| {
            config(json!({ "similarity_fn_name": name })).check(normalized)
        };
        assert!(check("cosine", false).is_ok());
        assert!(check("dot", true).is_ok());
        assert!(check("dot", false).unwrap_err().contains("dot"));
        for name in ["euclidean", "manhattan", "maxsim"] {
            assert!(check(name, true).unwrap_err().contains(name));
        }
        assert!(config(json!({ "truncate_dim": 64 })).check(true).is_err());
        let sparse = config(json!({ "model_type": "SparseEncoder" }));
        assert!(sparse.check(true).unwrap_err().contains("SparseEncoder"));
        let cross = config(json!({ "model_type": "CrossEncoder", "prompts": { "query": "" } }));
        assert!(cross.check(true).unwrap_err().contains("CrossEncoder"));
        assert_eq!(cross.check_scorer(), Ok(()));
        assert!(sparse.check_scorer().is_err());
        let prompted = config(json!({ "prompts": { "query": "q" } }));
        assert!(prompted.check_scorer().unwrap_err().contains("`query`"));
    }
}
