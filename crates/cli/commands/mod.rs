//! The commands, one file each: from what was typed to what is printed.

pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod eval;
pub(crate) mod explain;
pub(crate) mod fuse;
pub(crate) mod index;
pub(crate) mod info;
pub(crate) mod judge;
pub(crate) mod model;
pub(crate) mod quickstart;
pub(crate) mod rerank;
pub(crate) mod search;
pub(crate) mod tune;
