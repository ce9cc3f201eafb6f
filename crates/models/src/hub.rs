//! The model hub: the listing of a repository, and the download of single files.

use std::path::Path;

use serde::Deserialize;

use crate::entry::Pin;
use crate::error::{Error, Failure, SourceError};
use crate::hash::is_sha256;
use crate::http::{Client, Expected};

/// URL of the hub.
pub(crate) const DEFAULT_ENDPOINT: &str = "https://huggingface.co";

/// The tokenizer, or what stands for it in the repositories of older BERTs.
const TOKENIZERS: [&str; 2] = ["tokenizer.json", "vocab.txt"];

/// Weights in order of preference: path in the repository and name in the model's folder.
/// Only formats that cannot contain code.
const WEIGHTS: [(&str, &str); 3] = [
    ("model.safetensors", "model.safetensors"),
    ("onnx/model.onnx", "model.onnx"),
    ("model.onnx", "model.onnx"),
];

/// Small files on how to use a model, downloaded if they exist, besides those in the folders
/// of modules.
const OPTIONAL: [&str; 10] = [
    "added_tokens.json",
    "artifact.metadata",
    "config_sentence_transformers.json",
    "modules.json",
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_camembert_config.json",
    "sentence_xlm-roberta_config.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
];

/// Files in the folder of a module, such as `1_Pooling`.
const OF_MODULE: [&str; 2] = ["config.json", "model.safetensors"];

/// Most files of modules that are downloaded.
const MOST_OF_MODULES: usize = 16;

/// Sizes in bytes that no weights and no other file of a model have.
const MOST_WEIGHTS: u64 = 32 << 30;
const MOST_SMALL: u64 = 256 << 20;

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
    #[serde(default)]
    size: Option<u64>,
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
    pub(crate) name: &'a str,
    /// Size and checksum by the hub.
    pub(crate) announced: Option<Pin>,
    /// Size by the hub.
    size: Option<u64>,
}

impl Chosen<'_> {
    /// What is known of the file.
    pub(crate) fn expected(&self) -> Expected<'_> {
        Expected {
            pin: self.announced.as_ref(),
            size: self.size,
            most: most(self.name),
        }
    }
}

/// The largest size of a file of this name.
fn most(name: &str) -> u64 {
    let is_weights = [".safetensors", ".onnx", ".e5s1"];
    if is_weights.iter().any(|end| name.ends_with(end)) {
        MOST_WEIGHTS
    } else {
        MOST_SMALL
    }
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

    /// Downloads a file with a pinned size and checksum, as [`Hub::fetch`].
    pub(crate) fn fetch_pinned(
        &self,
        path: &str,
        pin: &Pin,
        partial: &Path,
        to: &Path,
    ) -> Result<(), Failure> {
        let expected = Expected {
            pin: Some(pin),
            size: None,
            most: u64::MAX,
        };
        self.fetch(path, &expected, partial, to).map(drop)
    }

    /// Downloads one file to `to`, resuming a partial download in `partial`, and returns its
    /// size and checksum, which must be what is expected.
    pub(crate) fn fetch(
        &self,
        path: &str,
        wanted: &Expected<'_>,
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
        let no_file = |file, hint| SourceError::NoFile { file, hint };
        let config = self.file("config.json", "config.json");
        let mut tokenizers = TOKENIZERS.iter().filter_map(|name| self.file(name, name));
        let mut chosen = vec![
            config.ok_or_else(|| no_file("config.json", ""))?,
            tokenizers.next().ok_or_else(|| {
                no_file(
                    "tokenizer.json",
                    ", nor the vocab.txt of a BERT; another revision may have one                      (hf:ORGANIZATION/NAME@REVISION), or save it in Python with                      `AutoTokenizer.from_pretrained(name).save_pretrained(folder)` and give that                      folder, with the model's other files, instead of the name",
                )
            })?,
        ];
        let mut weights = WEIGHTS
            .iter()
            .filter_map(|(path, name)| self.file(path, name));
        chosen.push(weights.next().ok_or_else(|| {
            no_file(
                "model.safetensors or onnx/model.onnx",
                "; other formats are not read, but often another revision has one of these: \
                 hf:ORGANIZATION/NAME@REVISION",
            )
        })?);
        chosen.extend(OPTIONAL.iter().filter_map(|name| self.file(name, name)));
        let of_modules = self
            .files
            .iter()
            .filter(|listed| is_of_module(&listed.path));
        let of_modules = of_modules.take(MOST_OF_MODULES);
        chosen.extend(of_modules.filter_map(|listed| self.file(&listed.path, &listed.path)));
        Ok(chosen)
    }

    fn file<'b>(&'b self, path: &str, name: &'b str) -> Option<Chosen<'b>> {
        let listed = self.files.iter().find(|listed| listed.path == path)?;
        let lfs = listed.lfs.as_ref().filter(|lfs| is_sha256(&lfs.sha256));
        Some(Chosen {
            path: &listed.path,
            name,
            announced: lfs.map(|lfs| Pin {
                size: lfs.size,
                sha256: lfs.sha256.clone(),
            }),
            size: listed.size,
        })
    }
}

/// Whether the path is of a file of a module: in a folder with a number and a name.
fn is_of_module(path: &str) -> bool {
    let Some((folder, file)) = path.split_once('/') else {
        return false;
    };
    let Some((number, name)) = folder.split_once('_') else {
        return false;
    };
    let digits =
        |text: &str| (1..3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let letters = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
    digits(number) && letters(name) && OF_MODULE.contains(&file)
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

    fn choose(paths: &[&str]) -> Result<Vec<(String, String)>, String> {
        let listed = |path: &&str| Listed {
            path: (*path).to_owned(),
            size: None,
            lfs: None,
        };
        let listing = Listing {
            commit: "c".into(),
            files: paths.iter().map(listed).collect(),
        };
        let chosen = listing.choose().map_err(|error| error.to_string())?;
        Ok(chosen
            .iter()
            .map(|file| (file.path.to_owned(), file.name.to_owned()))
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
        let name = "model.onnx".to_owned();
        assert_eq!(onnx[2], ("onnx/model.onnx".to_owned(), name));
        let old = choose(&["config.json", "vocab.txt", "model.onnx"]).unwrap();
        assert_eq!(old[1].0, "vocab.txt");
    }

    #[test]
    fn the_files_of_modules_are_taken_and_nothing_that_looks_like_them() {
        let taken = |path: &str| {
            let all = ["config.json", "tokenizer.json", "model.safetensors", path];
            choose(&all).unwrap().len() == 4
        };
        assert!(taken("artifact.metadata"));
        assert!(taken("1_Pooling/config.json"));
        assert!(taken("2_Dense/model.safetensors"));
        for path in [
            "2_Dense/pytorch_model.bin",
            "Dense/config.json",
            "2_../config.json",
            "_x/config.json",
            "100_x/config.json",
            "1_a/b/config.json",
        ] {
            assert!(!taken(path), "{path}");
        }
    }

    #[test]
    fn a_repository_without_a_needed_file_is_refused_by_that_files_name() {
        let error = choose(&["config.json"]).unwrap_err();
        assert!(
            error.starts_with("the repository holds no tokenizer.json, nor"),
            "{error}"
        );
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
