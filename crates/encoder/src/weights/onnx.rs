//! Recovers the weights in an ONNX graph under their PyTorch names.
//!
//! The exporter keeps the names of embeddings, norms and biases, but turns the matrices of
//! linear layers into anonymous, transposed constants. Such a matrix is named here after the
//! bias that is added to its product, and transposed back. The dynamic quantization of ONNX
//! Runtime replaces a constant `X` by `X_quantized`, `X_scale` and `X_zero_point`, with
//! X = (quantized - zero_point) * scale per tensor or per column.
//! <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>

use std::collections::{BTreeMap, HashMap, HashSet};

use rayon::prelude::*;

use super::protobuf::{Fields, Value, varint};
use super::{Tensors, Values};

/// Reads every weight that has a name or can be given one.
pub(super) fn read(bytes: &[u8]) -> Result<Tensors, String> {
    let graph = Graph::parse(bytes)?;
    // The constant of each tensor, and whether it must be transposed.
    let mut plan: BTreeMap<String, (&str, bool)> = BTreeMap::new();
    let mut anonymous = HashSet::new();
    for node in &graph.nodes {
        let Some(layer) = graph.linear_layer(node)? else {
            continue;
        };
        anonymous.insert(layer.matrix);
        let name = format!("{}.weight", layer.stem);
        // Gemm with transB already holds the matrix as PyTorch does.
        plan.insert(name, (layer.matrix, !layer.transposed));
    }
    for name in graph.initializers.keys() {
        let base = match quantized_base(name) {
            Some((base, "_quantized")) => base,
            // Scales and zero points are not weights themselves.
            Some((base, _)) if graph.is_quantized(base) => continue,
            _ => name,
        };
        let named = !base.contains("::") && !anonymous.contains(base);
        if named && graph.is_number(name) {
            plan.entry(base.to_owned()).or_insert((base, false));
        }
    }
    // Any number of tensors could be made of one constant.
    let total = plan
        .values()
        .map(|(base, _)| graph.n_bytes(base))
        .sum::<usize>();
    if total / MOST_USES > bytes.len() {
        return Err(format!("it uses its constants more than {MOST_USES} times"));
    }
    // In parallel, since this takes most of the time of loading a model. The first of several
    // errors is returned.
    let tensors: Vec<Result<(String, Values), String>> = plan
        .into_par_iter()
        .map(|(name, (base, is_transposed))| {
            let values = graph.dequantized(base)?;
            let values = if is_transposed {
                transpose(&values, &name)?
            } else {
                values
            };
            Ok((name, values))
        })
        .collect();
    tensors.into_iter().collect()
}

/// How often a file may use each of its constants, on average.
const MOST_USES: usize = 4;

/// `X` and the suffix if `name` is one of the three parts of a quantized `X`.
fn quantized_base(name: &str) -> Option<(&str, &'static str)> {
    ["_quantized", "_scale", "_zero_point"]
        .into_iter()
        .find_map(|suffix| Some((name.strip_suffix(suffix)?, suffix)))
}

struct Graph<'a> {
    nodes: Vec<Node<'a>>,
    initializers: HashMap<&'a str, Initializer<'a>>,
    /// The nodes that read a value, as indexes of `nodes`.
    readers: HashMap<&'a str, Vec<usize>>,
}

#[derive(Default)]
struct Node<'a> {
    op: &'a str,
    inputs: Vec<&'a str>,
    outputs: Vec<&'a str>,
    trans_b: bool,
}

/// A linear layer found in the graph.
struct LinearLayer<'a> {
    /// Name of the constant, without `_quantized`.
    matrix: &'a str,
    /// Name of the bias, without `.bias`.
    stem: &'a str,
    /// Whether the matrix is stored as in PyTorch, one row per output.
    transposed: bool,
}

/// Maximal number of nodes between a product and its bias. Quantized graphs have a cast and
/// two multiplications there.
const MAX_STEPS: usize = 6;

impl<'a> Graph<'a> {
    fn parse(model: &'a [u8]) -> Result<Self, String> {
        let mut graph = Graph {
            nodes: Vec::new(),
            initializers: HashMap::new(),
            readers: HashMap::new(),
        };
        let mut found = false;
        for field in Fields::new(model) {
            if let (7, Value::Bytes(message)) = field? {
                found = true;
                graph.add(message)?;
            }
        }
        if !found {
            return Err("it contains no ONNX graph".to_owned());
        }
        for (index, node) in graph.nodes.iter().enumerate() {
            for &input in &node.inputs {
                graph.readers.entry(input).or_default().push(index);
            }
        }
        Ok(graph)
    }

