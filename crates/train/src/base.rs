//! From the files of a base model to parameters.

use std::path::PathBuf;

use treffer_encoder::parts::Parts;
use treffer_types::{ModelFolder, ModelRole, ModelSpec, Pooling};

use crate::error::Error;
use crate::options::Kind;
use crate::random::Stream;
use crate::shape::{Layout, Output, WORDS, prefix};
use crate::transformer::Model;

/// The model folder at `path` as the base of a cross-encoder: of whatever role, without prefixes
/// or pooling.
pub fn base_folder(name: &str, path: PathBuf) -> ModelFolder {
    ModelFolder {
        path,
        spec: ModelSpec {
            name: name.to_owned(),
            // Not a cross-encoder, so that nothing is asked of its labels.
            role: ModelRole::BiEncoder,
            pooling: Pooling::Cls,
            query_prefix: String::new(),
            passage_prefix: String::new(),
            max_length: 512,
            license: "unknown".to_owned(),
            details: Default::default(),
        },
        sha256: Default::default(),
    }
}

/// Which layers of a base with `all` layers a model of `kept` layers takes: evenly, the last
/// always.
fn chosen(all: usize, kept: usize) -> Vec<usize> {
    (1..=kept).map(|layer| layer * all / kept - 1).collect()
}

/// Standard deviation of new weights, as in BERT.
const SPREAD: f64 = 0.02;

/// What a model of this kind makes of a sequence, if it is to be as the spec of its base says.
pub(crate) fn output(base: &ModelFolder, kind: Kind) -> Result<Output, Error> {
    let refused = |reason: String| {
        Err(Error::Base {
            path: base.path.clone(),
            reason,
        })
    };
    let spec = &base.spec;
    if matches!(kind, Kind::CrossEncoder) {
        return Ok(Output::Logits);
    }
    if spec.role != ModelRole::BiEncoder {
        return refused(format!(
            "it is a {}, which has no pooling; begin with a bi-encoder, or say how its tokens \
             become one vector (`--pooling mean`)",
            spec.role
        ));
    }
    if !spec.details.layers.is_empty() {
        return refused(
            "it has layers after its pooling, which cannot be trained; begin with a bi-encoder \
             that has none"
                .to_owned(),
        );
    }
    if spec.details.prefix_not_pooled {
        return refused(
            "its pooling leaves out the tokens of the prefix, which cannot be trained; begin \
             with another bi-encoder"
                .to_owned(),
        );
    }
    match spec.pooling {
        Pooling::Mean => Ok(Output::MeanVector),
        Pooling::Cls => Ok(Output::FirstVector),
        other => refused(format!(
            "its pooling is {other}; mean and cls can be trained"
        )),
    }
}

/// The model that `parts` begin with, of `layers` layers. What the base lacks of a head is
/// drawn by `seed`.
pub(crate) fn load(
    parts: &mut Parts,
    output: Output,
    layers: Option<usize>,
    seed: u64,
) -> Result<Model, Error> {
    let mut shape = parts.shape().clone();
    if output != Output::Logits {
        shape.classes = 1;
    }
    let all = shape.layers;
    let chosen = chosen(all, layers.unwrap_or(all));
    shape.layers = chosen.len();
    let layout = Layout::new(&shape, output);
    let words = parts.encoder(WORDS, &[shape.vocabulary, shape.hidden])?;
    let mut parameters = vec![0.0; layout.len];
    let stream = Stream::new(seed).of(0x4845_4144);
    let prefix = prefix(shape.family);
    for (index, tensor) in layout.tensors.iter().enumerate() {
        let is_head = tensor.at.start >= layout.encoder_end();
        let found = if !is_head {
            let name = tensor.name.strip_prefix(prefix).unwrap_or(&tensor.name);
            parts.encoder(&in_base(name, &chosen), &tensor.dims)
        } else {
            match tensor.name.strip_prefix("bert.") {
                Some(pooler) => parts.encoder(pooler, &tensor.dims),
                None => parts.head(&tensor.name, &tensor.dims),
            }
        };
        let target = &mut parameters[tensor.at.clone()];
        match found {
            Ok(values) => target.copy_from_slice(&values),
            Err(treffer_encoder::Error::NoTensor { .. }) if is_head => {
                let stream = stream.of(index as u64);
                if tensor.decays {
                    for (at, value) in target.iter_mut().enumerate() {
                        *value = (SPREAD * stream.normal(at as u64)) as f32;
                    }
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Model {
        shape,
        output,
        layout,
        words,
        parameters,
    })
}

/// The name in the base of a tensor of the model.
fn in_base(name: &str, chosen: &[usize]) -> String {
    const LAYER: &str = "encoder.layer.";
    let numbered = name
        .strip_prefix(LAYER)
        .and_then(|rest| rest.split_once('.'))
        .and_then(|(layer, part)| Some((layer.parse::<usize>().ok()?, part)));
    match numbered {
        Some((layer, part)) => format!("{LAYER}{}.{part}", chosen[layer]),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_layer_is_taken_and_the_last_one() {
        assert_eq!(chosen(12, 6), [1, 3, 5, 7, 9, 11]);
        assert_eq!(chosen(12, 12), (0..12).collect::<Vec<_>>());
        assert_eq!(chosen(6, 4), [0, 2, 3, 5]);
        assert_eq!(
            in_base("encoder.layer.1.output.dense.bias", &[1, 3]),
            "encoder.layer.3.output.dense.bias"
        );
    }
}
