//! Memory that is reused between forward passes.

use std::sync::Mutex;

use treffer_kernels::operand::Form;
use treffer_kernels::{Isa, Rows, attention};

/// A pool of values that are created on demand and returned for reuse.
pub(super) struct Pool<T>(Mutex<Vec<T>>);

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Pool(Mutex::default())
    }
}

impl<T> Pool<T> {
    pub(super) fn take(&self, make: impl FnOnce() -> T) -> T {
        let kept = self
            .0
            .lock()
            .expect("no code panics while holding the lock")
            .pop();
        kept.unwrap_or_else(make)
    }

    pub(super) fn put(&self, value: T) {
        let mut kept = self
            .0
            .lock()
            .expect("no code panics while holding the lock");
        kept.push(value);
    }
}

/// Memory of one forward pass.
pub(super) struct Scratch {
    /// Token vectors, `[tokens, hidden]`: the input and output of a layer.
    pub(super) hidden: Vec<f32>,
    /// The rows of `hidden` that attend, `[queries, hidden]`, if these are not all.
    pub(super) query_hidden: Vec<f32>,
    /// The output of the heads, `[queries, hidden]`.
    pub(super) context: Vec<f32>,
    /// A block after attention, `[BLOCK, hidden]`.
    pub(super) attended: Vec<f32>,
    pub(super) rows: Rows,
    pub(super) query_rows: Rows,
}

impl Scratch {
    pub(super) fn new(isa: Isa) -> Self {
        let form = Form::for_linear(isa);
        Scratch {
            hidden: Vec::new(),
            query_hidden: Vec::new(),
            context: Vec::new(),
            attended: Vec::new(),
            rows: Rows::new(form),
            query_rows: Rows::new(form),
        }
    }
}

/// Memory of a group of heads or of a slice of the feed-forward block.
pub(super) struct Part {
    /// A group's queries, keys and values, `[tokens, GROUP]` each.
    pub(super) queries: Vec<f32>,
    pub(super) keys: Vec<f32>,
    pub(super) values: Vec<f32>,
    pub(super) attention: attention::Scratch,
    /// A slice's columns, `[BLOCK, SLICE]`.
    pub(super) inner: Vec<f32>,
    pub(super) rows: Rows,
    /// The output: `[queries, GROUP]` of a group, or `[BLOCK, hidden]` of a slice.
    pub(super) out: Vec<f32>,
}

impl Part {
    pub(super) fn new(isa: Isa) -> Self {
        Part {
            queries: Vec::new(),
            keys: Vec::new(),
            values: Vec::new(),
            attention: attention::Scratch::default(),
            inner: Vec::new(),
            rows: Rows::new(Form::for_linear(isa)),
            out: Vec::new(),
        }
    }
}

/// Resizes a buffer to `rows` x `width` values.
pub(super) fn room(buffer: &mut Vec<f32>, rows: usize, width: usize) -> &mut [f32] {
    buffer.resize(rows * width, 0.0);
    buffer
}
