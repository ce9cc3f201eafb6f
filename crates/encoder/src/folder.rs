//! Reads the files of a model folder, hashes them and compares them with pinned checksums.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use treffer_types::{Fingerprint, ModelFolder, ModelRole, ModelSpec, PooledLayer};

use crate::config::{Config, Family};
use crate::error::Error;
use crate::format::{OVERLAY, WeightsFormat};
use crate::hashes::{FileHashes, fingerprint_of, hexadecimal, network_of};
use crate::labels::Labels;
use crate::precheck;
use crate::vocabulary::{ADDED_TOKENS, TokenizerConfig, VOCABULARY, to_tokenizer};

/// File name of the tokenizer.
pub(crate) const TOKENIZER: &str = "tokenizer.json";
/// File name of the tokenizer's settings.
pub(crate) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
/// File name of the configuration.
pub(crate) const CONFIG: &str = "config.json";
/// File name of a layer's weights in its folder.
const LAYER_WEIGHTS: &str = "model.safetensors";

/// Largest size in bytes of a file with settings, and of a tokenizer: the largest known ones
/// have some kilobytes and 33 MB.
const MOST_CONFIG: u64 = 16 << 20;
const MOST_TOKENIZER: u64 = 128 << 20;

/// The files of a model, in memory.
pub(crate) struct Files {
    /// The format of the weights.
    pub(crate) format: WeightsFormat,
    /// Path of the weights, for messages.
    pub(crate) weights_path: PathBuf,
    /// Content of the weights file.
    pub(crate) weights: Vec<u8>,
    /// Content of `overlay.safetensors`, if there is one.
    pub(crate) overlay: Option<Vec<u8>>,
    /// Content of `tokenizer.json`.
    pub(crate) tokenizer: Vec<u8>,
    /// The architecture.
    pub(crate) config: Config,
    /// The labels of the classes.
    pub(crate) labels: Labels,
    /// The layers after the pooling.
    pub(crate) layers: Vec<LayerFiles>,
    /// The spec of the folder, with what its files add.
    pub(crate) spec: ModelSpec,
    /// Fingerprint of these files with the spec.
    pub(crate) fingerprint: Fingerprint,
    /// That of the network alone, which models of several roles can share.
    pub(crate) network: Fingerprint,
}

/// A layer after the pooling, with the content of its files.
pub(crate) struct LayerFiles {
    pub(crate) layer: PooledLayer,
    /// Its folder, for messages.
    pub(crate) path: PathBuf,
    pub(crate) config: Vec<u8>,
    pub(crate) weights: Vec<u8>,
}

/// The small files and their hashes.
struct Small {
    config: Config,
    labels: Labels,
    spec: ModelSpec,
    tokenizer: Vec<u8>,
    layers: Vec<LayerFiles>,
    config_hash: [u8; 32],
    tokenizer_hash: [u8; 32],
    layer_hashes: Vec<[u8; 32]>,
}

impl Files {
    /// Reads and hashes the files and checks every pinned checksum of `folder`.
    pub(crate) fn read(folder: &ModelFolder) -> Result<Self, Error> {
        let format = WeightsFormat::find(&folder.path)?;
        check_other_pins(folder, format)?;
        let (weights, weights_hash) = read_hashed(folder, format.file_name(), u64::MAX)?;
        let (overlay, overlay_hash) = if is_there(&folder.path.join(OVERLAY)) {
            let (bytes, hash) = read_hashed(folder, OVERLAY, u64::MAX)?;
            (Some(bytes), Some(hash))
        } else {
            (None, None)
        };
        let small = Small::read(folder)?;
        let hashes = small.hashes(weights_hash, overlay_hash);
        Ok(Files {
            overlay,
            format,
            weights_path: folder.path.join(format.file_name()),
            weights,
            fingerprint: fingerprint_of(&hashes, &small.spec),
            network: network_of(&hashes, &small.spec),
            tokenizer: small.tokenizer,
            config: small.config,
            labels: small.labels,
            layers: small.layers,
            spec: small.spec,
        })
    }
}

/// The fingerprint of the model in `folder`, whose weights are hashed without holding them in
/// memory. Checks every pinned checksum.
pub(crate) fn read_fingerprint(folder: &ModelFolder) -> Result<Fingerprint, Error> {
    let format = WeightsFormat::find(&folder.path)?;
    check_other_pins(folder, format)?;
    let weights = hash(folder, format.file_name())?;
    let overlay = if is_there(&folder.path.join(OVERLAY)) {
        Some(hash(folder, OVERLAY)?)
    } else {
        None
    };
    let small = Small::read(folder)?;
    Ok(fingerprint_of(&small.hashes(weights, overlay), &small.spec))
}

