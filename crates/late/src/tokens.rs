//! The token vectors: `tokens`, and of integers their `scales`.
//!
//! `tokens` is a prologue, the number of values of a token and the form of the values (u32 each),
//! zeros up to byte 64, then the values, token after token. Of 4 bits, the value at an even place is
//! in the low half of a byte, and a token ends with its byte. `scales` is a prologue, zeros up to
//! byte 64, then one f32 for each token. Of residuals, the value at the first place is in the lowest
//! bits of a byte, and `centroids.u16`, a prologue and zeros up to byte 64, holds the number of the
//! centroid of each token.

use std::path::Path;

use half::f16;
use half::slice::HalfFloatSliceExt;
use treffer_disk::{FileWriter, Prologue};
use treffer_kernels::Isa;

use crate::codebook::Codebook;
use crate::config::Storage;
use crate::error::{Error, Owner};
use crate::format::{VERSION, pad};

pub(crate) const TOKENS: &str = "tokens";
pub(crate) const SCALES: &str = "scales";
pub(crate) const CENTROIDS: &str = "centroids.u16";
pub(crate) const PROLOGUE: Prologue = Prologue {
    magic: *b"TRFltok\n",
    version: VERSION,
};
pub(crate) const SCALES_PROLOGUE: Prologue = Prologue {
    magic: *b"TRFlsca\n",
    version: VERSION,
};
pub(crate) const CENTROIDS_PROLOGUE: Prologue = Prologue {
    magic: *b"TRFlcen\n",
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

/// A form of token vectors, with what they are restored from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form<'a> {
    F16,
    Int8,
    Int4,
    Residual(&'a Codebook),
}

impl<'a> Form<'a> {
    /// The form of vectors of `width` values.
    pub(crate) fn of(
        storage: Storage,
        width: usize,
        codebook: Option<&'a Codebook>,
    ) -> Result<Self, Error> {
        let bits = match storage {
            Storage::F16 => return Ok(Form::F16),
            Storage::Int8 => return Ok(Form::Int8),
            Storage::Int4 => return Ok(Form::Int4),
            Storage::Residual1 => 1,
            Storage::Residual2 => 2,
        };
        let found = match codebook {
            Some(one) if (one.width(), one.bits()) == (width, bits) => {
                return Ok(Form::Residual(one));
            }
            Some(one) => format!("for {} values in {} bits", one.width(), one.bits()),
            None => "missing".to_owned(),
        };
        Err(Error::OtherCodebook {
            kept: width,
            bits,
            found,
        })
    }
}

/// Token vectors of a passage as they are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stored<'a> {
    /// Bits of half-precision numbers.
    F16(&'a [u16]),
    /// Values are the codes times the scale of their token.
    Int8 { codes: &'a [i8], scales: &'a [f32] },
    /// The same with two codes in a byte.
    Int4 { codes: &'a [u8], scales: &'a [f32] },
    /// The numbers of centroids, and what is left in one or two bits a value.
    Residual {
        numbers: &'a [u16],
        packed: &'a [u8],
        codebook: &'a Codebook,
    },
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
            Stored::Residual {
                numbers,
                packed,
                codebook,
            } => {
                let (mut codes, mut scales) = (Vec::new(), Vec::new());
                let isa = Isa::detect().unwrap_or(Isa::SCALAR);
                let residuals = codebook.residuals();
                residuals.restore(isa, numbers, packed, &mut codes, &mut scales);
                let (codes, scales) = (&codes, &scales);
                Stored::Int8 { codes, scales }.values(width, values);
            }
        }
    }
}

/// Token vectors of one passage, kept in memory.
#[derive(Debug)]
pub(crate) enum Kept<'a> {
    F16(Vec<u16>),
    Int8 {
        codes: Vec<i8>,
        scales: Vec<f32>,
    },
    Int4 {
        codes: Vec<u8>,
        scales: Vec<f32>,
    },
    Residual {
        numbers: Vec<u16>,
        packed: Vec<u8>,
        codebook: &'a Codebook,
    },
}

