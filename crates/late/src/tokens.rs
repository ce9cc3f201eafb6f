//! The token vectors: `tokens`, and of integers their `scales`.
//!
//! `tokens` is a prologue, the number of values of a token and the form of the values (u32 each),
//! zeros up to byte 64, then the values, token after token. Of 4 bits, the value at an even place is
//! in the low half of a byte, and a token ends with its byte. `scales` is a prologue, zeros up to
//! byte 64, then one f32 for each token.

use std::ops::Range;
use std::path::{Path, PathBuf};

use half::f16;
use half::slice::HalfFloatSliceExt;
use treffer_disk::{FileWriter, Numbers, Prologue, Sealed};

use crate::config::{Storage, WIDTHS};
use crate::error::{Error, Owner, damaged};
use crate::format::{START, VERSION};

const TOKENS: &str = "tokens";
const SCALES: &str = "scales";
const PROLOGUE: Prologue = Prologue {
    magic: *b"TRFltok\n",
    version: VERSION,
};
const SCALES_PROLOGUE: Prologue = Prologue {
    magic: *b"TRFlsca\n",
    version: VERSION,
};

/// Squared lengths may differ from 1 by this much: wide enough for vectors that went
/// through half precision, far too narrow for one that was never normalized.
const UNIT_TOLERANCE: f64 = 2e-3;
/// The same for vectors that went through integers of 4 or 8 bits.
pub(crate) const KEPT_TOLERANCE: f64 = 0.2;
/// Greatest byte.
const MOST_CODE: f32 = 127.0;
/// Greatest integer of 4 bits.
const MOST_NIBBLE: f32 = 7.0;
/// Shares of the greatest value that may become the greatest integer of 4 bits; what is beyond is
/// cut off. Which of them is best depends on how the values of a token are spread.
const CUTS: [f32; 5] = [1.0, 0.9, 0.8, 0.7, 0.6];

/// Token vectors of a passage as they are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stored<'a> {
    /// Bits of half-precision numbers.
    F16(&'a [u16]),
    /// Values are the codes times the scale of their token.
    Int8 { codes: &'a [i8], scales: &'a [f32] },
    /// The same with two codes in a byte.
    Int4 { codes: &'a [u8], scales: &'a [f32] },
}

/// Sets `codes` to the codes of tokens of `width` values each.
pub(crate) fn unpack(packed: &[u8], width: usize, codes: &mut Vec<i8>) {
    let of_token = width.div_ceil(2);
    codes.resize(packed.len() / of_token * width, 0);
    for (token, codes) in packed
        .chunks_exact(of_token)
        .zip(codes.chunks_exact_mut(width))
    {
        // Shifting to the left and back keeps the sign.
        let (pairs, rest) = codes.as_chunks_mut::<2>();
        for (pair, byte) in pairs.iter_mut().zip(token) {
            *pair = [(byte << 4) as i8 >> 4, *byte as i8 >> 4];
        }
        if let ([last], Some(byte)) = (rest, token.last()) {
            *last = (byte << 4) as i8 >> 4;
        }
    }
}

impl Stored<'_> {
    /// Sets `values` to the values of all tokens, of `width` each.
    pub(crate) fn values(self, width: usize, values: &mut Vec<f32>) {
        values.clear();
        match self {
            Stored::F16(bits) => {
                values.resize(bits.len(), 0.0);
                // Every instruction set converts exactly.
                let halves: &[f16] = half::slice::HalfBitsSliceExt::reinterpret_cast(bits);
                halves.convert_to_f32_slice(values);
            }
            Stored::Int8 { codes, scales } => {
                for (codes, scale) in codes.chunks_exact(width).zip(scales) {
                    values.extend(codes.iter().map(|code| f32::from(*code) * scale));
                }
            }
            Stored::Int4 { codes, scales } => {
                let mut unpacked = Vec::with_capacity(width * scales.len());
                unpack(codes, width, &mut unpacked);
                let codes = &unpacked;
                Stored::Int8 { codes, scales }.values(width, values);
            }
        }
    }
}

/// Token vectors of one passage, kept in memory.
#[derive(Debug, PartialEq)]
pub(crate) enum Kept {
    F16(Vec<u16>),
    Int8 { codes: Vec<i8>, scales: Vec<f32> },
    Int4 { codes: Vec<u8>, scales: Vec<f32> },
}