impl Small {
    fn read(folder: &ModelFolder) -> Result<Self, Error> {
        let path = folder.path.join(CONFIG);
        let (bytes, config_hash) = read_hashed(folder, CONFIG, MOST_CONFIG)?;
        let config = Config::parse(&path, &bytes)?;
        let mut labels = Labels::default();
        let mut spec = folder.spec.clone();
        if spec.role == ModelRole::CrossEncoder {
            labels = Labels::parse(&path, &bytes)?;
            let details = &mut spec.details;
            let scoring = labels.scoring(&details.scoring);
            details.scoring = scoring.map_err(|reason| unsupported(folder, reason))?;
        }
        let (tokenizer, tokenizer_hash) = read_tokenizer(folder, &config)?;
        let (mut layers, mut layer_hashes) = (Vec::new(), Vec::new());
        for layer in &spec.details.layers {
            let (files, hashes) = LayerFiles::read(folder, layer)?;
            layers.push(files);
            layer_hashes.extend(hashes);
        }
        Ok(Small {
            config,
            labels,
            spec,
            tokenizer,
            layers,
            config_hash,
            tokenizer_hash,
            layer_hashes,
        })
    }

    fn hashes(&self, weights: [u8; 32], overlay: Option<[u8; 32]>) -> FileHashes {
        FileHashes {
            weights,
            overlay,
            tokenizer: self.tokenizer_hash,
            config: self.config_hash,
            layers: self.layer_hashes.clone(),
        }
    }
}

impl LayerFiles {
    /// Reads the files of a layer, and hashes them.
    fn read(folder: &ModelFolder, layer: &PooledLayer) -> Result<(Self, Vec<[u8; 32]>), Error> {
        // Others have no files of their own.
        let (PooledLayer::Dense(name) | PooledLayer::LayerNorm(name)) = layer else {
            let files = LayerFiles {
                layer: layer.clone(),
                path: folder.path.clone(),
                config: Vec::new(),
                weights: Vec::new(),
            };
            return Ok((files, Vec::new()));
        };
        let path = folder.path.join(name);
        let weights = format!("{name}/{LAYER_WEIGHTS}");
        if !is_there(&path.join(LAYER_WEIGHTS)) && is_there(&path.join("pytorch_model.bin")) {
            return Err(unsupported(
                folder,
                format!(
                    "its layer `{name}` has a pytorch_model.bin, which can run code when it is \
                     opened, and no {LAYER_WEIGHTS}; save the model again in Python with \
                     `SentenceTransformer(folder).save(folder, safe_serialization=True)`"
                ),
            ));
        }
        let (config, config_hash) = read_hashed(folder, &format!("{name}/{CONFIG}"), MOST_CONFIG)?;
        let (weights, weights_hash) = read_hashed(folder, &weights, u64::MAX)?;
        let files = LayerFiles {
            layer: layer.clone(),
            path,
            config,
            weights,
        };
        Ok((files, vec![config_hash, weights_hash]))
    }
}

/// The bytes of the tokenizer and their sha256: those of `tokenizer.json`, or of what
/// `vocab.txt` stands for.
fn read_tokenizer(folder: &ModelFolder, config: &Config) -> Result<(Vec<u8>, [u8; 32]), Error> {
    let path = &folder.path;
    if is_there(&path.join(TOKENIZER)) {
        let (bytes, hash) = read_hashed(folder, TOKENIZER, MOST_TOKENIZER)?;
        check_settings(folder, &bytes)?;
        return Ok((bytes, hash));
    }
    let of_bert = matches!(config.family, Family::Bert | Family::Electra);
    if !is_there(&path.join(VOCABULARY)) || !of_bert {
        return Err(Error::NoTokenizer {
            path: path.clone(),
            hint: tokenizer_hint(path),
        });
    }
    let (vocabulary, _) = read_hashed(folder, VOCABULARY, MOST_TOKENIZER)?;
    let mut settings: TokenizerConfig = settings(&path.join(TOKENIZER_CONFIG))?;
    settings.complete(self::settings(&path.join("special_tokens_map.json"))?);
    let added: BTreeMap<String, u32> = self::settings(&path.join(ADDED_TOKENS))?;
    let bytes = to_tokenizer(&vocabulary, &settings, &added).map_err(|reason| {
        unsupported(
            folder,
            format!("{reason}; save the tokenizer as {SAVE_TOKENIZER}"),
        )
    })?;
    check_settings(folder, &bytes)?;
    let hash = Sha256::digest(&bytes).into();
    Ok((bytes, hash))
}

/// How to get a `tokenizer.json`.
const SAVE_TOKENIZER: &str = "tokenizer.json in Python with \
     `AutoTokenizer.from_pretrained(folder).save_pretrained(folder)`";

fn tokenizer_hint(path: &Path) -> String {
    let files = [
        "sentencepiece.bpe.model",
        "spiece.model",
        "spm.model",
        "tokenizer.model",
        "vocab.json",
        VOCABULARY,
    ];
    match files.into_iter().find(|file| is_there(&path.join(file))) {
        Some(found) => format!(", but found {found}; save it as {SAVE_TOKENIZER}"),
        None => String::new(),
    }
}

