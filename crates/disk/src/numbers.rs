//! Fixed-width numbers in a mapped file, as a slice.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, damaged};
use crate::verified::VerifiedFile;

#[cfg(target_endian = "big")]
compile_error!("files hold little-endian numbers, which are mapped and not converted");

/// A number that a file can hold: little-endian, every pattern of bits valid.
pub trait Number: sealed::Sealed + bytemuck::Pod {}

impl Number for i8 {}
impl Number for u8 {}
impl Number for u16 {}
impl Number for u32 {}
impl Number for u64 {}
impl Number for f32 {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for i8 {}
    impl Sealed for u8 {}
    impl Sealed for u16 {}
    impl Sealed for u32 {}
    impl Sealed for u64 {}
    impl Sealed for f32 {}
}

/// Numbers one after the other in a file, verified as they are touched.
#[derive(Clone, Debug)]
pub struct Numbers<T> {
    file: Arc<VerifiedFile>,
    start: usize,
    len: usize,
    number: PhantomData<T>,
}

impl<T: Number> Numbers<T> {
    const WIDTH: usize = size_of::<T>();

    /// The `len` numbers that begin at byte `start`.
    ///
    /// # Errors
    /// [`Error::Damaged`] if `start` is not a multiple of a number's width, or if the file
    /// ends before them.
    pub fn new(file: Arc<VerifiedFile>, start: usize, len: usize) -> Result<Self, Error> {
        if !start.is_multiple_of(Self::WIDTH) {
            let width = Self::WIDTH;
            let reason = format!("numbers of {width} bytes begin at byte {start}");
            return Err(damaged(file.path(), reason));
        }
        let end = len
            .checked_mul(Self::WIDTH)
            .and_then(|bytes| bytes.checked_add(start));
        if end.is_none_or(|end| end > file.len()) {
            let reason = format!(
                "{len} numbers from byte {start} on do not fit its {} bytes",
                file.len()
            );
            return Err(damaged(file.path(), reason));
        }
        Ok(Numbers {
            file,
            start,
            len,
            number: PhantomData,
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The file that they are in.
    pub fn file(&self) -> &Arc<VerifiedFile> {
        &self.file
    }

    /// One number.
    ///
    /// # Errors
    /// [`Error::Damaged`] if there is no such number or its block is damaged.
    #[inline]
    pub fn get(&self, index: usize) -> Result<T, Error> {
        let numbers = self.slice(index..index.saturating_add(1))?;
        Ok(numbers[0])
    }

    /// Numbers one after the other.
    ///
    /// # Errors
    /// [`Error::Damaged`] if there are not so many or a block of them is damaged.
    #[inline]
    pub fn slice(&self, range: Range<usize>) -> Result<&[T], Error> {
        if range.start > range.end || range.end > self.len {
            return Err(self.out_of_range(&range));
        }
        let bytes = self
            .file
            .bytes(self.start + range.start * Self::WIDTH..self.start + range.end * Self::WIDTH)?;
        // A map begins at a page, and `start` is a multiple of the width.
        bytemuck::try_cast_slice(bytes)
            .map_err(|error| damaged(self.file.path(), format!("its numbers: {error}")))
    }

    #[cold]
    fn out_of_range(&self, range: &Range<usize>) -> Error {
        let Range { start, end } = range;
        let reason = format!("numbers {start} to {end} are needed of {}", self.len);
        damaged(self.file.path(), reason)
    }
}

/// The first index below `len` for which `is_before` does not hold, `len` if there is none:
/// a binary search, as [`slice::partition_point`], where looking may fail.
///
/// # Errors
/// Whatever `is_before` returns.
pub fn partition_point<E>(
    len: usize,
    mut is_before: impl FnMut(usize) -> Result<bool, E>,
) -> Result<usize, E> {
    let (mut start, mut end) = (0, len);
    while start < end {
        let middle = start + (end - start) / 2;
        if is_before(middle)? {
            start = middle + 1;
        } else {
            end = middle;
        }
    }
    Ok(start)
}
