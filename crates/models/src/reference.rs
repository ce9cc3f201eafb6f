//! What a user may write where a model is wanted: a name, a hub id, or a path.

use std::path::{Path, PathBuf};

use crate::entry::Entry;
use crate::error::Error;

/// The revision of a hub model when none is written.
const DEFAULT_REVISION: &str = "main";

/// The least likeness, from 0 to 1, of a name that is worth suggesting.
const SIMILAR: f64 = 0.7;

/// A model as written in a configuration or on the command line, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// A name of the registry: `bge-small-en-v1.5`.
    Registered(Box<Entry>),
    /// A model of the hub: `hf:organization/name` or `hf:organization/name@revision`.
    Hub {
        /// `organization/name`.
        repo: String,
        /// Branch, tag or commit; `main` if none was written.
        revision: String,
    },
    /// A folder, given by a path that begins with `.`, `/` or `~` or holds a
    /// separator. It exists.
    Folder(PathBuf),
}

impl Reference {
    /// Reads `text` as a reference to one of `entries`, a hub model or a folder.
    pub(crate) fn parse(text: &str, entries: &[Entry]) -> Result<Reference, Error> {
        if let Some(id) = text.strip_prefix("hf:") {
            return parse_hub_id(id).ok_or_else(|| Error::BadHubId {
                reference: text.to_owned(),
            });
        }
        if is_path(text) {
            let path = expand_home(text);
            return match path.is_dir() {
                true => Ok(Reference::Folder(path)),
                false => Err(Error::NoFolder {
                    reference: text.to_owned(),
                    path,
                }),
            };
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

/// `organization/name[@revision]`; every part is made of characters that the hub
/// allows, so that none can lead elsewhere in a URL or a file name.
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

/// `~` and `~/...` with the home folder in place of the tilde, as a shell has it.
/// Text without a home folder to put in is left as it is.
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

/// The name most like `text`, letter case aside, if any is like it.
fn nearest(text: &str, entries: &[Entry]) -> Option<String> {
    let text = text.to_lowercase();
    let similarity = |name: &str| {
        let name = name.to_lowercase();
        // `MiniLM` for `all-MiniLM-L6-v2`: a part of a name is meant, not mistyped.
        if text.len() >= 4 && name.contains(&text) {
            return 1.0;
        }
        strsim::jaro_winkler(&text, &name)
    };
    entries
        .iter()
        .map(|entry| (similarity(entry.name()), entry.name()))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        // On a tie the first of the registry, so not `max_by`, which takes the last.
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