/// Refuses a `tokenizer_config.json` that contradicts `tokenizer.json`: Transformers follows
/// the former.
fn check_settings(folder: &ModelFolder, tokenizer: &[u8]) -> Result<(), Error> {
    let settings: TokenizerConfig = settings(&folder.path.join(TOKENIZER_CONFIG))?;
    if settings.truncation_side.as_deref() == Some("left") {
        let reason = format!(
            "{TOKENIZER_CONFIG} says `truncation_side` left; only the end of a text can be cut"
        );
        return Err(unsupported(folder, reason));
    }
    let stated = [
        ("do_lower_case", settings.do_lower_case),
        ("strip_accents", settings.strip_accents),
        ("tokenize_chinese_chars", settings.tokenize_chinese_chars),
    ];
    if stated.iter().all(|(_, value)| value.is_none()) {
        return Ok(());
    }
    let Some(found) = precheck::of_bert(tokenizer) else {
        return Ok(());
    };
    let strips = found.strip_accents.unwrap_or(found.lowercase);
    let is = [found.lowercase, strips, found.handle_chinese_chars];
    for ((key, stated), is) in stated.into_iter().zip(is) {
        if let Some(stated) = stated.filter(|stated| *stated != is) {
            return Err(unsupported(
                folder,
                format!(
                    "{TOKENIZER_CONFIG} says `{key}` {stated}, but the normalizer of {TOKENIZER} \
                     does the opposite; correct one of them"
                ),
            ));
        }
    }
    Ok(())
}

/// The tokenizer's settings in the file at `path`, if there is one.
fn settings<T: DeserializeOwned + Default>(path: &Path) -> Result<T, Error> {
    if !is_there(path) {
        return Ok(T::default());
    }
    serde_json::from_slice(&read_config(path)?).map_err(|source| Error::Json {
        path: path.to_owned(),
        source,
    })
}

/// Checks those pinned files that are not needed to run the model.
fn check_other_pins(folder: &ModelFolder, format: WeightsFormat) -> Result<(), Error> {
    let needed = [format.file_name(), OVERLAY, TOKENIZER, CONFIG];
    for name in folder.sha256.keys() {
        if !needed.contains(&name.as_str()) {
            hash(folder, name)?;
        }
    }
    Ok(())
}

/// The file `name` of `folder`, of at most `most` bytes, and its sha256, compared with its
/// pinned checksum.
fn read_hashed(folder: &ModelFolder, name: &str, most: u64) -> Result<(Vec<u8>, [u8; 32]), Error> {
    let bytes = read(&folder.path.join(name), most)?;
    let hash: [u8; 32] = Sha256::digest(&bytes).into();
    check_pin(folder, name, &hash)?;
    Ok((bytes, hash))
}

/// The sha256 of the file `name` of `folder`, compared with its pinned checksum.
fn hash(folder: &ModelFolder, name: &str) -> Result<[u8; 32], Error> {
    let path = folder.path.join(name);
    let hasher = stream(&path).map_err(|source| Error::Read { path, source })?;
    let hash: [u8; 32] = hasher.finalize().into();
    check_pin(folder, name, &hash)?;
    Ok(hash)
}

fn stream(path: &Path) -> io::Result<Sha256> {
    let mut hasher = Sha256::new();
    let mut file = BufReader::with_capacity(1 << 16, open(path)?.0);
    loop {
        let bytes = file.fill_buf()?;
        if bytes.is_empty() {
            return Ok(hasher);
        }
        hasher.update(bytes);
        let read = bytes.len();
        file.consume(read);
    }
}

/// An error if the file `name` has another pinned checksum.
fn check_pin(folder: &ModelFolder, name: &str, hash: &[u8; 32]) -> Result<(), Error> {
    let Some(expected) = folder.sha256.get(name) else {
        return Ok(());
    };
    let found = hexadecimal(hash);
    if found.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(Error::Sha256 {
        path: folder.path.join(name),
        name: folder.spec.name.clone(),
        expected: expected.clone(),
        found,
    })
}

/// Whether there is something at `path`, of whatever kind.
pub(crate) fn is_there(path: &Path) -> bool {
    fs::metadata(path).is_ok()
}

/// The content of a file with settings.
pub(crate) fn read_config(path: &Path) -> Result<Vec<u8>, Error> {
    read(path, MOST_CONFIG)
}

/// The content of the file at `path`, of at most `most` bytes.
fn read(path: &Path, most: u64) -> Result<Vec<u8>, Error> {
    let read = || {
        let (mut file, length) = open(path)?;
        if length > most {
            let message = format!("it has {length} bytes, more than the {most} of any such file");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let mut bytes = Vec::new();
        let length = usize::try_from(length).map_err(io::Error::other)?;
        bytes.try_reserve_exact(length).map_err(io::Error::other)?;
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}

/// Opens a regular file; another kind, such as a pipe, could keep the program waiting.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        let message = "it is not a regular file";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    Ok((File::open(path)?, metadata.len()))
}

fn unsupported(folder: &ModelFolder, reason: String) -> Error {
    Error::Unsupported {
        path: folder.path.clone(),
        reason,
    }
}
