//! References to models as users write them: a name, a hub id, or a path.

use std::path::{Path, PathBuf};

use crate::entry::Entry;
use crate::error::Error;

/// The revision of a hub model if none is given.
const DEFAULT_REVISION: &str = "main";

/// The lowest Jaro-Winkler similarity, in 0..=1, of a name that is suggested.
const SIMILAR: f64 = 0.7;

/// A parsed reference to a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// A registered model by its name: `bge-small-en-v1.5`.
    Registered(Box<Entry>),
    /// A model of the hub: `hf:organization/name` or `hf:organization/name@revision`.
    Hub {
        /// `organization/name`.
        repo: String,
        /// Branch, tag or commit; `main` if none was given.
        revision: String,
    },
    /// An existing folder, given by a path that begins with `.` or `~` or contains a
    /// separator.
    Folder(PathBuf),
}

impl Reference {
    /// Parses `text` as a reference to one of `entries`, a hub model or a folder.
    pub(crate) fn parse(text: &str, entries: &[Entry]) -> Result<Reference, Error> {
        if let Some(id) = text.strip_prefix("hf:") {
            return parse_hub_id(id).ok_or_else(|| Error::BadHubId {
                reference: text.to_owned(),
            });
        }
        if is_path(text) {
            let path = expand_home(text);
            if path.is_dir() {
                return Ok(Reference::Folder(path));
            }
            return Err(Error::NoFolder {
                reference: text.to_owned(),
                path,
            });
        }
        match entries.iter().find(|entry| entry.name() == text) {
            Some(entry) => Ok(Reference::Registered(Box::new(entry.clone()))),
            None => Err(Error::UnknownName {
                name: text.to_owned(),
                nearest: nearest(text, entries),
            }),
        }
    }
}

fn is_path(text: &str) -> bool {
    text.starts_with(['.', '~']) || text.contains('/') || text.contains(std::path::is_separator)
}

/// Parses `organization/name[@revision]`. Every part consists of characters that the hub
/// allows and that are safe in a URL and in a file name.
fn parse_hub_id(id: &str) -> Option<Reference> {
    let (repo, revision) = id.split_once('@').unwrap_or((id, DEFAULT_REVISION));
    let (organization, name) = repo.split_once('/')?;
    let ordinary = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let part =
        |text: &str| text.chars().all(ordinary) && text.chars().any(|c| c.is_ascii_alphanumeric());
    let well_formed = part(organization) && part(name) && revision.split('/').all(part);
    well_formed.then(|| Reference::Hub {
        repo: repo.to_owned(),
        revision: revision.to_owned(),
    })
}

/// Replaces the tilde of `~` and `~/...` by the home folder, as a shell does. The text stays
/// as it is if there is no home folder.
fn expand_home(text: &str) -> PathBuf {
    let rest = match text.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with(std::path::is_separator) => rest,
        _ => return PathBuf::from(text),
    };
    match std::env::home_dir() {
        Some(home) => home.join(rest.trim_start_matches(std::path::is_separator)),
        None => Path::new(text).to_owned(),
    }
}

/// The name most similar to `text`, ignoring case, if any is similar enough.
fn nearest(text: &str, entries: &[Entry]) -> Option<String> {
    let text = text.to_lowercase();
    let similarity = |name: &str| {
        let name = name.to_lowercase();
        // `MiniLM` for `all-MiniLM-L6-v2`: part of a name, not a misspelled one.
        if text.len() >= 4 && name.contains(&text) {
            return 1.0;
        }
        strsim::jaro_winkler(&text, &name)
    };
    entries
        .iter()
        .map(|entry| (similarity(entry.name()), entry.name()))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        // The first of equals; `max_by` would take the last.
        .reduce(|best, other| if other.0 > best.0 { other } else { best })
        .map(|(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::built_in;
    use proptest::prelude::*;

    fn hub(repo: &str, revision: &str) -> Reference {
        Reference::Hub {
            repo: repo.into(),
            revision: revision.into(),
        }
    }

    fn parse(text: &str) -> Result<Reference, Error> {
        Reference::parse(text, &built_in())
    }

    #[test]
    fn a_hub_id_may_name_a_revision() {
        assert_eq!(parse("hf:a/b").unwrap(), hub("a/b", "main"));
        assert_eq!(parse("hf:a/b@v1.0").unwrap(), hub("a/b", "v1.0"));
        assert_eq!(parse("hf:a/b@refs/pr/3").unwrap(), hub("a/b", "refs/pr/3"));
    }

    #[test]
    fn a_hub_id_that_could_lead_elsewhere_is_refused() {
        let texts = [
            "hf:",
            "hf:name",
            "hf:a/b/c",
            "hf:../b",
            "hf:a/..",
            "hf:a/b@",
            "hf:a/b@../x",
            "hf:a/b?c",
            "hf:a/b#c",
            "hf:a /b",
            "hf:/b",
            "hf:a/b@v1/",
        ];
        for text in texts {
            assert!(matches!(parse(text), Err(Error::BadHubId { .. })), "{text}");
        }
    }

    #[test]
    fn a_name_is_found_and_a_mistyped_one_gets_the_nearest() {
        let Reference::Registered(entry) = parse("all-MiniLM-L6-v2").unwrap() else {
            panic!("a registered name is read as something else");
        };
        assert_eq!(entry.name(), "all-MiniLM-L6-v2");
        for (text, wanted) in [
            ("bge-small", Some("bge-small-en-v1.5")),
            ("bge-smal-en-v1.5", Some("bge-small-en-v1.5")),
            ("all-minilm-l6-v2", Some("all-MiniLM-L6-v2")),
            ("e5-small", Some("multilingual-e5-small")),
            ("ms-marco-MiniLM-L6-v2", Some("ms-marco-MiniLM-L-6-v2")),
            ("zzz", None),
            ("", None),
        ] {
            let error = parse(text).unwrap_err();
            let Error::UnknownName { nearest, .. } = &error else {
                panic!("{text}: {error}");
            };
            assert_eq!(nearest.as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn a_path_must_lead_to_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().to_str().unwrap();
        assert_eq!(
            parse(text).unwrap(),
            Reference::Folder(folder.path().to_owned())
        );
        assert_eq!(parse(".").unwrap(), Reference::Folder(".".into()));
        let error = parse("./no-such-folder").unwrap_err().to_string();
        assert_eq!(error, "model folder ./no-such-folder does not exist");
        let error = parse("BAAI/bge-m3").unwrap_err().to_string();
        assert!(error.ends_with("write `hf:BAAI/bge-m3`"), "{error}");
    }

    proptest! {
        #[test]
        fn no_text_makes_parsing_panic(text in "(hf:)?[a-zA-Z0-9@/.~\\\\ -é]{0,20}") {
            let _ = parse(&text);
        }
    }
}
