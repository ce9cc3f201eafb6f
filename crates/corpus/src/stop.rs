//! Reading that can be stopped from another thread, even while it waits for a pipe.

use std::io::{self, BufRead, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// A request to stop, shared between readers and whoever makes it, such as a handler of
/// Ctrl-C.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks readers to stop. Returns whether they had been asked before.
    pub fn request(&self) -> bool {
        self.0.swap(true, Ordering::Relaxed)
    }

    /// Whether readers were asked to stop.
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn check(&self) -> io::Result<()> {
        if self.is_requested() {
            return Err(io::Error::other("stopped on request"));
        }
        Ok(())
    }
}

/// A reader that fails once it was asked to stop, as often as it is read from: also within a
/// line that does not end.
pub(crate) struct Stoppable<R> {
    inner: R,
    stop: Stop,
}

impl<R> Stoppable<R> {
    pub(crate) fn new(inner: R, stop: Stop) -> Self {
        Stoppable { inner, stop }
    }
}

impl<R: Read> Read for Stoppable<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stop.check()?;
        self.inner.read(buffer)
    }
}

impl<R: BufRead> BufRead for Stoppable<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.stop.check()?;
        self.inner.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        self.inner.consume(n);
    }
}

/// Bytes read at once in the background.
const CHUNK: usize = 64 * 1024;
/// Chunks that wait to be taken.
const CHUNKS_AHEAD: usize = 4;
/// How long a request to stop may go unnoticed.
const LATENCY: Duration = Duration::from_millis(50);

/// A reader of a pipe, a terminal or a device, which may keep a read, or even opening it,
/// waiting forever. A thread waits; it ends with the input, or with the process.
pub(crate) struct Background {
    chunks: Receiver<io::Result<Vec<u8>>>,
    chunk: Cursor<Vec<u8>>,
    stop: Stop,
}

impl Background {
    pub(crate) fn new<R: Read>(
        open: impl FnOnce() -> io::Result<R> + Send + 'static,
        stop: Stop,
    ) -> Self {
        let (sender, chunks) = sync_channel(CHUNKS_AHEAD);
        thread::spawn(move || {
            if let Err(error) = open().and_then(|reader| send_all(reader, &sender)) {
                // Nobody is waiting for it any more if this fails.
                let _ = sender.send(Err(error));
            }
        });
        Background {
            chunks,
            chunk: Cursor::default(),
            stop,
        }
    }
}

/// Sends what `reader` gives until its end, or until nobody takes it any more.
fn send_all(mut reader: impl Read, sender: &SyncSender<io::Result<Vec<u8>>>) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) if sender.send(Ok(buffer[..n].to_vec())).is_ok() => {}
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

impl Read for Background {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = self.chunk.read(buffer)?;
            if n > 0 || buffer.is_empty() {
                return Ok(n);
            }
            self.stop.check()?;
            match self.chunks.recv_timeout(LATENCY) {
                Ok(chunk) => self.chunk = Cursor::new(chunk?),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_in_the_background_is_what_was_written() {
        let bytes: Vec<u8> = (0..CHUNK * 3 + 7).map(|i| (i % 251) as u8).collect();
        let source = Cursor::new(bytes.clone());
        let mut background = Background::new(move || Ok(source), Stop::default());
        let mut found = Vec::new();
        background.read_to_end(&mut found).unwrap();
        assert!(found == bytes);
    }

    #[test]
    fn an_error_in_the_background_arrives_after_what_came_before_it() {
        struct Broken(bool);
        impl Read for Broken {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                if std::mem::replace(&mut self.0, true) {
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                buffer[0] = b'x';
                Ok(1)
            }
        }
        let mut background = Background::new(|| Ok(Broken(false)), Stop::default());
        let mut found = Vec::new();
        let error = background.read_to_end(&mut found).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(found, b"x");
        let unopened = || Err::<Broken, _>(io::ErrorKind::PermissionDenied.into());
        let error = Background::new(unopened, Stop::default()).read(&mut [0]);
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn a_stop_is_noticed_while_nothing_comes_and_within_an_endless_line() {
        let stop = Stop::default();
        let (_keeps_waiting, never) = std::sync::mpsc::channel::<()>();
        let open = move || {
            let _ = never.recv();
            Ok(io::empty())
        };
        let mut background = Background::new(open, stop.clone());
        let mut endless = Stoppable::new(io::BufReader::new(io::repeat(b'x')), stop.clone());
        let asking = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            stop.request()
        });
        assert!(background.read(&mut [0]).is_err());
        assert!(endless.skip_until(b'\n').is_err());
        assert!(!asking.join().unwrap());
    }
}
