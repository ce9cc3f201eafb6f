//! HTTP downloads that can be resumed and canceled, and that time out.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use treffer_types::Progress;
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

use crate::entry::Pin;
use crate::error::{Error, Failure, SourceError};
use crate::hash::{Unhashed, hash_file};
use crate::meter::Meter;
use crate::pace::{Pace, WINDOW};

/// Timeout for a connection. Short, since many machines cannot reach the hub.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Timeout for the head of an answer.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// Bytes that a connection must have brought before it broke, to be made anew at once.
const WORTH_ANOTHER: u64 = 64 << 10;

/// Interval between two checks whether the user canceled.
const CANCEL_POLL: Duration = Duration::from_millis(100);

/// Bytes per read.
const BLOCK: usize = 1 << 17;

/// Largest answer that is read into memory, in bytes.
const MOST_IN_MEMORY: usize = 16 << 20;

/// An HTTP client for the downloads of one model.
pub(crate) struct Client<'a> {
    agent: Agent,
    model: &'a str,
    progress: &'a dyn Progress,
    /// The beginning of time.
    start: Instant,
}

/// What is known of a file before it is downloaded.
pub(crate) struct Expected<'a> {
    /// Its size and checksum.
    pub(crate) pin: Option<&'a Pin>,
    /// Its size, if no more is known.
    pub(crate) size: Option<u64>,
    /// More bytes than any such file has.
    pub(crate) most: u64,
}

impl Expected<'_> {
    fn size(&self) -> Option<u64> {
        self.pin.map(|pin| pin.size).or(self.size)
    }

    /// An error if a file of at least `found` bytes is longer than expected.
    fn check(&self, name: &str, found: u64) -> Result<(), SourceError> {
        match self.size() {
            Some(expected) if found > expected => Err(SourceError::WrongSize {
                file: name.to_owned(),
                expected,
                found,
            }),
            _ if found > self.most => Err(SourceError::TooLarge {
                file: name.to_owned(),
                most: self.most,
            }),
            _ => Ok(()),
        }
    }
}

/// A message of the thread that talks to the server.
enum Event {
    /// The status and headers of the answer.
    Head(Head),
    /// The next bytes of the body.
    Block(Vec<u8>),
    /// The body is complete.
    End,
    /// The request or the connection failed.
    Broken(ureq::Error),
}

/// Status and headers of an answer, as far as they are used.
struct Head {
    status: u16,
    /// Length of the body in bytes.
    length: Option<u64>,
    /// Position in the file of the body's first byte, for a partial answer.
    first: Option<u64>,
}

/// The result of a request that the server accepted.
struct Round {
    /// Bytes of the file that are now on disk.
    have: u64,
    /// The error, if the body was not complete.
    broken: Option<SourceError>,
}

