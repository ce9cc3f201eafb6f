//! All that a training needs to go on: parameters, moments of the optimizer, and how far it
//! is. Random numbers have no state, see `random`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use safetensors::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};
use treffer_disk::write_durably;

use crate::error::Error;
use crate::options::Options;
use crate::step::Moments;
use crate::transformer::Model;

/// The file in the output folder.
pub const CHECKPOINT: &str = "checkpoint.safetensors";

/// How far a training is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Progressed {
    pub(crate) options: Options,
    /// What base and data were, see `data`.
    pub(crate) identity: String,
    /// Number of steps that were made.
    pub(crate) step: u64,
    /// The validation before the first step.
    pub(crate) base: Option<f64>,
    /// The best validation after a step, and the number of steps before it.
    pub(crate) best: Option<(u64, f64)>,
    /// Validations since then.
    pub(crate) worse: u32,
    /// Whether the step that was made last was validated.
    pub(crate) validated: bool,
}

/// Values as a tensor of a weights file.
pub(crate) struct Floats<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) dims: Vec<usize>,
}

impl View for Floats<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.dims
    }

    fn data(&self) -> Cow<'_, [u8]> {
        if cfg!(target_endian = "little") {
            Cow::Borrowed(bytemuck::cast_slice(self.values))
        } else {
            let bytes = self.values.iter().flat_map(|value| value.to_le_bytes());
            Cow::Owned(bytes.collect())
        }
    }

    fn data_len(&self) -> usize {
        size_of_val(self.values)
    }
}

const PARAMETERS: &str = "parameters";
const MEAN: &str = "mean";
const SQUARE: &str = "square";
const WORDS: &str = "words";
const WORDS_MEAN: &str = "words.mean";
const WORDS_SQUARE: &str = "words.square";
const STATE: &str = "state";

/// Replaces the checkpoint at `path`, whole or not at all.
pub(crate) fn write(
    path: &Path,
    model: &Model,
    moments: &Moments,
    progressed: &Progressed,
) -> Result<(), Error> {
    let flat = |values| Floats {
        values,
        dims: vec![<[f32]>::len(values)],
    };
    let mut tensors = vec![
        (PARAMETERS, flat(&model.parameters)),
        (MEAN, flat(&moments.mean)),
        (SQUARE, flat(&moments.square)),
    ];
    if let Some((mean, square)) = &moments.words {
        tensors.push((WORDS, flat(&model.words)));
        tensors.push((WORDS_MEAN, flat(mean)));
        tensors.push((WORDS_SQUARE, flat(square)));
    }
    let failed = |reason: String| Error::Checkpoint {
        path: path.to_owned(),
        reason,
    };
    let state = serde_json::to_string(progressed).map_err(|error| failed(error.to_string()))?;
    let about = HashMap::from([(STATE.to_owned(), state)]);
    let bytes = safetensors::serialize(tensors, Some(about));
    write_durably(path, &bytes.map_err(|error| failed(error.to_string()))?)?;
    Ok(())
}

/// How far the training is whose checkpoint has these bytes.
pub(crate) fn state(path: &Path, bytes: &[u8]) -> Result<Progressed, Error> {
    let failed = |reason: String| Error::Checkpoint {
        path: path.to_owned(),
        reason,
    };
    let (_, header) =
        SafeTensors::read_metadata(bytes).map_err(|error| failed(error.to_string()))?;
    let state = header
        .metadata()
        .as_ref()
        .and_then(|about| about.get(STATE));
    let state = state.ok_or_else(|| failed("it is not a checkpoint of a training".to_owned()))?;
    serde_json::from_str(state).map_err(|error| failed(error.to_string()))
}

/// Sets model and moments to those of a checkpoint.
pub(crate) fn restore(
    path: &Path,
    bytes: &[u8],
    model: &mut Model,
    moments: &mut Moments,
) -> Result<(), Error> {
    let failed = |reason: String| Error::Checkpoint {
        path: path.to_owned(),
        reason,
    };
    let file = SafeTensors::deserialize(bytes).map_err(|error| failed(error.to_string()))?;
    let copy = |name: &str, target: &mut [f32]| {
        let view = file
            .tensor(name)
            .map_err(|error| failed(error.to_string()))?;
        let (values, rest) = view.data().as_chunks::<4>();
        if values.len() != target.len() || !rest.is_empty() || view.dtype() != Dtype::F32 {
            return Err(failed(format!("`{name}` has another size than the model")));
        }
        for (target, value) in target.iter_mut().zip(values) {
            *target = f32::from_le_bytes(*value);
        }
        Ok(())
    };
    copy(PARAMETERS, &mut model.parameters)?;
    copy(MEAN, &mut moments.mean)?;
    copy(SQUARE, &mut moments.square)?;
    if let Some((mean, square)) = &mut moments.words {
        copy(WORDS, &mut model.words)?;
        copy(WORDS_MEAN, mean)?;
        copy(WORDS_SQUARE, square)?;
    }
    Ok(())
}
