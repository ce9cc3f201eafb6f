//! What [`failpoint`](self) is without the feature: nothing.

pub(crate) enum Operation {
    Create,
    Sync,
    Rename,
    SyncDir,
    Remove,
    Lock,
    Read,
    Map,
}

#[inline(always)]
pub(crate) fn reach(_: Operation, _: &std::path::Path) -> std::io::Result<()> {
    Ok(())
}

/// How many of `n` bytes may be written.
#[inline(always)]
pub(crate) fn reach_write(_: &std::path::Path, n: usize) -> std::io::Result<usize> {
    Ok(n)
}
