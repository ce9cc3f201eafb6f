//! Layers between pooling, or the vector of a token, and the unit vector, as Sentence Transformers
//! and PyLate have them.

use std::collections::BTreeMap;

use serde::Deserialize;
use treffer_kernels::dot;
use treffer_types::{ModelRole, PooledLayer};

use crate::bias::gelu;
use crate::error::Error;
use crate::folder::{CONFIG, LayerFiles};
use crate::format::WeightsFormat;
use crate::weights::{Values, Weights, read_tensors};

/// The layers of a model, in order.
pub(crate) struct Layers {
    layers: Vec<Layer>,
    dimension: usize,
}

enum Layer {
    Normalize,
    Dense {
        /// One row per output.
        weight: Vec<f32>,
        bias: Vec<f32>,
        inputs: usize,
        activation: fn(f32) -> f32,
    },
    Norm {
        weight: Vec<f32>,
        bias: Vec<f32>,
    },
}

/// `config.json` of a dense layer.
#[derive(Deserialize)]
struct DenseConfig {
    in_features: usize,
    out_features: usize,
    #[serde(default = "has_bias")]
    bias: bool,
    activation_function: Option<String>,
    /// Newer files can have a layer that is applied to each token instead.
    module_input_name: Option<String>,
    module_output_name: Option<String>,
    #[serde(default)]
    use_residual: bool,
}

fn has_bias() -> bool {
    true
}

/// Added to the variance in a layer norm: the default of PyTorch.
const EPS: f64 = 1e-5;
/// The matrix of a linear layer among the weights of the transformer.
const LINEAR: &str = "linear.weight";

impl Layers {
    /// The layers in `files`, after a pooling, or on tokens of a model of late interaction, that
    /// gives vectors of `width` values. `weights` are what the transformer left of its own.
    pub(crate) fn load(
        files: &[LayerFiles],
        width: usize,
        role: ModelRole,
        weights: &mut Weights,
    ) -> Result<Self, Error> {
        let mut dimension = width;
        let mut layers = Vec::new();
        for files in files {
            layers.push(match files.layer {
                PooledLayer::Normalize => Layer::Normalize,
                PooledLayer::Dense(_) => dense(files, role, &mut dimension)?,
                PooledLayer::Linear(outputs) => linear(files, outputs, &mut dimension, weights)?,
                PooledLayer::LayerNorm(_) => {
                    let mut tensors = Tensors::read(files)?;
                    Layer::Norm {
                        weight: tensors.take("norm.weight", &[dimension])?,
                        bias: tensors.take("norm.bias", &[dimension])?,
                    }
                }
            });
        }
        Ok(Layers { layers, dimension })
    }

    /// The number of values of the last layer's vectors.
    pub(crate) fn dimension(&self) -> usize {
        self.dimension
    }

    /// Applies the layers; values that are not finite remain so.
    pub(crate) fn apply(&self, mut vector: Vec<f32>) -> Vec<f32> {
        for layer in &self.layers {
            vector = layer.apply(&vector, exact);
        }
        vector
    }

    /// As [`Layers::apply`], for a text's tokens, one after the other: many, so in sums of f32,
    /// which are the same on every processor.
    pub(crate) fn apply_to_tokens(&self, rows: &[f32], width: usize) -> Vec<f32> {
        let mut all = Vec::with_capacity(rows.len() / width * self.dimension);
        for row in rows.chunks_exact(width) {
            let mut vector = std::borrow::Cow::Borrowed(row);
            for layer in &self.layers {
                vector = layer.apply(&vector, fast).into();
            }
            all.extend_from_slice(&vector);
        }
        all
    }
}

fn exact(a: &[f32], b: &[f32]) -> f64 {
    let products = a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b));
    products.sum()
}

fn fast(a: &[f32], b: &[f32]) -> f64 {
    f64::from(dot(a, b))
}

