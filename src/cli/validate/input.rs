//! What is to be checked: files, folders, patterns, standard input.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use flate2::bufread::MultiGzDecoder;
use globset::GlobBuilder;
use walkdir::{DirEntry, WalkDir};

use crate::model::{Issue, Resource};

/// Endings of files that a folder is searched for, each also with `.gz`.
const ENDINGS: [&str; 3] = [".json", ".ndjson", ".jsonl"];
/// How many bytes of newline-delimited resources make a job.
const LINES_PER_JOB: usize = 256 * 1024;

/// The inputs in order.
#[derive(Debug, PartialEq, Eq)]
pub struct Inputs(Vec<Input>);

#[derive(Debug, PartialEq, Eq)]
enum Input {
    StandardInput,
    File(PathBuf),
}

/// An argument that stands for nothing that could be read.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// Neither a file nor a pattern.
    #[error("there is no file or folder `{0}`")]
    Missing(String),
    /// A pattern without a match, or a folder without resources.
    #[error("no file to check in `{0}`: expected .json, .ndjson or .jsonl, also with .gz")]
    Nothing(String),
    /// A pattern that is none.
    #[error("`{pattern}` is no pattern of file names")]
    Pattern {
        /// The argument.
        pattern: String,
        /// What is wrong with it.
        #[source]
        error: globset::Error,
    },
    /// A folder that cannot be read.
    #[error("cannot read the folder: {0}")]
    Folder(#[from] walkdir::Error),
}

impl Inputs {
    /// Finds the files that the arguments stand for.
    ///
    /// # Errors
    /// [`InputError`] for the first argument that stands for nothing.
    pub fn find(arguments: &[String]) -> Result<Self, InputError> {
        let mut inputs = Vec::new();
        for argument in arguments {
            let path = Path::new(argument);
            if argument == "-" {
                inputs.push(Input::StandardInput);
            } else if path.is_dir() {
                add_all(&mut inputs, argument, walk(path, is_for_us))?;
            } else if path.exists() {
                inputs.push(Input::File(path.to_owned()));
            } else if argument.contains(['*', '?', '[', '{']) {
                add_all(&mut inputs, argument, matches(argument)?)?;
            } else {
                return Err(InputError::Missing(argument.clone()));
            }
        }
        Ok(Self(inputs))
    }

    /// Gives `take` the jobs in order, until it fails.
    pub fn jobs(self, mut take: impl FnMut(Job) -> Result<(), JobError>) {
        for input in self.0 {
            let name: Arc<str> = match &input {
                Input::StandardInput => "-".into(),
                Input::File(path) => path.to_string_lossy().into(),
            };
            let split = match input {
                Input::StandardInput => split_standard_input(&name, &mut take),
                Input::File(path) if is_lines(&path) => File::open(&path)
                    .map_err(JobError::Read)
                    .and_then(|file| split_lines(&name, reader(&path, file), &mut take)),
                Input::File(path) => take(Job {
                    name: name.clone(),
                    content: Content::File(path),
                }),
            };
            let ended = match split {
                Ok(()) => Ok(()),
                Err(JobError::Stopped) => Err(JobError::Stopped),
                Err(JobError::Read(error)) => take(Job {
                    name,
                    content: Content::Unreadable(error),
                }),
            };
            if ended.is_err() {
                return;
            }
        }
    }
}

/// Why there are no more jobs from an input.
#[derive(Debug)]
pub enum JobError {
    /// It cannot be read.
    Read(io::Error),
    /// Nobody takes jobs any more.
    Stopped,
}

/// Something to check at a stroke.
#[derive(Debug)]
pub struct Job {
    name: Arc<str>,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// One document; read by whoever checks it.
    File(PathBuf),
    /// One document.
    Document(Vec<u8>),
    /// Documents, one a line.
    Lines {
        bytes: Vec<u8>,
        /// Number of the first line in the input, from 1.
        first_line: u32,
        /// Where the first line begins in the input, decompressed.
        offset: usize,
    },
    /// Nothing, because of this.
    Unreadable(io::Error),
}

/// What came out of a job.
#[derive(Debug)]
pub struct Outcome {
    /// Name of the input.
    pub name: Arc<str>,
    /// Documents checked.
    pub documents: u64,
    /// All issues; their lines and offsets are those of the input.
    pub issues: Vec<Issue>,
    /// Why the input could not be read, or not to its end.
    pub unreadable: Option<io::Error>,
}

