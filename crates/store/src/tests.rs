//! Round trips, duplicates and damage.
