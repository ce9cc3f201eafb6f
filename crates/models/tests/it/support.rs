//! Stand-ins: entries with tiny files, a progress that counts, an HTTP server on
//! this machine with the faults that a test asks for.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};
use treffer_models::{Entry, Pin, Source};
use treffer_types::{ModelRole, ModelSpec, Pooling, Progress};

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

pub(crate) fn pin(bytes: &[u8]) -> Pin {
    Pin {
        size: bytes.len() as u64,
        sha256: sha256(bytes),
    }
}

/// Bytes that do not compress and differ by seed.
pub(crate) fn noise(n: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..n).map(|_| next()).collect()
}

pub(crate) fn entry(name: &str, files: &[(&str, &[u8])], sources: Vec<Source>) -> Entry {
    Entry {
        spec: ModelSpec {
            name: name.into(),
            role: ModelRole::BiEncoder,
            pooling: Pooling::Mean,
            query_prefix: String::new(),
            passage_prefix: String::new(),
            max_length: 64,
            license: "MIT".into(),
            details: Default::default(),
        },
        summary: "for tests".into(),
        files: files
            .iter()
            .map(|(name, bytes)| ((*name).into(), pin(bytes)))
            .collect(),
        sources,
    }
}

pub(crate) fn members(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(a, b)| ((*a).into(), (*b).into()))
        .collect()
}

/// Names in a folder, sorted, those of lock files left out.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let items = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = items
        .map(|item| item.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| !name.ends_with(".lock"));
    names.sort();
    names
}

/// Counts steps and units; says to stop once a step begins that has `stop_at` in its name.
#[derive(Default)]
pub(crate) struct Counter {
    pub(crate) steps: Mutex<Vec<(String, Option<u64>)>>,
    pub(crate) done: AtomicU64,
    pub(crate) open: AtomicU64,
    pub(crate) stop_at: Option<&'static str>,
}

impl Progress for Counter {
    fn begin(&self, step: &str, total: Option<u64>, _unit: &str) {
        self.steps.lock().unwrap().push((step.to_owned(), total));
        self.open.fetch_add(1, Ordering::SeqCst);
    }

    fn advance(&self, done: u64) {
        self.done.fetch_add(done, Ordering::SeqCst);
    }

    fn end(&self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }

    fn cancelled(&self) -> bool {
        let steps = self.steps.lock().unwrap();
        self.stop_at
            .is_some_and(|stop| steps.iter().any(|(step, _)| step.contains(stop)))
    }
}

/// How the server answers one path.
#[derive(Clone, Default)]
pub(crate) struct Answer {
    pub(crate) bytes: Vec<u8>,
    /// Instead of 200 or 206.
    pub(crate) status: Option<u16>,
    pub(crate) location: Option<String>,
    /// Whether `Range` is ignored.
    pub(crate) no_ranges: bool,
    /// In turn, after how many bytes of a body the connection is dropped.
    pub(crate) drops: Vec<usize>,
    /// Added to the announced length.
    pub(crate) overstated: usize,
    /// Whether no length is announced.
    pub(crate) unannounced: bool,
}

/// Path and `Range`.
type Request = (String, Option<String>);

/// A server on 127.0.0.1, one thread, one request per connection.
pub(crate) struct Server {
    pub(crate) url: String,
    answers: Arc<Mutex<HashMap<String, Answer>>>,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(crate) fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server {
            url: format!("http://{}", listener.local_addr().unwrap()),
            answers: Arc::default(),
            requests: Arc::default(),
        };
        let (answers, requests) = (server.answers.clone(), server.requests.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that goes away is a part of some tests.
                let _ = serve(stream.unwrap(), &answers, &requests);
            }
        });
        server
    }

    pub(crate) fn set(&self, path: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    pub(crate) fn file(&self, path: &str, bytes: &[u8]) {
        let bytes = bytes.to_vec();
        self.set(
            path,
            Answer {
                bytes,
                ..Answer::default()
            },
        );
    }

    /// Path and `Range` of every request so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Serves `files` as the repository `repo` at `commit`, which `main` is. Files
    /// whose names end in `safetensors` are announced with their hash.
    pub(crate) fn repository(&self, repo: &str, commit: &str, files: &[(&str, &[u8])]) {
        let mut siblings = Vec::new();
        for (path, bytes) in files {
            let size = bytes.len();
            let mut sibling = serde_json::json!({ "rfilename": path, "blobId": "x", "size": size });
            if path.ends_with("safetensors") {
                sibling["lfs"] =
                    serde_json::json!({ "size": size, "sha256": sha256(bytes), "pointerSize": 9 });
            }
            siblings.push(sibling);
            self.file(&format!("/{repo}/resolve/{commit}/{path}"), bytes);
        }
        let listing = serde_json::json!({ "id": repo, "sha": commit, "siblings": siblings });
        let path = format!("/api/models/{repo}/revision/main?blobs=true");
        self.file(&path, listing.to_string().as_bytes());
    }
}

fn serve(
    mut stream: TcpStream,
    answers: &Mutex<HashMap<String, Answer>>,
    requests: &Mutex<Vec<Request>>,
) -> std::io::Result<()> {
    let (mut path, mut range) = (String::new(), None);
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?;
        if let Some(rest) = line.strip_prefix("GET ") {
            path = rest.split(' ').next().unwrap().to_owned();
        } else if line.to_lowercase().starts_with("range: ") {
            range = Some(line["range: ".len()..].to_owned());
        } else if line.is_empty() {
            break;
        }
    }
    requests.lock().unwrap().push((path.clone(), range.clone()));
    let (answer, drop_at) = {
        let mut answers = answers.lock().unwrap();
        let missing = || Answer {
            status: Some(404),
            ..Answer::default()
        };
        let answer = answers.entry(path).or_insert_with(missing);
        let drop_at = (!answer.drops.is_empty()).then(|| answer.drops.remove(0));
        (answer.clone(), drop_at)
    };
    let from = range.filter(|_| !answer.no_ranges).map_or(0, |range| {
        range
            .trim_start_matches("bytes=")
            .trim_end_matches('-')
            .parse()
            .unwrap()
    });
    let total = answer.bytes.len();
    let status = match answer.status {
        Some(status) => status,
        None if from > 0 && from >= total => 416,
        None if from > 0 => 206,
        None => 200,
    };
    let body = if status < 300 {
        &answer.bytes[from..]
    } else {
        &[]
    };
    let mut head = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n");
    if !answer.unannounced {
        head += &format!("Content-Length: {}\r\n", body.len() + answer.overstated);
    }
    if status == 206 {
        head += &format!("Content-Range: bytes {from}-{}/{total}\r\n", total - 1);
    }
    if let Some(location) = answer.location {
        head += &format!("Location: {location}\r\n");
    }
    stream.write_all((head + "\r\n").as_bytes())?;
    stream.write_all(&body[..drop_at.unwrap_or(body.len()).min(body.len())])?;
    stream.flush()?;
    stream.shutdown(Shutdown::Write)
}
