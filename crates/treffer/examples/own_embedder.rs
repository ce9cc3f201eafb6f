//! Builds and searches an index with a bi-encoder of one's own. Nothing is downloaded,
//! and with `treffer-engine` in place of `treffer` no inference library is compiled.
//!
//!     cargo run --release -p treffer --example own_embedder -- corpus.jsonl 'quiet refrigerator'
//!
//! The model here is a bag of hashed words, which finds what BM25 finds; it stands for
//! any function from texts to unit vectors, such as a call to another process.

use std::path::PathBuf;
use std::sync::Arc;

use treffer::engine::build::{BuildRequest, build};
use treffer::engine::config::{Base, Config};
use treffer::types::{
    BoxError, Embedder, Embedding, Fingerprint, ModelRole, ModelSpec, NoProgress, PairScorer,
    Pooling,
};
use treffer::{Device, Engine, ModelSource, OpenOptions, SearchRequest};

const DIMENSION: usize = 256;

struct HashedWords {
    spec: ModelSpec,
    fingerprint: Fingerprint,
}

impl HashedWords {
    fn new(name: &str) -> Self {
        HashedWords {
            spec: ModelSpec {
                name: name.to_owned(),
                role: ModelRole::BiEncoder,
                pooling: Pooling::Mean,
                query_prefix: String::new(),
                passage_prefix: String::new(),
                max_length: 512,
                license: "MIT".into(),
                details: Default::default(),
            },
            // To be changed whenever vectors change: an index refuses another model.
            fingerprint: Fingerprint("hashed words, 256, 1".into()),
        }
    }

    fn embed(text: &str) -> Embedding {
        let mut vector = vec![0.0_f32; DIMENSION];
        for word in text.to_lowercase().split_whitespace() {
            // FNV-1a, so that vectors are the same in every build of the program.
            let hash = word.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
            vector[(hash % DIMENSION as u64) as usize] += 1.0;
        }
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        if length > 0.0 {
            vector.iter_mut().for_each(|x| *x /= length);
        } else {
            vector[0] = 1.0; // a unit vector even for no words
        }
        Embedding {
            vector,
            tokens_cut: 0,
        }
    }
}

impl Embedder for HashedWords {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn dimension(&self) -> usize {
        DIMENSION
    }

    fn embed_queries(&self, queries: &[&str]) -> Result<Vec<Embedding>, BoxError> {
        Ok(queries
            .iter()
            .map(|text| HashedWords::embed(text))
            .collect())
    }

    fn embed_passages(&self, passages: &[&str]) -> Result<Vec<Embedding>, BoxError> {
        self.embed_queries(passages)
    }

    fn token_ends(&self, text: &str) -> Result<Vec<u32>, BoxError> {
        let words = text.split_whitespace();
        let end = |word: &str| word.as_ptr().addr() - text.as_ptr().addr() + word.len();
        words.map(|word| Ok(u32::try_from(end(word))?)).collect()
    }

    fn passage_room(&self) -> Result<usize, BoxError> {
        Ok(self.spec.max_length)
    }
}

/// Where the engine gets models from: here, one bi-encoder and no cross-encoder.
struct OwnModels;

impl ModelSource for OwnModels {
    fn embedder(&self, name: &str, _device: Device) -> Result<Arc<dyn Embedder>, BoxError> {
        Ok(Arc::new(HashedWords::new(name)))
    }

    fn pair_scorer(&self, name: &str, _device: Device) -> Result<Arc<dyn PairScorer>, BoxError> {
        Err(format!("there is no cross-encoder `{name}` in this program").into())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(corpus), Some(text)) = (arguments.next(), arguments.next()) else {
        return Err("give a corpus and a query".into());
    };
    let dir = std::env::temp_dir().join("treffer-example-own-embedder");

    // The German preset has no cross-encoder; its bi-encoder is replaced by ours.
    let overrides = ["dense.model=hashed-words".to_owned()];
    let config = Config::load(Base::Preset("german"), &overrides)?;
    let request = BuildRequest {
        dir: &dir,
        inputs: &[PathBuf::from(corpus)],
        vectors: None,
        reading: &Default::default(),
        config: &config,
        replace: true,
        strict: false,
        commit_every: None,
    };
    let report = build(&request, &OwnModels, &NoProgress, &mut |problem| {
        eprintln!("skipped: {problem}");
    })?;
    println!("{} documents in {}", report.documents, dir.display());

    let engine = Engine::open(&dir, &OpenOptions::default(), &OwnModels)?;
    let response = engine.search(&SearchRequest::text(text.to_string_lossy()))?;
    for hit in response.hits {
        println!("{}. {:.3}  {}  {}", hit.rank, hit.score, hit.id, hit.title);
    }
    Ok(())
}
