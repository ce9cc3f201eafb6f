//! What [`failpoint`](self) is without the feature: nothing.

pub(crate) enum Operation {
    Create,
    Write,
    Sync,
    Rename,
    SyncDir,
    Remove,
    Lock,
    Read,
    Map,
}

#[inline(always)]
pub(crate) fn reach(_: Operation) -> std::io::Result<()> {
    Ok(())
}

/// How many of `n` bytes may be written.
#[inline(always)]
pub(crate) fn reach_write(n: usize) -> std::io::Result<usize> {
    Ok(n)
}