impl<'a> Client<'a> {
    /// A client for the pull of `model` from `endpoint`. It trusts the system's certificates
    /// and respects the usual proxy variables. If the endpoint has https, a redirect to
    /// another protocol is refused.
    pub(crate) fn new(model: &'a str, endpoint: &str, progress: &'a dyn Progress) -> Self {
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier);
        let config = Agent::config_builder()
            .tls_config(tls.build())
            .timeout_resolve(Some(CONNECT_TIMEOUT))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(HEAD_TIMEOUT))
            .http_status_as_error(false)
            .https_only(endpoint.starts_with("https://"))
            .user_agent(concat!("treffer/", env!("CARGO_PKG_VERSION")));
        Client {
            agent: config.build().new_agent(),
            model,
            progress,
            start: Instant::now(),
        }
    }

    /// Requests `url` and returns the body.
    pub(crate) fn read(&self, url: &str, step: &str) -> Result<Vec<u8>, Failure> {
        let meter = Meter::begin(self.progress, step, None);
        let events = self.request(url, 0);
        let mut pace = Pace::start(self.start.elapsed());
        let mut bytes = Vec::new();
        loop {
            match self.next(&events, url, &meter, &mut pace)? {
                Event::Head(head) if head.status != 200 => return Err(refused(url, head.status)),
                Event::Head(_) => {}
                Event::Block(block) if bytes.len() + block.len() > MOST_IN_MEMORY => {
                    let (url, why) = (url.to_owned(), "it is far too long".to_owned());
                    return Err(SourceError::Answer { url, why }.into());
                }
                Event::Block(block) => {
                    pace.add(block.len() as u64);
                    bytes.extend_from_slice(&block);
                }
                Event::End => return Ok(bytes),
                Event::Broken(error) => return Err(broken(url, error).into()),
            }
        }
    }

    /// Downloads `url` to the file `part`, which may hold its beginning already, and compares
    /// it with what is expected; nothing beyond the expected size is written. The file is kept
    /// to be resumed if the connection breaks, and removed if its size or checksum is wrong.
    pub(crate) fn download(
        &self,
        url: &str,
        name: &str,
        wanted: &Expected<'_>,
        part: &Path,
    ) -> Result<Pin, Failure> {
        let resumed = fs::metadata(part).is_ok_and(|part| part.len() > 0);
        let result = self.attempt(url, name, wanted, part);
        let wrong_bytes = |failure: &Failure| {
            matches!(
                failure,
                Failure::Source(
                    SourceError::WrongHash { .. }
                        | SourceError::WrongSize { .. }
                        | SourceError::TooLarge { .. }
                )
            )
        };
        match result {
            // The beginning may have been that of another file: retry without it.
            Err(failure) if resumed && wrong_bytes(&failure) => {
                self.attempt(url, name, wanted, part)
            }
            result => result,
        }
    }

    /// Requests the rest of the file for as long as every request brings a good part of it.
    fn attempt(
        &self,
        url: &str,
        name: &str,
        wanted: &Expected<'_>,
        part: &Path,
    ) -> Result<Pin, Failure> {
        let total = wanted.size();
        let mut meter = Meter::begin(self.progress, &format!("downloading {name}"), total);
        let mut have = fs::metadata(part).map_or(0, |part| part.len());
        if total.is_some_and(|total| have > total) {
            have = 0;
        }
        while total != Some(have) || have == 0 {
            let allowed = |found| wanted.check(name, found);
            let round = self.round(url, have, part, &allowed, &mut meter);
            if let Err(Failure::Source(
                SourceError::WrongSize { .. } | SourceError::TooLarge { .. },
            )) = &round
                && part.exists()
            {
                fs::remove_file(part).map_err(Error::io("remove", part))?;
            }
            let round = round?;
            match round.broken {
                None => break,
                Some(error) if round.have < have.saturating_add(WORTH_ANOTHER) => {
                    return Err(error.into());
                }
                Some(_) => have = round.have,
            }
        }
        drop(meter);
        self.check(name, wanted, part)
    }

    /// Makes one request for everything from byte `have` on, and appends it to `part`. Stops
    /// before a length that is not `allowed`.
    fn round(
        &self,
        url: &str,
        have: u64,
        part: &Path,
        allowed: &dyn Fn(u64) -> Result<(), SourceError>,
        meter: &mut Meter<'_>,
    ) -> Result<Round, Failure> {
        let mut events = self.request(url, have);
        let mut head = self.head(&events, url, meter)?;
        let mut at = have;
        // The server cannot satisfy the range, or sent another one.
        let unusable = head.status == 416 || (head.status == 206 && head.first != Some(have));
        if have > 0 && unusable {
            events = self.request(url, 0);
            head = self.head(&events, url, meter)?;
        }
        let mut pace = Pace::start(self.start.elapsed());
        match head.status {
            206 if head.first == Some(have) => {}
            200 => at = 0,
            status => return Err(refused(url, status)),
        }
        let end = head.length.map(|length| at.saturating_add(length));
        allowed(end.unwrap_or(at))?;
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(part)
            .map_err(Error::io("open", part))?;
        let cut = file
            .set_len(at)
            .and_then(|()| io::Seek::seek(&mut file, io::SeekFrom::Start(at)));
        cut.map_err(Error::io("write", part))?;
        loop {
            meter.reach(at);
            let broken = match self.next(&events, url, meter, &mut pace)? {
                Event::Head(_) => continue,
                Event::Block(block) => {
                    allowed(at + block.len() as u64)?;
                    pace.add(block.len() as u64);
                    file.write_all(&block).map_err(Error::io("write", part))?;
                    at += block.len() as u64;
                    continue;
                }
                Event::End if end.is_some_and(|end| at < end) => {
                    let error = io::Error::from(io::ErrorKind::UnexpectedEof);
                    Some(broken(url, ureq::Error::Io(error)))
                }
                Event::End => None,
                Event::Broken(error) => Some(broken(url, error)),
            };
            return Ok(Round { have: at, broken });
        }
    }

    /// Returns size and checksum of the complete file; removes it if they are not `wanted`.
    fn check(&self, name: &str, wanted: &Expected<'_>, part: &Path) -> Result<Pin, Failure> {
        let hashed = hash_file(part, |_| !self.progress.cancelled());
        let sha256 = hashed.map_err(|unhashed| match unhashed {
            Unhashed::Unread(error) => Error::io("read", part)(error),
            Unhashed::Stopped => self.cancelled(),
        })?;
        let size = fs::metadata(part).map_err(Error::io("read", part))?.len();
        let file = name.to_owned();
        let error = match (wanted.size(), wanted.pin) {
            (Some(expected), _) if expected != size => SourceError::WrongSize {
                file,
                expected,
                found: size,
            },
            (_, Some(pin)) if pin.sha256 != sha256 => SourceError::WrongHash {
                file,
                expected: pin.sha256.clone(),
                found: sha256,
            },
            _ => return Ok(Pin { size, sha256 }),
        };
        fs::remove_file(part).map_err(Error::io("remove", part))?;
        Err(error.into())
    }

    /// Starts a request for everything from byte `from` on, in a thread of its own: a read
    /// from a socket cannot be interrupted, but the thread can be abandoned.
    fn request(&self, url: &str, from: u64) -> Receiver<Event> {
        let (sender, receiver) = sync_channel(4);
        let (agent, url) = (self.agent.clone(), url.to_owned());
        std::thread::spawn(move || {
            let event = match converse(&agent, &url, from, &sender) {
                Ok(()) => Event::End,
                Err(error) => Event::Broken(error),
            };
            // The receiver is gone if the download was canceled.
            let _ = sender.send(event);
        });
        receiver
    }

    fn head(
        &self,
        events: &Receiver<Event>,
        url: &str,
        meter: &Meter<'_>,
    ) -> Result<Head, Failure> {
        let mut pace = Pace::start(self.start.elapsed());
        match self.next(events, url, meter, &mut pace)? {
            Event::Head(head) => Ok(head),
            Event::Broken(error) => Err(broken(url, error).into()),
            Event::Block(_) | Event::End => Err(SourceError::Answer {
                url: url.to_owned(),
                why: "it has no head".to_owned(),
            }
            .into()),
        }
    }

    /// Waits for the next event.
    ///
    /// Fails if the user cancels, or the server sends nothing or too little for too long.
    fn next(
        &self,
        events: &Receiver<Event>,
        url: &str,
        meter: &Meter<'_>,
        pace: &mut Pace,
    ) -> Result<Event, Failure> {
        loop {
            if let Some(bytes) = pace.too_slow(self.start.elapsed()) {
                return Err(slow(url, bytes).into());
            }
            if meter.cancelled() {
                return Err(self.cancelled().into());
            }
            match events.recv_timeout(CANCEL_POLL) {
                Ok(event) => return Ok(event),
                // The thread always sends a last event, unless it panicked.
                Err(RecvTimeoutError::Disconnected) => {
                    let error = io::Error::other("the download's thread ended early");
                    return Err(broken(url, ureq::Error::Io(error)).into());
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn cancelled(&self) -> Error {
        Error::Cancelled {
            name: self.model.to_owned(),
        }
    }
}

/// Sends the head and the blocks of one answer, until the receiver is gone.
fn converse(
    agent: &Agent,
    url: &str,
    from: u64,
    sender: &SyncSender<Event>,
) -> Result<(), ureq::Error> {
    let mut request = agent.get(url);
    if from > 0 {
        request = request.header("Range", format!("bytes={from}-"));
    }
    let response = request.call()?;
    let header = |name: &str| {
        response
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let head = Head {
        status: response.status().as_u16(),
        length: header("content-length").and_then(|length| length.parse().ok()),
        first: header("content-range").and_then(first_byte),
    };
    let wants_body = matches!(head.status, 200 | 206);
    if sender.send(Event::Head(head)).is_err() || !wants_body {
        return Ok(());
    }
    let mut body = response.into_body().into_reader();
    loop {
        let mut block = vec![0; BLOCK];
        let n = match body.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        block.truncate(n);
        if sender.send(Event::Block(block)).is_err() {
            return Ok(());
        }
    }
}

/// The first number of a `Content-Range` such as `bytes 100-199/200`.
fn first_byte(content_range: &str) -> Option<u64> {
    let range = content_range.strip_prefix("bytes ")?;
    range.split_once('-')?.0.trim().parse().ok()
}

fn broken(url: &str, error: ureq::Error) -> SourceError {
    if let ureq::Error::RequireHttpsOnly(to) = error {
        return SourceError::NotHttps {
            url: url.to_owned(),
            to,
        };
    }
    SourceError::Connection {
        url: url.to_owned(),
        source: Box::new(error),
    }
}

/// The error for a server that has sent so few bytes in [`WINDOW`].
fn slow(url: &str, bytes: u64) -> SourceError {
    let (url, seconds) = (url.to_owned(), WINDOW.as_secs());
    match bytes {
        0 => SourceError::Stalled { url, seconds },
        _ => SourceError::Slow {
            what: url,
            bytes,
            seconds,
        },
    }
}

fn refused(url: &str, status: u16) -> Failure {
    Failure::Source(SourceError::Status {
        url: url.to_owned(),
        status,
    })
}

#[cfg(test)]
mod tests;
