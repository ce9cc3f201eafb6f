//! How slowly a download may go: one that brings a byte now and then would never end.

use std::time::Duration;

/// The time in which a server must send at least [`LEAST`] bytes, or all that is left.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);

/// 2 KiB/s, slower than any connection over which a model can be fetched.
const LEAST: u64 = 128 << 10;

/// The speed at which a foreign program, which does more than download, must do all its work,
/// in bytes per second, after [`HEAD_START`].
const PROGRAM: u64 = 16 << 10;
const HEAD_START: Duration = Duration::from_secs(600);

/// Watches the speed of a download.
pub(crate) struct Pace {
    since: Duration,
    bytes: u64,
}

impl Pace {
    /// Starts to watch at the time `now`.
    pub(crate) fn start(now: Duration) -> Self {
        Pace {
            since: now,
            bytes: 0,
        }
    }

    /// Counts bytes that came.
    pub(crate) fn add(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// The number of bytes of the last window, if they were too few.
    pub(crate) fn too_slow(&mut self, now: Duration) -> Option<u64> {
        if now.saturating_sub(self.since) < WINDOW {
            return None;
        }
        let bytes = std::mem::take(&mut self.bytes);
        self.since = now;
        (bytes < LEAST).then_some(bytes)
    }
}

/// The time that a foreign program has to download `size` bytes.
pub(crate) fn time_for(size: u64) -> Duration {
    HEAD_START + Duration::from_secs(size / PROGRAM)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_drip_is_noticed_after_a_window_and_a_slow_line_is_not() {
        let mut drip = Pace::start(seconds(5));
        for second in 5..65 {
            drip.add(1);
            assert_eq!(drip.too_slow(seconds(second)), None);
        }
        assert_eq!(drip.too_slow(seconds(65)), Some(60));
        let mut slow = Pace::start(seconds(0));
        for second in 1..1000 {
            slow.add(3000);
            assert_eq!(slow.too_slow(seconds(second)), None);
        }
    }

    #[test]
    fn a_quick_start_is_no_excuse() {
        let mut pace = Pace::start(seconds(0));
        pace.add(1 << 30);
        assert_eq!(pace.too_slow(seconds(60)), None);
        assert_eq!(pace.too_slow(seconds(120)), Some(0));
    }

    #[test]
    fn a_program_has_time_by_the_size() {
        assert_eq!(time_for(0), seconds(600));
        assert_eq!(time_for(80 << 20), seconds(600 + 5120));
    }
}
