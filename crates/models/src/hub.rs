//! The model hub: the listing of a repository, and the download of single files.

use std::path::Path;

use serde::Deserialize;

use crate::entry::Pin;
use crate::error::{Error, Failure, SourceError};
use crate::hash::is_sha256;
use crate::http::Client;

/// URL of the hub.
pub(crate) const DEFAULT_ENDPOINT: &str = "https://huggingface.co";

/// Files that every model must have.
const REQUIRED: [&str; 2] = ["config.json", "tokenizer.json"];

/// Weights in order of preference: path in the repository and name in the model's folder.
/// Only formats that cannot contain code.
const WEIGHTS: [(&str, &str); 3] = [
    ("model.safetensors", "model.safetensors"),
    ("onnx/model.onnx", "model.onnx"),
    ("model.onnx", "model.onnx"),
];

/// Small files on how to use a model, downloaded if they exist.
const OPTIONAL: [&str; 6] = [
    "1_Pooling/config.json",
    "config_sentence_transformers.json",
    "modules.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
];

/// One revision of one repository.
pub(crate) struct Hub<'a> {
    client: &'a Client<'a>,
    endpoint: &'a str,
    repo: &'a str,
    revision: &'a str,
}

/// The commit and the files of a revision.
#[derive(Debug)]
pub(crate) struct Listing {
    /// The current commit of the revision.
    pub(crate) commit: String,
    files: Vec<Listed>,
}

/// A file of a repository.
#[derive(Debug, Deserialize)]
struct Listed {
    #[serde(rename = "rfilename")]
    path: String,
    /// Present for large files only, whose sha256 the hub knows.
    #[serde(default)]
    lfs: Option<Large>,
}

/// The hub's record of a large file, which has more fields than a [`Pin`].
#[derive(Debug, Deserialize)]
struct Large {
    size: u64,
    sha256: String,
}

/// A file to download.
#[derive(Debug)]
pub(crate) struct Chosen<'a> {
    /// Path in the repository.
    pub(crate) path: &'a str,
    /// Name in the model's folder.
    pub(crate) name: &'static str,
    /// Size and checksum by the hub.
    pub(crate) announced: Option<Pin>,
}

impl<'a> Hub<'a> {
    pub(crate) fn new(
        client: &'a Client<'a>,
        endpoint: &'a str,
        repo: &'a str,
        revision: &'a str,
    ) -> Self {
        Hub {
            client,
            endpoint,
            repo,
            revision,
        }
    }

    /// Requests the commit and the files of the revision.
    pub(crate) fn listing(&self) -> Result<Listing, Failure> {
        #[derive(Deserialize)]
        struct Answer {
            sha: String,
            siblings: Vec<Listed>,
        }
        let revision = encode(self.revision);
        let url = format!(
            "{}/api/models/{}/revision/{revision}?blobs=true",
            self.endpoint, self.repo
        );
        let step = format!("looking up {}", self.repo);
        let bytes = self.client.read(&url, &step)?;
        let not_understood = |why: String| SourceError::Answer {
            url: url.clone(),
            why,
        };
        let answer: Answer =
            serde_json::from_slice(&bytes).map_err(|error| not_understood(error.to_string()))?;
        // It becomes part of URLs and of the record.
        if answer.sha.is_empty() || !answer.sha.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(not_understood("the commit is not a hash".to_owned()).into());
        }
        Ok(Listing {
            commit: answer.sha,
            files: answer.siblings,
        })
    }

    /// Downloads one file to `to`, resuming a partial download in `partial`, and returns its
    /// size and checksum, which must be `wanted` if that is given.
    pub(crate) fn fetch(
        &self,
        path: &str,
        wanted: Option<&Pin>,
        partial: &Path,
        to: &Path,
    ) -> Result<Pin, Failure> {
        let (revision, encoded) = (encode(self.revision), path.split('/').map(encode));
        let encoded = encoded.collect::<Vec<_>>().join("/");
        let url = format!(
            "{}/{}/resolve/{revision}/{encoded}",
            self.endpoint, self.repo
        );
        let part = partial.join(path.replace('/', "--"));
        let pin = self.client.download(&url, path, wanted, &part)?;
        std::fs::rename(&part, to).map_err(Error::io("move into place", to))?;
        Ok(pin)
    }
}