    fn add(&mut self, graph: &'a [u8]) -> Result<(), String> {
        for field in Fields::new(graph) {
            match field? {
                (1, Value::Bytes(message)) => self.nodes.push(Node::parse(message)?),
                (5, Value::Bytes(message)) => {
                    let tensor = Initializer::parse(message)?;
                    self.initializers.insert(tensor.name, tensor);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn is_quantized(&self, base: &str) -> bool {
        self.initializers
            .contains_key(format!("{base}_quantized").as_str())
    }

    /// The bytes of the constant `base`, if it is there.
    fn n_bytes(&self, base: &str) -> usize {
        let quantized = format!("{base}_quantized");
        let constant = self.initializers.get(base);
        let constant = constant.or_else(|| self.initializers.get(quantized.as_str()));
        constant.map_or(0, Initializer::n_bytes)
    }

    fn is_number(&self, name: &str) -> bool {
        self.initializers
            .get(name)
            .is_some_and(|tensor| matches!(tensor.kind, FLOAT | FLOAT16 | UINT8 | INT8))
    }

    /// The linear layer that `node` computes, if it multiplies by a constant matrix.
    fn linear_layer(&self, node: &Node<'a>) -> Result<Option<LinearLayer<'a>>, String> {
        if !matches!(node.op, "MatMul" | "MatMulInteger" | "Gemm") {
            return Ok(None);
        }
        let Some(&constant) = node.inputs.get(1) else {
            return Ok(None);
        };
        if !self.initializers.contains_key(constant) {
            return Ok(None);
        }
        let matrix = constant.strip_suffix("_quantized").unwrap_or(constant);
        let bias = match node.op {
            "Gemm" => node.inputs.get(2).and_then(|&input| self.bias_stem(input)),
            _ => self.bias_after(node),
        };
        // A matrix that has a name needs none from a bias.
        let stem = bias
            .or_else(|| matrix.strip_suffix(".weight"))
            .ok_or_else(|| format!("no named bias follows the product with `{constant}`"))?;
        Ok(Some(LinearLayer {
            matrix,
            stem,
            transposed: node.trans_b,
        }))
    }

    /// The stem of the first named bias that is added downstream of `node`.
    fn bias_after(&self, node: &Node<'a>) -> Option<&'a str> {
        let mut output = *node.outputs.first()?;
        for _ in 0..MAX_STEPS {
            let reader = &self.nodes[*self.readers.get(output)?.first()?];
            if reader.op == "Add"
                && let Some(stem) = reader
                    .inputs
                    .iter()
                    .find_map(|&input| self.bias_stem(input))
            {
                return Some(stem);
            }
            output = reader.outputs.first()?;
        }
        None
    }

    fn bias_stem(&self, input: &'a str) -> Option<&'a str> {
        let stem = input.strip_suffix(".bias")?;
        self.initializers.contains_key(input).then_some(stem)
    }

    /// The constant `base` in f32, dequantized if necessary.
    fn dequantized(&self, base: &str) -> Result<Values, String> {
        if let Some(plain) = self.initializers.get(base) {
            return plain.numbers();
        }
        let part = |suffix: &str| {
            let name = format!("{base}{suffix}");
            self.initializers
                .get(name.as_str())
                .ok_or_else(|| format!("there is no constant `{name}`"))?
                .numbers()
        };
        let mut quantized = part("_quantized")?;
        let (scale, zero) = (part("_scale")?.values, part("_zero_point")?.values);
        let columns = quantized.shape.last().copied().unwrap_or(1);
        let fits = |length: usize| length == 1 || length == columns;
        if !fits(scale.len()) || !fits(zero.len()) {
            return Err(format!(
                "`{base}` has {columns} columns, but {} scales and {} zero points",
                scale.len(),
                zero.len()
            ));
        }
        for (index, value) in quantized.values.iter_mut().enumerate() {
            let column = index % columns;
            let zero = zero[if zero.len() == 1 { 0 } else { column }];
            let scale = scale[if scale.len() == 1 { 0 } else { column }];
            *value = (*value - zero) * scale;
        }
        Ok(quantized)
    }
}

impl<'a> Node<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, String> {
        let mut node = Node::default();
        for field in Fields::new(message) {
            match field? {
                (1, Value::Bytes(name)) => node.inputs.push(text(name)?),
                (2, Value::Bytes(name)) => node.outputs.push(text(name)?),
                (4, Value::Bytes(op)) => node.op = text(op)?,
                (5, Value::Bytes(attribute)) => node.trans_b |= is_trans_b(attribute)?,
                _ => {}
            }
        }
        Ok(node)
    }
}

/// Whether the attribute is `transB` with a value other than 0.
fn is_trans_b(attribute: &[u8]) -> Result<bool, String> {
    let (mut named, mut set) = (false, false);
    for field in Fields::new(attribute) {
        match field? {
            (1, Value::Bytes(name)) => named = name == b"transB",
            (3, Value::Varint(value)) => set = value != 0,
            _ => {}
        }
    }
    Ok(named && set)
}

/// A constant that is not decoded yet.
#[derive(Default)]
struct Initializer<'a> {
    name: &'a str,
    shape: Vec<usize>,
    kind: u64,
    /// The values as bytes, if they are stored so.
    raw: Option<&'a [u8]>,
    /// The values, if they are stored one by one.
    listed: Vec<f32>,
    external: bool,
}

// ONNX data types of weights.
const FLOAT: u64 = 1;
const UINT8: u64 = 2;
const INT8: u64 = 3;
const FLOAT16: u64 = 10;

impl<'a> Initializer<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, String> {
        let mut tensor = Initializer::default();
        for field in Fields::new(message) {
            match field? {
                (1, Value::Varint(extent)) => tensor.shape.push(extent_of(extent)?),
                (1, Value::Bytes(mut packed)) => {
                    while !packed.is_empty() {
                        tensor.shape.push(extent_of(varint(&mut packed)?)?);
                    }
                }
                (2, Value::Varint(kind)) => tensor.kind = kind,
                (4, Value::Fixed32(bits)) => tensor.listed.push(f32::from_bits(bits)),
                (4, Value::Bytes(packed)) => tensor.listed.extend(floats(packed)),
                (5, Value::Varint(value)) => tensor.listed.push(value as i32 as f32),
                (5, Value::Bytes(mut packed)) => {
                    while !packed.is_empty() {
                        tensor.listed.push(varint(&mut packed)? as i32 as f32);
                    }
                }
                (8, Value::Bytes(name)) => tensor.name = text(name)?,
                (9, Value::Bytes(raw)) => tensor.raw = Some(raw),
                (14, Value::Varint(location)) => tensor.external = location == 1,
                _ => {}
            }
        }
        Ok(tensor)
    }

    fn n_bytes(&self) -> usize {
        self.raw.map_or(self.listed.len(), <[u8]>::len)
    }

    /// The values as f32; integers are not dequantized.
    fn numbers(&self) -> Result<Values, String> {
        let name = self.name;
        if self.external {
            return Err(format!(
                "`{name}` is stored in another file; save the model as one file"
            ));
        }
        let values = match (self.raw, self.kind) {
            (Some(raw), FLOAT) => floats(raw).collect(),
            (Some(raw), FLOAT16) => {
                let widen = |&b: &[u8; 2]| half::f16::from_le_bytes(b).to_f32();
                raw.as_chunks().0.iter().map(widen).collect()
            }
            (Some(raw), UINT8) => raw.iter().map(|&byte| f32::from(byte)).collect(),
            (Some(raw), INT8) => raw.iter().map(|&byte| f32::from(byte as i8)).collect(),
            (None, FLOAT | UINT8 | INT8) => self.listed.clone(),
            (_, kind) => return Err(format!("`{name}` has the unsupported data type {kind}")),
        };
        super::check_count(name, &self.shape, values.len())?;
        Ok(Values {
            shape: self.shape.clone(),
            values,
        })
    }
}

fn transpose(matrix: &Values, name: &str) -> Result<Values, String> {
    let [rows, columns] = matrix.shape[..] else {
        return Err(format!(
            "`{name}` is not a matrix but has shape {:?}",
            matrix.shape
        ));
    };
    let mut values = vec![0.0; matrix.values.len()];
    // A few columns at a time, so that the output stays in the cache.
    for first in (0..columns).step_by(16) {
        let block = first..columns.min(first + 16);
        for (row, from) in matrix.values.chunks_exact(columns.max(1)).enumerate() {
            for column in block.clone() {
                values[column * rows + row] = from[column];
            }
        }
    }
    Ok(Values {
        shape: vec![columns, rows],
        values,
    })
}

fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b))
}

fn extent_of(value: u64) -> Result<usize, String> {
    usize::try_from(value).map_err(|_| format!("a tensor has the extent {value}"))
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "a name is not UTF-8".to_owned())
}