impl Layer {
    /// `product` is that of two vectors.
    fn apply(&self, vector: &[f32], product: fn(&[f32], &[f32]) -> f64) -> Vec<f32> {
        let wide = || vector.iter().map(|&value| f64::from(value));
        match self {
            Layer::Normalize => {
                let length = wide().map(|value| value * value).sum::<f64>().sqrt();
                // As in PyTorch, where a vector of zeros stays one.
                let length = length.max(1e-12);
                wide().map(|value| (value / length) as f32).collect()
            }
            Layer::Dense {
                weight,
                bias,
                inputs,
                activation,
            } => {
                let output = |(row, bias): (&[f32], &f32)| {
                    activation((product(row, vector) + f64::from(*bias)) as f32)
                };
                weight.chunks_exact(*inputs).zip(bias).map(output).collect()
            }
            Layer::Norm { weight, bias } => {
                let count = vector.len() as f64;
                let mean = wide().sum::<f64>() / count;
                let variance = wide().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
                let scale = 1.0 / (variance + EPS).sqrt();
                let normal = |((value, &w), &b): ((f64, &f32), &f32)| {
                    ((value - mean) * scale * f64::from(w) + f64::from(b)) as f32
                };
                wide().zip(weight).zip(bias).map(normal).collect()
            }
        }
    }
}

/// The layer whose matrix is among the weights of the transformer.
fn linear(
    files: &LayerFiles,
    outputs: usize,
    dimension: &mut usize,
    weights: &mut Weights,
) -> Result<Layer, Error> {
    let inputs = *dimension;
    if let Some(rows) = weights.rows(LINEAR).filter(|rows| *rows != outputs) {
        return Err(Error::Config {
            path: files.path.clone(),
            key: "dim",
            reason: format!(
                "is {outputs}, but the projection `{LINEAR}` of the weights makes {rows} values; \
                 they are of different models"
            ),
        });
    }
    *dimension = outputs;
    Ok(Layer::Dense {
        weight: weights.values(LINEAR, &[outputs, inputs])?,
        bias: vec![0.0; outputs],
        inputs,
        activation: |x| x,
    })
}

fn dense(files: &LayerFiles, role: ModelRole, dimension: &mut usize) -> Result<Layer, Error> {
    let file = files.path.join(CONFIG);
    let config: DenseConfig =
        serde_json::from_slice(&files.config).map_err(|source| Error::Json {
            path: file.clone(),
            source,
        })?;
    let invalid = |key: &'static str, reason: String| Error::Config {
        path: file.clone(),
        key,
        reason,
    };
    if config.in_features != *dimension {
        let reason = format!(
            "is {}, but the vectors before it have {dimension} values",
            config.in_features
        );
        return Err(invalid("in_features", reason));
    }
    if config.out_features == 0 {
        return Err(invalid("out_features", "is 0".to_owned()));
    }
    if config.use_residual {
        return Err(invalid("use_residual", "is not supported".to_owned()));
    }
    // PyLate applies the layer to tokens, whatever name the file has.
    let known: &[&str] = match role {
        ModelRole::LateInteraction => &["sentence_embedding", "token_embeddings"],
        ModelRole::BiEncoder | ModelRole::CrossEncoder => &["sentence_embedding"],
    };
    for (key, name) in [
        ("module_input_name", &config.module_input_name),
        ("module_output_name", &config.module_output_name),
    ] {
        if let Some(name) = name.as_deref().filter(|name| !known.contains(name)) {
            let reason = format!("is `{name}`; supported is `{}`", known.join("` or `"));
            return Err(invalid(key, reason));
        }
    }
    let name = config.activation_function.as_deref();
    // The default of Sentence Transformers.
    let activation = activation(name.unwrap_or("torch.nn.modules.activation.Tanh"));
    let activation = activation.ok_or_else(|| {
        let reason = format!(
            "is `{}`; it can be Identity, Tanh, ReLU, GELU, Sigmoid or SiLU of torch.nn",
            name.unwrap_or_default()
        );
        invalid("activation_function", reason)
    })?;
    let mut tensors = Tensors::read(files)?;
    let (inputs, outputs) = (config.in_features, config.out_features);
    let weight = tensors.take("linear.weight", &[outputs, inputs])?;
    let bias = if config.bias {
        tensors.take("linear.bias", &[outputs])?
    } else {
        vec![0.0; outputs]
    };
    *dimension = outputs;
    Ok(Layer::Dense {
        weight,
        bias,
        inputs,
        activation,
    })
}