impl Listing {
    /// Chooses the files of a model's folder.
    pub(crate) fn choose(&self) -> Result<Vec<Chosen<'_>>, SourceError> {
        let mut chosen = Vec::new();
        for name in REQUIRED {
            let no_file = || SourceError::NoFile {
                file: name,
                hint: "",
            };
            chosen.push(self.file(name, name).ok_or_else(no_file)?);
        }
        let mut weights = WEIGHTS
            .iter()
            .filter_map(|(path, name)| self.file(path, name));
        chosen.push(weights.next().ok_or(SourceError::NoFile {
            file: "model.safetensors or onnx/model.onnx",
            hint: "; other formats are not read, but often another revision has one of these: \
                   hf:ORGANIZATION/NAME@REVISION",
        })?);
        chosen.extend(OPTIONAL.iter().filter_map(|name| self.file(name, name)));
        Ok(chosen)
    }

    fn file(&self, path: &str, name: &'static str) -> Option<Chosen<'_>> {
        let listed = self.files.iter().find(|listed| listed.path == path)?;
        let lfs = listed.lfs.as_ref().filter(|lfs| is_sha256(&lfs.sha256));
        Some(Chosen {
            path: &listed.path,
            name,
            announced: lfs.map(|lfs| Pin {
                size: lfs.size,
                sha256: lfs.sha256.clone(),
            }),
        })
    }
}

/// Percent-encodes one segment of a URL's path: every byte that is not unreserved
/// (RFC 3986, section 2.3).
fn encode(segment: &str) -> String {
    let mut encoded = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(paths: &[&str]) -> Result<Vec<(String, &'static str)>, String> {
        let listed = |path: &&str| Listed {
            path: (*path).to_owned(),
            lfs: None,
        };
        let listing = Listing {
            commit: "c".into(),
            files: paths.iter().map(listed).collect(),
        };
        let chosen = listing.choose().map_err(|error| error.to_string())?;
        Ok(chosen
            .iter()
            .map(|file| (file.path.to_owned(), file.name))
            .collect())
    }

    #[test]
    fn safetensors_come_before_onnx_and_only_known_files_are_taken() {
        let all = [
            "README.md",
            "config.json",
            "onnx/model.onnx",
            "tokenizer.json",
            "model.safetensors",
            "pytorch_model.bin",
            "modules.json",
        ];
        let names: Vec<_> = choose(&all)
            .unwrap()
            .into_iter()
            .map(|(_, name)| name)
            .collect();
        assert_eq!(
            names,
            [
                "config.json",
                "tokenizer.json",
                "model.safetensors",
                "modules.json"
            ]
        );
        let onnx = choose(&["config.json", "tokenizer.json", "onnx/model.onnx"]).unwrap();
        assert_eq!(onnx[2], ("onnx/model.onnx".to_owned(), "model.onnx"));
    }

    #[test]
    fn a_repository_without_a_needed_file_is_refused_by_that_files_name() {
        let error = choose(&["config.json"]).unwrap_err();
        assert_eq!(error, "the repository holds no tokenizer.json");
        let error = choose(&["config.json", "tokenizer.json", "pytorch_model.bin"]).unwrap_err();
        assert!(
            error.starts_with("the repository holds no model.safetensors or onnx"),
            "{error}"
        );
    }

    #[test]
    fn a_revision_with_a_slash_is_one_segment() {
        assert_eq!(encode("refs/pr/1"), "refs%2Fpr%2F1");
        assert_eq!(encode("v1.0-ä"), "v1.0-%C3%A4");
    }
}
