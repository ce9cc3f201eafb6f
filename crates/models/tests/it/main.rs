//! Pulling models without a network: from a server on this machine and through
//! a shell script in place of pip.

#![expect(clippy::unwrap_used, reason = "a stand-in that fails ends its test")]

#[cfg(unix)]
mod fake_pip;
#[cfg(unix)]
mod hostile;
mod hub;
mod shared;
mod support;
#[cfg(unix)]
mod wheels;
