//! What is to be checked: files, folders, patterns, standard input.

use std::path::{Path, PathBuf};

use globset::GlobBuilder;
use walkdir::{DirEntry, WalkDir};

/// Endings of files that a folder is searched for, each also with `.gz`.
const ENDINGS: [&str; 3] = [".json", ".ndjson", ".jsonl"];

/// The inputs in order.
#[derive(Debug, PartialEq, Eq)]
pub struct Inputs(pub(super) Vec<Input>);

/// Something to read.
#[derive(Debug, PartialEq, Eq)]
pub enum Input {
    /// Standard input.
    StandardInput,
    /// A file.
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

    /// The files among them.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().filter_map(|input| match input {
            Input::File(path) => Some(path.as_path()),
            Input::StandardInput => None,
        })
    }

    /// Bytes of all files as they lie on the disk; `None` when the size of an
    /// input cannot be known.
    pub fn size(&self) -> Option<u64> {
        let sizes = self.0.iter().map(|input| match input {
            Input::File(path) => path.metadata().ok().map(|metadata| metadata.len()),
            Input::StandardInput => None,
        });
        sizes.sum()
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

pub(super) fn is_lines(path: &Path) -> bool {
    let name = plain_name(path);
    name.ends_with(".ndjson") || name.ends_with(".jsonl")
}