/// The function of this name in PyTorch.
fn activation(name: &str) -> Option<fn(f32) -> f32> {
    let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
    let functions: BTreeMap<&str, fn(f32) -> f32> = BTreeMap::from([
        ("Identity", (|x| x) as fn(f32) -> f32),
        ("Tanh", f32::tanh),
        ("ReLU", |x| x.max(0.0)),
        ("GELU", gelu),
        ("Sigmoid", sigmoid),
        ("SiLU", |x| x / (1.0 + (-x).exp())),
    ]);
    let plain = name.strip_prefix("torch.nn.")?;
    functions.get(plain.rsplit('.').next()?).copied()
}

/// The tensors of a layer's weights.
struct Tensors {
    path: std::path::PathBuf,
    tensors: BTreeMap<String, Values>,
}

impl Tensors {
    fn read(files: &LayerFiles) -> Result<Self, Error> {
        let path = files.path.join(WeightsFormat::Safetensors.file_name());
        match read_tensors(WeightsFormat::Safetensors, &files.weights) {
            Ok(tensors) => Ok(Tensors { path, tensors }),
            Err(reason) => Err(Error::Weights { path, reason }),
        }
    }

    fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        let found = self.tensors.remove(name).ok_or_else(|| Error::NoTensor {
            path: self.path.clone(),
            tensor: name.to_owned(),
        })?;
        if found.shape == shape {
            return Ok(found.values);
        }
        Err(Error::TensorShape {
            path: self.path.clone(),
            tensor: name.to_owned(),
            expected: shape.to_owned(),
            found: found.shape,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layer_has_its_formula() {
        let dense = Layer::Dense {
            weight: vec![1.0, 2.0, 0.5, -1.0, 0.0, 0.0],
            bias: vec![0.0, 1.0, -3.0],
            inputs: 2,
            activation: activation("torch.nn.modules.activation.ReLU").unwrap(),
        };
        assert_eq!(dense.apply(&[3.0, 4.0], exact), [11.0, 0.0, 0.0]);
        assert_eq!(dense.apply(&[3.0, 4.0], fast), [11.0, 0.0, 0.0]);
        assert_eq!(Layer::Normalize.apply(&[3.0, 4.0], exact), [0.6, 0.8]);
        assert_eq!(Layer::Normalize.apply(&[0.0, 0.0], fast), [0.0, 0.0]);
        let norm = Layer::Norm {
            weight: vec![2.0, 2.0],
            bias: vec![0.0, 1.0],
        };
        let found = norm.apply(&[1.0, 3.0], fast);
        assert!((found[0] + 2.0).abs() < 1e-4 && (found[1] - 3.0).abs() < 1e-4);
    }

    #[test]
    fn activations_are_those_of_pytorch_by_name() {
        let of = |name: &str, x| activation(name).unwrap()(x);
        assert_eq!(of("torch.nn.modules.linear.Identity", -2.0), -2.0);
        assert_eq!(of("torch.nn.modules.activation.Tanh", 0.5), 0.5f32.tanh());
        assert_eq!(of("torch.nn.modules.activation.Sigmoid", 0.0), 0.5);
        assert!((of("torch.nn.modules.activation.SiLU", 1.0) - 0.731_06).abs() < 1e-4);
        assert!((of("torch.nn.modules.activation.GELU", 1.0) - 0.841_34).abs() < 1e-4);
        assert!(activation("torch.nn.modules.activation.Softmax").is_none());
        assert!(activation("my_package.Tanh").is_none());
    }
}
