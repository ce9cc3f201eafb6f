//! The E5S1 container: a BERT's weights as 4-bit blocks (GGML's Q4_0) and f32.
//!
//! The file contains, in this order and little-endian: `E5S1`, a version, the sizes of the
//! model, a tokenizer (skipped, since the model's `tokenizer.json` is used), a directory of
//! tensors, and their bytes. A Q4_0 block is a scale d in f16 and 16 bytes with 32 weights
//! w = d (q - 8), where q are 4 bits: the low halves of the bytes are the first 16 weights,
//! the high halves the last 16.

use std::collections::HashMap;

use super::{Tensors, Values};

/// Reads every tensor, under the names of BERT in PyTorch.
pub(super) fn read(bytes: &[u8]) -> Result<Tensors, String> {
    let container = Container::parse(bytes)?;
    let (hidden, inner) = (container.hidden, container.intermediate);
    let mut tensors = Tensors::new();
    // Any number of tensors could be made of the same bytes. A block has 32 weights in 18.
    let mut left = bytes.len().saturating_mul(2);
    let mut add = |name: String, values: Values| {
        left = left
            .checked_sub(values.values.len())
            .ok_or("its tensors overlap")?;
        tensors.insert(name, values);
        Ok::<(), String>(())
    };
    let embeddings = "embeddings.";
    add(
        format!("{embeddings}word_embeddings.weight"),
        container.blocks("emb.word", hidden)?,
    )?;
    add(
        format!("{embeddings}position_embeddings.weight"),
        container.matrix("emb.pos", hidden)?,
    )?;
    add(
        format!("{embeddings}token_type_embeddings.weight"),
        container.segments()?,
    )?;
    for (suffix, kind) in [("w", "weight"), ("b", "bias")] {
        let norm = container.vector(&format!("emb.ln.{suffix}"))?;
        add(format!("{embeddings}LayerNorm.{kind}"), norm)?;
    }
    for layer in 0..container.layers {
        let prefix = format!("encoder.layer.{layer}.");
        for (short, long) in LINEAR {
            let columns = if short == "fo" { inner } else { hidden };
            let weight = container.blocks(&format!("l{layer}.{short}.w"), columns)?;
            add(format!("{prefix}{long}.weight"), weight)?;
            let bias = container.vector(&format!("l{layer}.{short}.b"))?;
            add(format!("{prefix}{long}.bias"), bias)?;
        }
        for (short, long) in NORMS {
            for (suffix, kind) in [("w", "weight"), ("b", "bias")] {
                let norm = container.vector(&format!("l{layer}.{short}.{suffix}"))?;
                add(format!("{prefix}{long}.{kind}"), norm)?;
            }
        }
    }
    Ok(tensors)
}

const LINEAR: [(&str, &str); 6] = [
    ("q", "attention.self.query"),
    ("k", "attention.self.key"),
    ("v", "attention.self.value"),
    ("ao", "attention.output.dense"),
    ("fi", "intermediate.dense"),
    ("fo", "output.dense"),
];

const NORMS: [(&str, &str); 2] = [
    ("aln", "attention.output.LayerNorm"),
    ("oln", "output.LayerNorm"),
];

/// Number of weights in a Q4_0 block.
const BLOCK: usize = 32;
/// Size of a Q4_0 block in bytes.
const BLOCK_BYTES: usize = 18;

struct Container<'a> {
    bytes: &'a [u8],
    hidden: usize,
    layers: usize,
    intermediate: usize,
    directory: HashMap<&'a str, (usize, usize)>,
}

