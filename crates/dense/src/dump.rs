//! Reads a graph dump of `hnsw_rs` through without building anything, so that the
//! library, which panics or exits where it should refuse, only sees dumps that it can
//! load.
//!
//! The layout is the library's (format 4, numbers in the machine's byte order):
//!
//! ```text
//! graph  magic u32, full u8, m u8, level scale f64, layers u8, ef_construction usize,
//!        points usize, dimension usize, distance name, value name (length usize, bytes)
//!        layers u8, then per layer: magic u32, points usize, then per point:
//!          magic u32, id usize, layer u8, rank i32, then per layer: links usize,
//!            then per link: id usize, layer u8, rank i32, distance f32
//!        entry point: id usize, layer u8, rank i32
//! data   magic u32, dimension usize, then per point, in the same order:
//!          magic u32, id u64, bytes u64, the values
//! ```

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::config::GraphConfig;
use crate::error::Error;
use crate::files::{damaged, io_error};
use crate::graph::{FILES, LAYERS, RowDistance};

const MAGIC_DESCRIPTION: u32 = 0x002a_6779;
const MAGIC_LAYER: u32 = 0x000a_676f;
const MAGIC_POINT: u32 = 0x000a_678f;
const MAGIC_DATA: u32 = 0xa67f_0000;

/// A dump and what it must be a dump of.
pub(crate) struct Dump<'a> {
    dir: &'a Path,
    points: usize,
    config: &'a GraphConfig,
}

impl<'a> Dump<'a> {
    pub(crate) fn new(dir: &'a Path, points: usize, config: &'a GraphConfig) -> Self {
        Dump {
            dir,
            points,
            config,
        }
    }

    /// Refuses a dump that the library could not load, or that has other points.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let [graph, data] = FILES.map(|name| self.dir.join(name));
        let ids = self.check_graph(Reader::open(graph)?)?;
        check_data(Reader::open(data)?, &ids)
    }

    /// Returns the points' ids in the order in which they are stored.
    fn check_graph(&self, mut file: Reader) -> Result<Vec<u32>, Error> {
        self.check_description(&mut file)?;
        file.expect("number of layers", LAYERS as u8)?;
        let mut ids = Vec::with_capacity(self.points);
        let mut seen = vec![false; self.points];
        let mut layers = [0usize; LAYERS];
        // Links may lead to layers not yet read, so the highest rank is checked at the end.
        let mut highest: [Option<usize>; LAYERS] = [None; LAYERS];
        for (layer, points) in layers.iter_mut().enumerate() {
            file.expect("magic of a layer", MAGIC_LAYER)?;
            *points = file.number::<usize>()?;
            if *points > self.points - ids.len() {
                return Err(file.damaged("it has too many points"));
            }
            for rank in 0..*points {
                file.expect("magic of a point", MAGIC_POINT)?;
                let id = file.id(self.points)?;
                if std::mem::replace(&mut seen[id], true) {
                    return Err(file.damaged(format!("point {id} occurs twice")));
                }
                ids.push(id as u32);
                file.expect("layer of a point", layer as u8)?;
                file.expect("rank of a point", rank as i32)?;
                for _ in 0..LAYERS {
                    self.check_links(&mut file, &mut highest)?;
                }
            }
        }
        file.id(self.points)?;
        file.place(&mut highest)?;
        file.end()?;
        if ids.len() != self.points {
            let found = ids.len();
            return Err(file.damaged(format!("it has {found} points instead of {}", self.points)));
        }
        let reaches_out =
            |(points, highest): (&usize, &Option<usize>)| highest.is_some_and(|h| h >= *points);
        if layers.iter().zip(&highest).any(reaches_out) {
            return Err(file.damaged("a link leads nowhere"));
        }
        Ok(ids)
    }

    fn check_description(&self, file: &mut Reader) -> Result<(), Error> {
        file.expect("magic number", MAGIC_DESCRIPTION)?;
        file.expect("kind of dump", 1u8)?;
        file.expect("m", self.config.m as u8)?;
        let scale = file.number::<f64>()?;
        if !(scale.is_finite() && scale > 0.0) {
            return Err(file.damaged("its level scale is no positive number"));
        }
        file.expect("number of layers", LAYERS as u8)?;
        file.expect("ef_construction", self.config.ef_construction)?;
        file.expect("number of points", self.points)?;
        file.expect("dimension", 1usize)?;
        file.expect_name(std::any::type_name::<RowDistance>())?;
        file.expect_name(std::any::type_name::<f32>())
    }

    fn check_links(
        &self,
        file: &mut Reader,
        highest: &mut [Option<usize>; LAYERS],
    ) -> Result<(), Error> {
        let links = file.number::<usize>()?;
        if links > 2 * self.config.m {
            return Err(file.damaged(format!("a point has {links} links in one layer")));
        }
        for _ in 0..links {
            file.id(self.points)?;
            file.place(highest)?;
            let distance = file.number::<f32>()?;
            if !(0.0..=2.0).contains(&distance) {
                return Err(file.damaged("a distance is out of range"));
            }
        }
        Ok(())
    }
}