impl Job {
    /// Checks what there is to check.
    pub fn check(self) -> Outcome {
        let mut outcome = Outcome {
            name: self.name,
            documents: 0,
            issues: Vec::new(),
            unreadable: None,
        };
        match self.content {
            Content::Document(bytes) => outcome.add(&bytes, 1, 0),
            Content::File(path) => match read_file(&path) {
                Ok(bytes) => outcome.add(&bytes, 1, 0),
                Err(error) => outcome.unreadable = Some(error),
            },
            Content::Unreadable(error) => outcome.unreadable = Some(error),
            Content::Lines {
                bytes,
                first_line,
                mut offset,
            } => {
                for (line, bytes) in (first_line..).zip(bytes.split_inclusive(|b| *b == b'\n')) {
                    if !bytes.trim_ascii().is_empty() {
                        outcome.add(bytes.trim_ascii_end(), line, offset);
                    }
                    offset += bytes.len();
                }
            }
        }
        outcome
    }
}

impl Outcome {
    fn add(&mut self, document: &[u8], line: u32, offset: usize) {
        self.documents += 1;
        let issues = Resource::from_slice(document).issues;
        self.issues.extend(issues.into_iter().map(|mut issue| {
            issue.line = issue.line.saturating_add(line - 1);
            issue.offset += offset;
            issue
        }));
    }
}

fn add_all(
    inputs: &mut Vec<Input>,
    argument: &str,
    paths: impl Iterator<Item = Result<PathBuf, walkdir::Error>>,
) -> Result<(), InputError> {
    let before = inputs.len();
    for path in paths {
        inputs.push(Input::File(path?));
    }
    if inputs.len() == before {
        return Err(InputError::Nothing(argument.to_owned()));
    }
    Ok(())
}

/// The wanted files in a folder and its folders, by name; hidden ones are left
/// out.
fn walk<F: Fn(&Path) -> bool>(
    folder: &Path,
    wanted: F,
) -> impl Iterator<Item = Result<PathBuf, walkdir::Error>> + use<F> {
    let is_hidden = |entry: &DirEntry| {
        entry.depth() > 0 && entry.file_name().as_encoded_bytes().starts_with(b".")
    };
    WalkDir::new(folder)
        .follow_links(true)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(move |entry| !is_hidden(entry))
        .filter(move |entry| match entry {
            Ok(entry) => entry.file_type().is_file() && wanted(entry.path()),
            Err(_) => true,
        })
        .map(|entry| entry.map(DirEntry::into_path))
}

fn matches(
    pattern: &str,
) -> Result<impl Iterator<Item = Result<PathBuf, walkdir::Error>> + use<>, InputError> {
    let matcher = GlobBuilder::new(pattern)
        .literal_separator(true)
        .build()
        .map_err(|error| InputError::Pattern {
            pattern: pattern.to_owned(),
            error,
        })?
        .compile_matcher();
    // The part without a wildcard is the folder to search.
    let folder: PathBuf = Path::new(pattern)
        .components()
        .take_while(|part| {
            !part
                .as_os_str()
                .to_string_lossy()
                .contains(['*', '?', '[', '{'])
        })
        .collect();
    let here = folder.as_os_str().is_empty();
    let folder = if here { PathBuf::from(".") } else { folder };
    if !folder.is_dir() {
        return Err(InputError::Missing(pattern.to_owned()));
    }
    let plain = move |path: &Path| -> PathBuf {
        let stripped = path.strip_prefix(".").ok().filter(|_| here);
        stripped.unwrap_or(path).to_owned()
    };
    Ok(walk(&folder, move |path| matcher.is_match(plain(path)))
        .map(move |path| path.map(|path| plain(&path))))
}

/// The name without `.gz`, in lower case.
fn plain_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_ascii_lowercase();
    name.strip_suffix(".gz").map_or(name.clone(), str::to_owned)
}

fn is_for_us(path: &Path) -> bool {
    let name = plain_name(path);
    ENDINGS.iter().any(|ending| name.ends_with(ending))
}

fn is_lines(path: &Path) -> bool {
    let name = plain_name(path);
    name.ends_with(".ndjson") || name.ends_with(".jsonl")
}

fn reader(path: &Path, file: File) -> Box<dyn BufRead> {
    let file = BufReader::new(file);
    let compressed = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
    if compressed {
        Box::new(BufReader::new(MultiGzDecoder::new(file)))
    } else {
        Box::new(file)
    }
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader(path, File::open(path)?).read_to_end(&mut bytes)?;
    Ok(bytes)
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
        return split_lines(name, io::Cursor::new(start).chain(input), take);
    }
    input.read_to_end(&mut start).map_err(JobError::Read)?;
    take(Job {
        name: name.clone(),
        content: Content::Document(start),
    })
}

fn split_lines(
    name: &Arc<str>,
    mut input: impl BufRead,
    take: &mut impl FnMut(Job) -> Result<(), JobError>,
) -> Result<(), JobError> {
    let (mut line, mut offset) = (1_u32, 0);
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
            })?;
        }
        if read.map_err(JobError::Read)? == 0 {
            return Ok(());
        }
        line = line.saturating_add(lines);
        offset += length;
    }
}
