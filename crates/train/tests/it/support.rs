//! A folder for a training, data of a few lines, and one call that trains.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use treffer_encoder::parts::Parts;
use treffer_encoder::{BiEncoder, CpuBackend, CrossEncoder, Device, describe, describe_embedder};
use treffer_train::{
    BadLine, Error, Event, Examples, Kind, Options, Running, Task, Trained, ValueKind, base_folder,
    read_examples, train,
};
use treffer_types::{
    Embedder, EmbedderSettings, ModelFolder, ModelRole, NoProgress, PairScorer, Pooling, Progress,
};

/// Ten pairs in words that the tiny models know.
pub(crate) const TEN: &str = r#"{"query": "cold fridge", "passage": "the lab fridge is 5 c cold", "label": 1}
{"query": "cold fridge", "passage": "warm door", "label": 0}
{"query": "quiet freezer", "passage": "not a loud freezer", "label": 1}
{"query": "quiet freezer", "passage": "shelf 280 liter", "label": 0}
{"query": "din 13277", "passage": "the lab is din 13277", "label": 1}
{"query": "din 13277", "passage": "din 13271 door", "label": 0}
{"query": "ice", "passage": "freezer and ice", "label": 1}
{"query": "ice", "passage": "how warm is the lab", "label": 0}
{"query": "280 liter", "passage": "a fridge of 280 liter", "label": 1}
{"query": "280 liter", "passage": "ohne gefrierfach", "label": 0}
"#;

/// Queries with what is relevant among several passages.
pub(crate) const LISTS: &str = r#"{"query": "cold fridge", "passages": ["warm door", "the lab fridge is 5 c cold", "ice"], "labels": [0, 1, 0]}
{"query": "din 13277", "passages": ["the lab is din 13277", "din 13271 door", "shelf"], "labels": [2, 0, 1]}
{"query": "quiet freezer", "positive": "not a loud freezer", "negatives": ["shelf 280 liter", "loud door"]}
{"query": "280 liter", "passages": ["ohne gefrierfach", "a fridge of 280 liter"], "scores": [-3.5, 4.0]}
"#;

pub(crate) const TINY: &str = "tiny-bert-cross";

pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../data/golden")
        .join(name)
}

/// What a tiny model learns quickly with.
pub(crate) fn options() -> Options {
    Options {
        batch: 4,
        steps: 6,
        rate: 1e-3,
        max_length: 24,
        lanes: 2,
        pack: 64,
        ..Options::default()
    }
}

/// With a checkpoint at the end alone.
pub(crate) const RARELY: Running = Running {
    resume: false,
    replace: false,
    checkpoint_every: Duration::MAX,
};

/// With a checkpoint at each step.
pub(crate) const OFTEN: Running = Running {
    resume: false,
    replace: false,
    checkpoint_every: Duration::ZERO,
};

pub(crate) const RESUMED: Running = Running {
    resume: true,
    ..OFTEN
};

pub(crate) struct Place<'a> {
    folder: TempDir,
    pub(crate) base: &'a str,
    pub(crate) data: String,
    pub(crate) held_out: Option<String>,
    pub(crate) options: Options,
    /// Of a bi-encoder, if another than the base's.
    pub(crate) pooling: Option<Pooling>,
    /// What is taken of lines with labels and scores.
    pub(crate) preferred: ValueKind,
}

impl Place<'_> {
    pub(crate) fn new(data: &str, options: Options) -> Self {
        Place {
            folder: tempfile::tempdir().unwrap(),
            base: TINY,
            data: data.to_owned(),
            held_out: None,
            options,
            pooling: None,
            preferred: ValueKind::Scores,
        }
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.out().join(name)).unwrap()
    }

    fn examples(&self, name: &str, text: &str, preferred: ValueKind) -> Examples {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        let mut examples = Examples::default();
        read_examples(&path, preferred, &mut examples, &mut |line| {
            panic!("{line:?}")
        })
        .unwrap();
        examples
    }

    fn base_folder(&self) -> ModelFolder {
        let path = golden(self.base);
        if self.options.kind == Kind::CrossEncoder {
            return base_folder("base", path);
        }
        let settings = EmbedderSettings {
            pooling: self.pooling,
            ..EmbedderSettings::default()
        };
        ModelFolder {
            spec: describe_embedder(&path, &settings).unwrap(),
            ..base_folder("base", path)
        }
    }

    pub(crate) fn train(&self, running: Running) -> (Result<Trained, Error>, Vec<Event>) {
        self.train_until(running, &NoProgress)
    }

    pub(crate) fn train_until(
        &self,
        running: Running,
        progress: &dyn Progress,
    ) -> (Result<Trained, Error>, Vec<Event>) {
        let folder = self.base_folder();
        let mut base = Parts::open(&folder, self.options.max_length).unwrap();
        let data = self.examples("data.jsonl", &self.data, self.preferred);
        let held_out = self.held_out.as_deref();
        let held_out =
            held_out.map(|text| self.examples("held-out.jsonl", text, ValueKind::Labels));
        let mut events = Vec::new();
        let trained = train(
            &mut base,
            &Task {
                data: &data,
                held_out: held_out.as_ref(),
                out: &self.out(),
                options: &self.options,
            },
            running,
            progress,
            &mut |event| events.push(event),
        );
        (trained, events)
    }

    /// The saved model, as Treffer loads it.
    pub(crate) fn saved(&self) -> CrossEncoder {
        let folder = base_folder("saved", self.out());
        let mut spec = folder.spec.clone();
        spec.role = ModelRole::CrossEncoder;
        spec.max_length = self.options.max_length;
        let folder = ModelFolder { spec, ..folder };
        CrossEncoder::load(&folder, Device::Cpu(CpuBackend::Candle)).unwrap()
    }

    /// The saved bi-encoder, as its folder describes it.
    pub(crate) fn saved_bi(&self) -> BiEncoder {
        let folder = ModelFolder {
            spec: describe(&self.out(), None).unwrap(),
            ..base_folder("saved", self.out())
        };
        BiEncoder::load(&folder, Device::Cpu(CpuBackend::Candle)).unwrap()
    }

    /// The cosines of a query with passages.
    pub(crate) fn cosines(&self, query: &str, passages: &[&str]) -> Vec<f32> {
        let model = self.saved_bi();
        let query = model.embed_queries(&[query]).unwrap().remove(0).vector;
        let passages = model.embed_passages(passages).unwrap();
        let cosine = |passage: &[f32]| query.iter().zip(passage).map(|(a, b)| a * b).sum();
        passages.iter().map(|one| cosine(&one.vector)).collect()
    }

    pub(crate) fn score(&self, query: &str, passages: &[&str]) -> Vec<f32> {
        let scores = self.saved().score_pairs(query, passages).unwrap();
        scores.iter().map(|score| score.score).collect()
    }
}

pub(crate) fn losses(events: &[Event]) -> Vec<f64> {
    let loss = |event: &Event| match event {
        Event::Step { did, .. } => Some(did.loss),
        _ => None,
    };
    events.iter().filter_map(loss).collect()
}

/// The steps of the checkpoints that were written.
pub(crate) fn checkpoints(events: &[Event]) -> Vec<u64> {
    let step = |event: &Event| match event {
        Event::Checkpoint { step } => Some(*step),
        _ => None,
    };
    events.iter().filter_map(step).collect()
}

pub(crate) fn left_out(events: &[Event]) -> Vec<&BadLine> {
    let mut lines = Vec::new();
    for event in events {
        if let Event::LeftOut(line) = event {
            lines.push(line);
        }
    }
    lines
}
