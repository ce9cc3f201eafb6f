//! Where the time of a cross-encoder goes, for the benchmark of a device.

use std::time::{Duration, Instant};

use treffer_types::{BoxError, Pooling};

use crate::batch::Batch;
use crate::cross_encoder::CrossEncoder;
use crate::error::Error;
use crate::model::Encoder;
use crate::schedule::{self, Plan};
use crate::transformer::OutputTokens;

/// Wall-clock time of the phases of one call, which run one after the other here and overlap
/// in a search: the device is waited for after each.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Phases {
    /// Texts to tokens.
    pub tokenize: Duration,
    /// Tokens to tensors on the device.
    pub upload: Duration,
    /// Tensors to logits there.
    pub compute: Duration,
    /// Logits back.
    pub download: Duration,
    /// Number of tokens, special ones included.
    pub tokens: usize,
}

/// Scores pairs as [`CrossEncoder`] does and says what took how long. The integer
/// implementation has no tensors, so that all but tokenization is counted as computation.
///
/// # Errors
/// If the tokenizer or the device fails.
#[doc(hidden)]
pub fn phases(model: &CrossEncoder, query: &str, passages: &[&str]) -> Result<Phases, Error> {
    let start = Instant::now();
    let sequences = model.sequences(query, passages)?;
    let mut phases = Phases {
        tokenize: start.elapsed(),
        tokens: sequences.iter().map(|sequence| sequence.ids.len()).sum(),
        ..Phases::default()
    };
    let CrossEncoder { model, head, .. } = model;
    let failed = |source: BoxError| Error::Run {
        name: model.spec.name.clone(),
        source,
    };
    let Encoder::Reference(transformer) = &model.encoder else {
        let start = Instant::now();
        model.run(&sequences, Pooling::Cls, |first| head.forward(first))?;
        phases.compute = start.elapsed();
        return Ok(phases);
    };
    let device = &model.device;
    let run = |phases: &mut Phases| -> candle_core::Result<()> {
        for members in schedule::groups(Plan::of(device), &sequences) {
            let start = Instant::now();
            let batch = Batch::new(&model.config, &members, Pooling::Cls, device)?;
            device.synchronize()?;
            let uploaded = Instant::now();
            let tokens = transformer.forward(&batch, OutputTokens::First)?;
            let logits = head.forward(&batch.pool(&tokens, Pooling::Cls)?)?;
            device.synchronize()?;
            let computed = Instant::now();
            logits.to_vec2::<f32>()?;
            phases.upload += uploaded - start;
            phases.compute += computed - uploaded;
            phases.download += computed.elapsed();
        }
        Ok(())
    };
    run(&mut phases).map_err(|source| failed(source.into()))?;
    Ok(phases)
}
