//! Memory that forward passes reuse.

use std::sync::Mutex;

use treffer_kernels::operand::Form;
use treffer_kernels::{Isa, Rows, attention};

/// Things that are made when needed and kept for the next who needs one.
pub(super) struct Pool<T>(Mutex<Vec<T>>);

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Pool(Mutex::default())
    }
}

impl<T> Pool<T> {
    pub(super) fn take(&self, make: impl FnOnce() -> T) -> T {
        let kept = self.0.lock().expect("nobody panics while holding it").pop();
        kept.unwrap_or_else(make)
    }

    pub(super) fn put(&self, thing: T) {
        let mut kept = self.0.lock().expect("nobody panics while holding it");
        kept.push(thing);
    }
}

/// Memory of one forward pass.
pub(super) struct Scratch {
    /// Token vectors, `[tokens, hidden]`: what goes into a layer and what comes out.
    pub(super) hidden: Vec<f32>,
    /// The rows of `hidden` that attend, where these are not all.
    pub(super) asking: Vec<f32>,
    /// What the heads found, `[asking, hidden]`.
    pub(super) context: Vec<f32>,
    /// After attention, `[BLOCK, hidden]`.
    pub(super) attended: Vec<f32>,
    pub(super) rows: Rows,
    pub(super) asking_rows: Rows,
}

impl Scratch {
    pub(super) fn new(isa: Isa) -> Self {
        let form = Form::of_linear(isa);
        Scratch {
            hidden: Vec::new(),
            asking: Vec::new(),
            context: Vec::new(),
            attended: Vec::new(),
            rows: Rows::new(form),
            asking_rows: Rows::new(form),
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
    /// What comes out: `[asking, GROUP]`, or `[BLOCK, hidden]` of a slice.
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
            rows: Rows::new(Form::of_linear(isa)),
            out: Vec::new(),
        }
    }
}

/// The first `rows` x `width` values of a buffer that grows as needed.
pub(super) fn room(buffer: &mut Vec<f32>, rows: usize, width: usize) -> &mut [f32] {
    buffer.resize(rows * width, 0.0);
    buffer
}
