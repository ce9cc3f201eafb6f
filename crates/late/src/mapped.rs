//! The token vectors of an index on disk: `tokens`, `scales` and `centroids.u16`, mapped.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use treffer_disk::{Numbers, Prologue, Sealed};

use crate::codebook::Codebook;
use crate::config::{Storage, WIDTHS};
use crate::error::{Error, damaged};
use crate::format::START;
use crate::tokens::{
    CENTROIDS, CENTROIDS_PROLOGUE, Form, PROLOGUE, SCALES, SCALES_PROLOGUE, STORAGES, Stored,
    TOKENS, bytes_of_token, code_of,
};

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
    Residual {
        packed: Numbers<u8>,
        numbers: Numbers<u16>,
        codebook: Arc<Codebook>,
    },
}

impl MappedTokens {
    /// `codebook` is that of the folder, if it has one.
    pub(crate) fn open(sealed: &Sealed, codebook: Option<&Arc<Codebook>>) -> Result<Self, Error> {
        let file = sealed.file(TOKENS)?;
        PROLOGUE.check_file(&file)?;
        let path = file.path().to_owned();
        let head = Numbers::<u32>::new(file.clone(), Prologue::BYTES, 2)?;
        let (width, code) = (head.get(0)? as usize, head.get(1)?);
        let Some(storage) = STORAGES.into_iter().find(|&form| code_of(form) == code) else {
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
            Storage::Residual1 | Storage::Residual2 => {
                let fits = |one: &&Arc<Codebook>| {
                    one.width() == width && Some(one.bits()) == storage.residual_bits()
                };
                let Some(codebook) = codebook.filter(fits) else {
                    let reason = "its residuals are not those of the codebook";
                    return Err(damaged(&path, reason));
                };
                MappedValues::Residual {
                    packed: Numbers::new(file, START, bytes)?,
                    numbers: open_numbers(sealed, tokens)?,
                    codebook: Arc::clone(codebook),
                }
            }
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
        match &self.values {
            MappedValues::F16(_) => Storage::F16,
            MappedValues::Int8 { .. } => Storage::Int8,
            MappedValues::Int4 { .. } => Storage::Int4,
            MappedValues::Residual { codebook, .. } => match codebook.bits() {
                1 => Storage::Residual1,
                _ => Storage::Residual2,
            },
        }
    }

    /// The form of the vectors.
    pub(crate) fn form(&self) -> Form<'_> {
        match &self.values {
            MappedValues::F16(_) => Form::F16,
            MappedValues::Int8 { .. } => Form::Int8,
            MappedValues::Int4 { .. } => Form::Int4,
            MappedValues::Residual { codebook, .. } => Form::Residual(codebook),
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
            MappedValues::Residual {
                packed,
                numbers,
                codebook,
            } => {
                let packed = packed.slice(values(codebook.residuals().bytes()))?;
                let numbers = numbers.slice(tokens)?;
                let count = codebook.centroids();
                if let Some(beyond) = numbers.iter().find(|&&n| usize::from(n) >= count) {
                    let reason = format!("a token has centroid {beyond} of {count}");
                    return Err(damaged(&self.path, reason));
                }
                Stored::Residual {
                    numbers,
                    packed,
                    codebook,
                }
            }
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

fn open_numbers(sealed: &Sealed, tokens: usize) -> Result<Numbers<u16>, Error> {
    let numbers = sealed.file(CENTROIDS)?;
    CENTROIDS_PROLOGUE.check_file(&numbers)?;
    if numbers.len() != START + 2 * tokens {
        let reason = format!("its {} bytes are not {tokens} numbers", numbers.len());
        return Err(damaged(numbers.path(), reason));
    }
    Ok(Numbers::new(numbers, START, tokens)?)
}