fn check_data(mut file: Reader, ids: &[u32]) -> Result<(), Error> {
    file.expect("magic number", MAGIC_DATA)?;
    file.expect("dimension", 1usize)?;
    for &id in ids {
        file.expect("magic of a point", MAGIC_DATA)?;
        file.expect("id of a point", u64::from(id))?;
        file.expect("size of a point", 4u64)?;
        file.expect("row of a point", id)?;
    }
    file.end()
}

/// A file with its path, for errors.
struct Reader {
    path: PathBuf,
    input: BufReader<File>,
}

impl Reader {
    fn open(path: PathBuf) -> Result<Self, Error> {
        let file = File::open(&path).map_err(io_error("open", &path))?;
        let input = BufReader::with_capacity(1 << 18, file);
        Ok(Reader { path, input })
    }

    fn damaged(&self, reason: impl Into<String>) -> Error {
        damaged(&self.path, reason)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        match self.input.read_exact(&mut bytes) {
            Ok(()) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.damaged("it ends too early"))
            }
            Err(error) => Err(io_error("read", &self.path)(error)),
        }
    }

    fn number<T: Number>(&mut self) -> Result<T, Error> {
        T::read(self)
    }

    fn expect<T: Number>(&mut self, what: &str, expected: T) -> Result<(), Error> {
        let found = T::read(self)?;
        if found == expected {
            Ok(())
        } else {
            Err(self.damaged(format!("its {what} is {found} instead of {expected}")))
        }
    }

    fn expect_name(&mut self, expected: &str) -> Result<(), Error> {
        self.expect("length of a type name", expected.len())?;
        for byte in expected.bytes() {
            self.expect("type name's byte", byte)?;
        }
        Ok(())
    }

    /// A point's id, below `points`.
    fn id(&mut self, points: usize) -> Result<usize, Error> {
        let id = self.number::<usize>()?;
        if id < points {
            Ok(id)
        } else {
            Err(self.damaged(format!("there is no point {id}")))
        }
    }

    /// A layer and a rank in it.
    fn place(&mut self, highest: &mut [Option<usize>; LAYERS]) -> Result<(), Error> {
        let layer = usize::from(self.number::<u8>()?);
        let rank = usize::try_from(self.number::<i32>()?);
        match (highest.get_mut(layer), rank) {
            (Some(highest), Ok(rank)) => *highest = (*highest).max(Some(rank)),
            _ => return Err(self.damaged("a link leads nowhere")),
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Error> {
        let mut more = [0; 1];
        match self.input.read(&mut more) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.damaged("it goes on after its end")),
            Err(error) => Err(io_error("read", &self.path)(error)),
        }
    }
}

/// A number as the library writes it.
trait Number: Copy + PartialEq + std::fmt::Display {
    fn read(reader: &mut Reader) -> Result<Self, Error>;
}

macro_rules! number {
    ($($t:ty)*) => {$(
        impl Number for $t {
            fn read(reader: &mut Reader) -> Result<Self, Error> {
                reader.bytes().map(<$t>::from_ne_bytes)
            }
        }
    )*};
}

number!(u8 i32 u32 u64 usize f32 f64);
