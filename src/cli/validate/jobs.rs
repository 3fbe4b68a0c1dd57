//! The inputs cut into pieces that threads can check: a document each, or some
//! lines of newline-delimited resources.

use std::{
    cell::Cell,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
};

use flate2::bufread::MultiGzDecoder;

use super::input::{Input, Inputs, is_lines};

/// How many bytes of newline-delimited resources make a job: enough to be worth
/// handing over, and few enough that all issues of some jobs fit into memory.
const LINES_PER_JOB: usize = 64 * 1024;

/// Something to check at a stroke.
#[derive(Debug)]
pub struct Job {
    /// Name of the input.
    pub name: Arc<str>,
    /// What to check.
    pub content: Content,
    /// Bytes of the input that were read for it, as they lie on the disk.
    pub read: u64,
}

/// What is to be checked.
#[derive(Debug)]
pub enum Content {
    /// One document; read by whoever checks it.
    File(PathBuf),
    /// One document.
    Document(Vec<u8>),
    /// Documents, one a line.
    Lines {
        /// The lines.
        bytes: Vec<u8>,
        /// Number of the first line in the input, from 1.
        first_line: u32,
        /// Where the first line begins in the input, decompressed.
        offset: usize,
    },
    /// Nothing, because of this.
    Unreadable(io::Error),
}

/// Why there are no more jobs from an input.
#[derive(Debug)]
pub enum JobError {
    /// It cannot be read.
    Read(io::Error),
    /// Nobody takes jobs any more.
    Stopped,
}

/// Gives `take` the jobs of all inputs in order, until it fails.
pub fn jobs(inputs: Inputs, mut take: impl FnMut(Job) -> Result<(), JobError>) {
    for input in inputs.0 {
        let name: Arc<str> = match &input {
            Input::StandardInput => "-".into(),
            Input::File(path) => path.to_string_lossy().into(),
        };
        let split = match input {
            Input::StandardInput => split_standard_input(&name, &mut take),
            Input::File(path) if is_lines(&path) => split_file(&name, &path, &mut take),
            Input::File(path) => take(Job {
                name: name.clone(),
                content: Content::File(path),
                read: 0,
            }),
        };
        let ended = match split {
            Ok(()) => Ok(()),
            Err(JobError::Stopped) => Err(JobError::Stopped),
            Err(JobError::Read(error)) => take(Job {
                name,
                content: Content::Unreadable(error),
                read: 0,
            }),
        };
        if ended.is_err() {
            return;
        }
    }
}

/// The content of a file with one document, and the bytes that it takes on the
/// disk.
///
/// # Errors
/// When it cannot be read or decompressed.
pub fn read_file(path: &Path) -> io::Result<(Vec<u8>, u64)> {
    let read = Rc::default();
    let mut bytes = Vec::new();
    reader(path, File::open(path)?, &read).read_to_end(&mut bytes)?;
    Ok((bytes, read.get()))
}

/// Counts what is read through it.
struct Counting<R> {
    inner: R,
    read: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read.set(self.read.get() + read as u64);
        Ok(read)
    }
}

/// The content of a file, decompressed; `read` tells how far it has been read.
fn reader(path: &Path, file: File, read: &Rc<Cell<u64>>) -> Box<dyn BufRead> {
    let file = BufReader::new(Counting {
        inner: file,
        read: read.clone(),
    });
    let compressed = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
    if compressed {
        Box::new(BufReader::new(MultiGzDecoder::new(file)))
    } else {
        Box::new(file)
    }
}

fn split_file(
    name: &Arc<str>,
    path: &Path,
    take: &mut impl FnMut(Job) -> Result<(), JobError>,
) -> Result<(), JobError> {
    let file = File::open(path).map_err(JobError::Read)?;
    let read = Rc::default();
    split_lines(name, reader(path, file, &read), &read, take)
}

/// Standard input may be compressed, and may hold one document or one a line:
/// the first bytes and the first line tell.
fn split_standard_input(
    name: &Arc<str>,
    take: &mut impl FnMut(Job) -> Result<(), JobError>,
) -> Result<(), JobError> {
    let mut input = io::stdin().lock();
    if input
        .fill_buf()
        .map_err(JobError::Read)?
        .starts_with(&[0x1f, 0x8b])
    {
        split_unknown(name, BufReader::new(MultiGzDecoder::new(input)), take)
    } else {
        split_unknown(name, input, take)
    }
}

fn split_unknown(
    name: &Arc<str>,
    mut input: impl BufRead,
    take: &mut impl FnMut(Job) -> Result<(), JobError>,
) -> Result<(), JobError> {
    let mut start = Vec::new();
    input
        .read_until(b'\n', &mut start)
        .map_err(JobError::Read)?;
    if serde_json::from_slice::<serde::de::IgnoredAny>(&start).is_ok() {
        let input = io::Cursor::new(start).chain(input);
        return split_lines(name, input, &Rc::default(), take);
    }
    input.read_to_end(&mut start).map_err(JobError::Read)?;
    take(Job {
        name: name.clone(),
        content: Content::Document(start),
        read: 0,
    })
}

fn split_lines(
    name: &Arc<str>,
    mut input: impl BufRead,
    read_so_far: &Cell<u64>,
    take: &mut impl FnMut(Job) -> Result<(), JobError>,
) -> Result<(), JobError> {
    let (mut line, mut offset, mut reported) = (1_u32, 0, 0);
    loop {
        let mut bytes = Vec::new();
        let mut lines = 0;
        // Lines that came before an error are still worth checking.
        let mut read = Ok(1);
        while bytes.len() < LINES_PER_JOB && matches!(read, Ok(1..)) {
            read = input.read_until(b'\n', &mut bytes);
            lines += 1;
        }
        let length = bytes.len();
        if length > 0 {
            take(Job {
                name: name.clone(),
                content: Content::Lines {
                    bytes,
                    first_line: line,
                    offset,
                },
                read: read_so_far.get() - reported,
            })?;
            reported = read_so_far.get();
        }
        if read.map_err(JobError::Read)? == 0 {
            return Ok(());
        }
        line = line.saturating_add(lines);
        offset += length;
    }
}
