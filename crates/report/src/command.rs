//! Command lines to copy: what was typed, and what to type next.

use serde_json::Value;
use treffer_api::{DEFAULT_PROFILE, SearchOptions};
use treffer_engine::tune::Choice;
use treffer_fusion::Weights;

use crate::markup::{Element, el};

/// The beginning of a command that follows up on a report: program, index and options.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    index: String,
    options: Vec<String>,
}

impl Command {
    /// On the same index, searched in the same way.
    pub(crate) fn new(index: &std::path::Path, search: &SearchOptions) -> Self {
        let weights = search.weights.clone();
        // What cannot be weights was refused before anything was measured.
        let weights = weights.and_then(|weights| Weights::from_decimals(weights).ok());
        Command::with(index, search, weights.as_ref(), Vec::new())
    }

    /// On the same index, searched in the way that tuning chose, whether or not it was
    /// written: its weights, and what else it changed of the current profile.
    pub(crate) fn tuned(
        index: &std::path::Path,
        search: &SearchOptions,
        best: &Choice,
        current: &Choice,
    ) -> Self {
        let differences = best.setup.differences(&current.setup).into_iter();
        let changes = differences
            .map(|setting| format!("{}={}", setting.key, inline_toml(&setting.value)))
            .collect();
        Command::with(index, search, Some(&best.weights), changes)
    }

    fn with(
        index: &std::path::Path,
        search: &SearchOptions,
        weights: Option<&Weights>,
        changes: Vec<String>,
    ) -> Self {
        let mut options = Vec::new();
        let mut option = |flag: &str, value: String| options.extend([flag.to_owned(), value]);
        if search.profile != DEFAULT_PROFILE {
            option("--profile", search.profile.clone());
        }
        if let Some(stages) = &search.stages {
            let names: Vec<&str> = stages
                .iter()
                .map(treffer_types::StageName::as_str)
                .collect();
            option("--stages", names.join(","));
        }
        if let Some(weights) = weights {
            option("--weights", weights.to_string());
        }
        if let Some(filter) = &search.filter {
            option("--filter", filter.clone());
        }
        for text in search.set.iter().cloned().chain(changes) {
            option("--set", text);
        }
        Command {
            index: index.display().to_string(),
            options,
        }
    }

    /// `treffer explain` of a document for a query.
    pub(crate) fn explaining(&self, query: &str, doc: &str) -> Element {
        let mut words = vec!["treffer".to_owned(), "explain".into()];
        words.extend(self.options.iter().cloned());
        if [self.index.as_str(), query, doc]
            .iter()
            .any(|word| word.starts_with('-'))
        {
            words.push("--".into()); // what follows is no flag
        }
        words.extend([self.index.clone(), query.to_owned(), doc.to_owned()]);
        shown(&words)
    }
}

/// A command as it would be typed in a shell.
pub(crate) fn shown(words: &[String]) -> Element {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    el("code").class("command").text(words.join(" "))
}

/// A value as `--set` takes it.
fn inline_toml(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(key, value)| format!("{key} = {}", inline_toml(value)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A word in the quotes of a POSIX shell, where it needs them.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_the_option_takes_them() {
        let value = serde_json::json!({ "sigmoid": { "slope": 0.5, "offset": -1.25 } });
        assert_eq!(
            inline_toml(&value),
            "{ sigmoid = { slope = 0.5, offset = -1.25 } }"
        );
        assert_eq!(inline_toml(&"min-max".into()), "min-max");
        assert_eq!(inline_toml(&25.into()), "25");
    }

    #[test]
    fn words_are_quoted_where_a_shell_would_take_them_apart() {
        assert_eq!(quoted("cross_depth=20"), "cross_depth=20");
        assert_eq!(quoted("quiet fridge"), "'quiet fridge'");
        assert_eq!(quoted("it's; rm -rf $HOME"), "'it'\\''s; rm -rf $HOME'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn only_what_differs_from_the_defaults_is_repeated() {
        let search = SearchOptions {
            profile: "mine".into(),
            set: vec!["cross_depth=20".into()],
            ..SearchOptions::default()
        };
        let command = Command::new("index".as_ref(), &search);
        let markup: crate::markup::Markup = command.explaining("-x", "d1").into();
        assert_eq!(
            markup.as_str(),
            "<code class=\"command\">treffer explain --profile mine --set cross_depth=20 -- index -x d1</code>"
        );
    }
}
