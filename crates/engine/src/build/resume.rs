//! Going on with a build that was interrupted.

use super::BuildRequest;
use crate::config::{Config, Settings};
use crate::error::Error;
use crate::manifest::{Manifest, SETTINGS};

/// The manifest of the interrupted build that this one goes on with, if there is one and it is not
/// to be replaced.
pub(super) fn interrupted(request: &BuildRequest<'_>) -> Option<Manifest> {
    let manifest = Manifest::read(request.dir).ok()?;
    (manifest.unfinished && !request.replace).then_some(manifest)
}

/// Whether an interrupted build was begun with the settings of this configuration, whose file of
/// vectors has been looked at. They are those of the index already, and may have been edited since,
/// so others would be ignored.
///
/// # Errors
/// If not; or if the settings cannot be read.
pub(super) fn check_settings(
    request: &BuildRequest<'_>,
    begun: &Manifest,
    config: &Config,
) -> Result<(), Error> {
    let generation = begun.settings.generation;
    // Both as they are read, so that it does not matter how they were written.
    let begun = Settings::parse(&begun.settings.toml, "the settings of the unfinished index")?;
    let now = config.settings(generation).to_toml();
    let now = Settings::parse(&now, "the settings of the configuration")?;
    let differences: Vec<&str> = [
        ("`device`", begun.device == now.device),
        ("`bm25`", begun.bm25 == now.bm25),
        ("`field_stages`", begun.field_stages == now.field_stages),
        ("`profiles`", begun.profiles == now.profiles),
    ]
    .into_iter()
    .filter(|(_, is_same)| !is_same)
    .map(|(name, _)| name)
    .collect();
    if differences.is_empty() {
        return Ok(());
    }
    Err(Error::Request(format!(
        "the index in {} was begun with other settings ({}) and not completed; use these again and edit {SETTINGS} in it, which can be changed at any time, or pass --replace to begin anew",
        request.dir.display(),
        differences.join(", ")
    )))
}
