//! A profile with those that take its place for queries in some languages.

use treffer_types::Language;

use crate::api::SearchOptions;
use crate::engine::Engine;
use crate::error::Error;
use crate::profile::Profile;

/// A profile with those that take its place for queries in some languages.
#[derive(Clone, Debug)]
pub struct Profiles {
    /// The usual one first.
    all: Vec<Profile>,
    /// The languages of the others, in their order.
    languages: Vec<Language>,
}

impl Profiles {
    /// Those that the options of a search name, with what they change.
    ///
    /// # Errors
    /// If a profile is not there, or an option does not fit.
    pub fn of(engine: &Engine, options: &SearchOptions) -> Result<Self, Error> {
        Profiles::around(engine, &engine.profile(options)?, options)
    }

    /// A profile that need not be one of the index; those that it names for some languages are.
    ///
    /// # Errors
    /// If one of these is not there.
    pub fn new(engine: &Engine, profile: &Profile) -> Result<Self, Error> {
        let named = |name: &str| engine.settings().profile(name).cloned();
        Profiles::with(profile, named)
    }

    /// A profile; the options of a search change the others.
    pub(crate) fn around(
        engine: &Engine,
        profile: &Profile,
        options: &SearchOptions,
    ) -> Result<Self, Error> {
        let named = |name: &str| engine.profile(&options.with_profile(name));
        Profiles::with(profile, named)
    }

    fn with(
        profile: &Profile,
        named: impl Fn(&str) -> Result<Profile, Error>,
    ) -> Result<Self, Error> {
        let mut all = vec![profile.clone()];
        for name in profile.by_language.values() {
            all.push(named(name)?);
        }
        Ok(Profiles {
            all,
            languages: profile.by_language.keys().copied().collect(),
        })
    }

    /// All of them, the usual one first.
    pub fn all(&self) -> &[Profile] {
        &self.all
    }

    /// The one for a query.
    pub fn for_query(&self, engine: &Engine, query: &str) -> &Profile {
        &self.all[self.place(engine, query)]
    }

    /// The place in [`Profiles::all`] of the one for a query.
    pub fn place(&self, engine: &Engine, query: &str) -> usize {
        if self.languages.is_empty() {
            return 0;
        }
        let of_query = engine.detect_language(query).language;
        let mut languages = self.languages.iter();
        let other = languages.position(|language| of_query == Some(*language));
        other.map_or(0, |place| place + 1)
    }
}