impl<'a> Kept<'a> {
    /// Of unit vectors of `width` values each.
    pub(crate) fn of(values: &[f32], width: usize, form: Form<'a>) -> Self {
        match form {
            Form::F16 => {
                let bits = values.iter().map(|value| f16::from_f32(*value).to_bits());
                Kept::F16(bits.collect())
            }
            Form::Int8 => {
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
            Form::Int4 => {
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
            Form::Residual(codebook) => {
                let (numbers, packed) = codebook.encode(values);
                Kept::Residual {
                    numbers,
                    packed,
                    codebook,
                }
            }
        }
    }

    pub(crate) fn stored(&self) -> Stored<'_> {
        match self {
            Kept::F16(bits) => Stored::F16(bits),
            Kept::Int8 { codes, scales } => Stored::Int8 { codes, scales },
            Kept::Int4 { codes, scales } => Stored::Int4 { codes, scales },
            Kept::Residual {
                numbers,
                packed,
                codebook,
            } => Stored::Residual {
                numbers,
                packed,
                codebook,
            },
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

/// Every form.
pub(crate) const STORAGES: [Storage; 5] = [
    Storage::F16,
    Storage::Int8,
    Storage::Int4,
    Storage::Residual2,
    Storage::Residual1,
];

/// The number of a form in the file.
pub(crate) fn code_of(storage: Storage) -> u32 {
    match storage {
        Storage::F16 => 1,
        Storage::Int8 => 2,
        Storage::Int4 => 3,
        Storage::Residual2 => 4,
        Storage::Residual1 => 5,
    }
}

/// Bytes of the values of a token.
pub(crate) fn bytes_of_token(width: usize, storage: Storage) -> usize {
    match storage {
        Storage::F16 => 2 * width,
        Storage::Int8 => width,
        Storage::Int4 => width.div_ceil(2),
        Storage::Residual2 => width.div_ceil(4),
        Storage::Residual1 => width.div_ceil(8),
    }
}

/// Writes tokens as they come, so that none are held in memory.
#[derive(Debug)]
pub(crate) struct TokenWriter {
    tokens: FileWriter,
    scales: Option<FileWriter>,
    centroids: Option<FileWriter>,
}

impl TokenWriter {
    pub(crate) fn create(dir: &Path, width: usize, storage: Storage) -> Result<Self, Error> {
        let mut tokens = FileWriter::create(&dir.join(TOKENS))?;
        tokens.push(&PROLOGUE.to_bytes())?;
        tokens.push(&(width as u32).to_le_bytes())?;
        tokens.push(&code_of(storage).to_le_bytes())?;
        pad(&mut tokens)?;
        let begin = |name: &str, prologue: &Prologue| -> Result<FileWriter, Error> {
            let mut file = FileWriter::create(&dir.join(name))?;
            file.push(&prologue.to_bytes())?;
            pad(&mut file)?;
            Ok(file)
        };
        let (mut scales, mut centroids) = (None, None);
        match storage {
            Storage::F16 => {}
            Storage::Int8 | Storage::Int4 => scales = Some(begin(SCALES, &SCALES_PROLOGUE)?),
            Storage::Residual1 | Storage::Residual2 => {
                centroids = Some(begin(CENTROIDS, &CENTROIDS_PROLOGUE)?);
            }
        }
        Ok(TokenWriter {
            tokens,
            scales,
            centroids,
        })
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
            Stored::Residual {
                numbers, packed, ..
            } => {
                self.tokens.push(packed)?;
                if let Some(file) = &mut self.centroids {
                    let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
                    file.push(&bytes)?;
                }
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
        for file in [self.scales, self.centroids].into_iter().flatten() {
            file.finish()?;
        }
        Ok(())
    }
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