impl<'a> Container<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let mut cursor = Cursor { rest: bytes };
        if cursor.take(4)? != b"E5S1" {
            return Err("it does not start with E5S1".to_owned());
        }
        cursor.take(4)?; // version
        let hidden = cursor.count("hidden size")?;
        let layers = cursor.count("number of layers")?;
        cursor.take(4)?; // attention heads
        let intermediate = cursor.count("intermediate size")?;
        cursor.take(4 * 3)?; // vocabulary, positions, segments
        cursor.take(4 * 2)?; // epsilon, block size
        let pieces = cursor.count("number of word pieces")?;
        cursor.take(4 * 4)?; // special tokens
        let text_bytes = cursor.offset("length of the word pieces")?;
        cursor.take_many(pieces + 1, 4)?; // offset of each piece
        cursor.take_many(pieces, 4)?; // scores
        cursor.take(text_bytes)?;
        cursor.take(4)?; // entries of the normalization table
        let table_bytes = cursor.count("length of the normalization table")?;
        cursor.take(table_bytes)?;
        let directory = cursor.directory(bytes.len())?;
        if hidden == 0 || intermediate == 0 {
            return Err("its sizes are zero".to_owned());
        }
        Ok(Container {
            bytes,
            hidden,
            layers,
            intermediate,
            directory,
        })
    }

    fn raw(&self, name: &str) -> Result<&'a [u8], String> {
        let &(start, end) = self
            .directory
            .get(name)
            .ok_or_else(|| format!("there is no tensor `{name}`"))?;
        Ok(&self.bytes[start..end])
    }

    fn vector(&self, name: &str) -> Result<Values, String> {
        let raw = self.raw(name)?;
        let (chunks, []) = raw.as_chunks() else {
            return Err(format!("tensor `{name}` has {} bytes of f32", raw.len()));
        };
        let values: Vec<f32> = chunks.iter().map(|&b| f32::from_le_bytes(b)).collect();
        Ok(Values {
            shape: vec![values.len()],
            values,
        })
    }

    fn matrix(&self, name: &str, columns: usize) -> Result<Values, String> {
        into_rows(name, self.vector(name)?.values, columns)
    }

    fn blocks(&self, name: &str, columns: usize) -> Result<Values, String> {
        let raw = self.raw(name)?;
        let (blocks, []) = raw.as_chunks::<BLOCK_BYTES>() else {
            return Err(format!("tensor `{name}` has {} bytes of blocks", raw.len()));
        };
        let mut values = Vec::with_capacity(blocks.len() * BLOCK);
        for block in blocks {
            let (scale, quants) = block.split_at(2);
            let scale = half::f16::from_le_bytes([scale[0], scale[1]]).to_f32();
            let weight = |quant: u8| (f32::from(quant) - 8.0) * scale;
            values.extend(quants.iter().map(|pair| weight(pair & 15)));
            values.extend(quants.iter().map(|pair| weight(pair >> 4)));
        }
        into_rows(name, values, columns)
    }

    /// If the container has one segment row, it is used for both segments.
    fn segments(&self) -> Result<Values, String> {
        let mut row = self.vector("emb.type")?.values;
        if row.len() == self.hidden {
            row.extend_from_within(..);
        }
        into_rows("emb.type", row, self.hidden)
    }
}

fn into_rows(name: &str, values: Vec<f32>, columns: usize) -> Result<Values, String> {
    if !values.len().is_multiple_of(columns) {
        return Err(format!(
            "tensor `{name}` has {} weights in rows of {columns}",
            values.len()
        ));
    }
    Ok(Values {
        shape: vec![values.len() / columns, columns],
        values,
    })
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (bytes, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or("it ends too early")?;
        self.rest = rest;
        Ok(bytes)
    }

    fn take_many(&mut self, count: usize, size: usize) -> Result<&'a [u8], String> {
        self.take(count.checked_mul(size).ok_or("it ends too early")?)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or("it ends too early")?;
        self.rest = rest;
        Ok(*bytes)
    }

    /// A 32-bit signed count, which must not be negative.
    fn count(&mut self, what: &str) -> Result<usize, String> {
        let value = i32::from_le_bytes(self.array()?);
        usize::try_from(value).map_err(|_| format!("its {what} is {value}"))
    }

    fn offset(&mut self, what: &str) -> Result<usize, String> {
        let value = u64::from_le_bytes(self.array()?);
        usize::try_from(value).map_err(|_| format!("its {what} is {value}"))
    }

    /// Start and end of each tensor's bytes within a file of `length` bytes.
    fn directory(&mut self, length: usize) -> Result<HashMap<&'a str, (usize, usize)>, String> {
        let entries = self.count("number of tensors")?;
        let mut directory = HashMap::new();
        for _ in 0..entries {
            let name_length = usize::from(u16::from_le_bytes(self.array()?));
            let name = std::str::from_utf8(self.take(name_length)?)
                .map_err(|_| "a tensor's name is not UTF-8")?;
            self.take(1 + 4)?; // type and number of weights, which the caller knows
            let start = self.offset("tensor's offset")?;
            let size = self.offset("tensor's size")?;
            let end = start.checked_add(size).filter(|&end| end <= length);
            let end = end.ok_or_else(|| format!("tensor `{name}` reaches beyond the file"))?;
            directory.insert(name, (start, end));
        }
        Ok(directory)
    }
}