impl Kept {
    /// Of unit vectors of `width` values each.
    pub(crate) fn of(values: &[f32], width: usize, storage: Storage) -> Self {
        match storage {
            Storage::F16 => {
                let bits = values.iter().map(|value| f16::from_f32(*value).to_bits());
                Kept::F16(bits.collect())
            }
            Storage::Int8 => {
                let mut codes = Vec::with_capacity(values.len());
                let mut scales = Vec::with_capacity(values.len() / width);
                for token in values.chunks_exact(width) {
                    let greatest = token.iter().fold(0.0f32, |most, x| most.max(x.abs()));
                    // A unit vector has a value that is far from 0.
                    let scale = greatest.max(f32::MIN_POSITIVE * MOST_CODE) / MOST_CODE;
                    codes.extend(token.iter().map(|x| (x / scale).round_ties_even() as i8));
                    scales.push(scale);
                }
                Kept::Int8 { codes, scales }
            }
            Storage::Int4 => {
                let mut codes = Vec::with_capacity(values.len() / 2);
                let mut scales = Vec::with_capacity(values.len() / width);
                for token in values.chunks_exact(width) {
                    let scale = nibble_scale(token);
                    let nibble = |value: f32| nibble(value, scale) as u8 & 0xf;
                    codes.extend(token.chunks(2).map(|pair| match *pair {
                        [low, high] => nibble(low) | nibble(high) << 4,
                        _ => nibble(pair[0]),
                    }));
                    scales.push(scale);
                }
                Kept::Int4 { codes, scales }
            }
        }
    }

    pub(crate) fn stored(&self) -> Stored<'_> {
        match self {
            Kept::F16(bits) => Stored::F16(bits),
            Kept::Int8 { codes, scales } => Stored::Int8 { codes, scales },
            Kept::Int4 { codes, scales } => Stored::Int4 { codes, scales },
        }
    }
}

/// The scale with the least squared error.
fn nibble_scale(token: &[f32]) -> f32 {
    let greatest = token.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    let greatest = greatest.max(f32::MIN_POSITIVE * 1e4);
    let error = |scale: f32| -> f32 {
        let errors = token
            .iter()
            .map(|x| x - f32::from(nibble(*x, scale)) * scale);
        errors.map(|error| error * error).sum()
    };
    let scales = CUTS.map(|cut| cut * greatest / MOST_NIBBLE);
    let best = scales.into_iter().map(|scale| (error(scale), scale));
    best.fold((f32::INFINITY, scales[0]), |best, one| {
        if one.0 < best.0 { one } else { best }
    })
    .1
}

fn nibble(value: f32, scale: f32) -> i8 {
    (value / scale)
        .round_ties_even()
        .clamp(-MOST_NIBBLE, MOST_NIBBLE) as i8
}

/// The number of a form in the file.
fn code_of(storage: Storage) -> u32 {
    match storage {
        Storage::F16 => 1,
        Storage::Int8 => 2,
        Storage::Int4 => 3,
    }
}

/// Bytes of the values of a token.
fn bytes_of_token(width: usize, storage: Storage) -> usize {
    match storage {
        Storage::F16 => 2 * width,
        Storage::Int8 => width,
        Storage::Int4 => width.div_ceil(2),
    }
}

/// Writes tokens as they come, so that none are held in memory.
#[derive(Debug)]
pub(crate) struct TokenWriter {
    tokens: FileWriter,
    scales: Option<FileWriter>,
}

impl TokenWriter {
    pub(crate) fn create(dir: &Path, width: usize, storage: Storage) -> Result<Self, Error> {
        let mut tokens = FileWriter::create(&dir.join(TOKENS))?;
        tokens.push(&PROLOGUE.to_bytes())?;
        tokens.push(&(width as u32).to_le_bytes())?;
        tokens.push(&code_of(storage).to_le_bytes())?;
        pad(&mut tokens)?;
        let mut scales = None;
        if storage != Storage::F16 {
            let mut file = FileWriter::create(&dir.join(SCALES))?;
            file.push(&SCALES_PROLOGUE.to_bytes())?;
            pad(&mut file)?;
            scales = Some(file);
        }
        Ok(TokenWriter { tokens, scales })
    }

    /// Adds tokens of the form that it was created for.
    pub(crate) fn push(&mut self, stored: Stored<'_>) -> Result<(), Error> {
        match stored {
            Stored::F16(bits) => {
                let bytes: Vec<u8> = bits.iter().flat_map(|bits| bits.to_le_bytes()).collect();
                self.tokens.push(&bytes)?;
            }
            Stored::Int8 { codes, scales } => {
                let bytes: Vec<u8> = codes.iter().map(|code| *code as u8).collect();
                self.tokens.push(&bytes)?;
                self.push_scales(scales)?;
            }
            Stored::Int4 { codes, scales } => {
                self.tokens.push(codes)?;
                self.push_scales(scales)?;
            }
        }
        Ok(())
    }

    fn push_scales(&mut self, scales: &[f32]) -> Result<(), Error> {
        if let Some(file) = &mut self.scales {
            for scale in scales {
                file.push(&scale.to_le_bytes())?;
            }
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<(), Error> {
        self.tokens.finish()?;
        if let Some(scales) = self.scales {
            scales.finish()?;
        }
        Ok(())
    }
}

pub(crate) fn pad(file: &mut FileWriter) -> Result<(), Error> {
    let at = file.bytes() as usize;
    Ok(file.push(&[0; START][..START.saturating_sub(at)])?)
}

/// The token vectors of an index on disk.
#[derive(Debug)]
pub(crate) struct MappedTokens {
    width: usize,
    tokens: usize,
    path: PathBuf,
    values: MappedValues,
}

#[derive(Debug)]
enum MappedValues {
    F16(Numbers<u16>),
    Int8 {
        codes: Numbers<i8>,
        scales: Numbers<f32>,
    },
    Int4 {
        codes: Numbers<u8>,
        scales: Numbers<f32>,
    },
}

impl MappedTokens {
    pub(crate) fn open(sealed: &Sealed) -> Result<Self, Error> {
        let file = sealed.file(TOKENS)?;
        PROLOGUE.check_file(&file)?;
        let path = file.path().to_owned();
        let head = Numbers::<u32>::new(file.clone(), Prologue::BYTES, 2)?;
        let (width, code) = (head.get(0)? as usize, head.get(1)?);
        let all = [Storage::F16, Storage::Int8, Storage::Int4];
        let Some(storage) = all.into_iter().find(|&form| code_of(form) == code) else {
            return Err(damaged(&path, format!("its values are of form {code}")));
        };
        if !WIDTHS.contains(&width) {
            return Err(damaged(&path, format!("its tokens have {width} values")));
        }
        let of_token = bytes_of_token(width, storage);
        let bytes = file.len().checked_sub(START);
        let Some(bytes) = bytes.filter(|bytes| bytes.is_multiple_of(of_token)) else {
            let reason = format!(
                "its {} bytes are no whole tokens of {width} values",
                file.len()
            );
            return Err(damaged(&path, reason));
        };
        let tokens = bytes / of_token;
        let values = match storage {
            Storage::F16 => MappedValues::F16(Numbers::new(file, START, tokens * width)?),
            Storage::Int8 => MappedValues::Int8 {
                codes: Numbers::new(file, START, bytes)?,
                scales: open_scales(sealed, tokens)?,
            },
            Storage::Int4 => MappedValues::Int4 {
                codes: Numbers::new(file, START, bytes)?,
                scales: open_scales(sealed, tokens)?,
            },
        };
        Ok(MappedTokens {
            width,
            tokens,
            path,
            values,
        })
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn len(&self) -> usize {
        self.tokens
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn storage(&self) -> Storage {
        match self.values {
            MappedValues::F16(_) => Storage::F16,
            MappedValues::Int8 { .. } => Storage::Int8,
            MappedValues::Int4 { .. } => Storage::Int4,
        }
    }

    /// Some tokens, one after the other.
    pub(crate) fn get(&self, tokens: Range<usize>) -> Result<Stored<'_>, Error> {
        // Ends are below 2^32 and widths at most 4096.
        let values = |of_token: usize| tokens.start * of_token..tokens.end * of_token;
        Ok(match &self.values {
            MappedValues::F16(bits) => Stored::F16(bits.slice(values(self.width))?),
            MappedValues::Int8 { codes, scales } => Stored::Int8 {
                codes: codes.slice(values(self.width))?,
                scales: scales.slice(tokens)?,
            },
            MappedValues::Int4 { codes, scales } => Stored::Int4 {
                codes: codes.slice(values(self.width.div_ceil(2)))?,
                scales: scales.slice(tokens)?,
            },
        })
    }
}

fn open_scales(sealed: &Sealed, tokens: usize) -> Result<Numbers<f32>, Error> {
    let scales = sealed.file(SCALES)?;
    SCALES_PROLOGUE.check_file(&scales)?;
    if scales.len() != START + 4 * tokens {
        let reason = format!("its {} bytes are not {tokens} scales", scales.len());
        return Err(damaged(scales.path(), reason));
    }
    Ok(Numbers::new(scales, START, tokens)?)
}

/// Refuses vectors that are no whole tokens of `width` values and of length 1, at least one.
pub(crate) fn check_units(width: usize, owner: Owner, values: &[f32]) -> Result<(), Error> {
    if values.is_empty() || !values.len().is_multiple_of(width) {
        return Err(Error::WrongWidth {
            owner,
            expected: width,
            found: values.len(),
        });
    }
    for (token, vector) in values.chunks_exact(width).enumerate() {
        check_unit(owner, token, vector, UNIT_TOLERANCE)?;
    }
    Ok(())
}

pub(crate) fn check_unit(
    owner: Owner,
    token: usize,
    vector: &[f32],
    tolerance: f64,
) -> Result<(), Error> {
    let squared: f64 = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    // Written so that NaN fails.
    if (squared - 1.0).abs() <= tolerance {
        return Ok(());
    }
    Err(Error::NotUnit {
        owner,
        token,
        length: squared.sqrt(),
    })
}
