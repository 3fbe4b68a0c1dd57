//! Tokens in a file, so that a sign-in outlives the program.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{refresh::TokenStore, token::TokenSet};
use crate::client::CredentialError;

/// A file with the tokens of one user at one FHIR server. Nobody else can read
/// it; it is replaced as a whole; a second file beside it is locked while
/// tokens are renewed, so that programs that share it take turns.
#[derive(Clone, Debug)]
pub struct TokenFile {
    path: PathBuf,
    /// For which base and client the tokens are; others count as none.
    owner: String,
}

#[derive(Serialize, Deserialize)]
struct Content {
    owner: String,
    tokens: TokenSet,
}

impl TokenFile {
    /// For tokens of this client at the FHIR server with this base. The file
    /// need not exist.
    pub fn new(path: PathBuf, base: &url::Url, client_id: &str) -> Self {
        Self {
            path,
            owner: format!("{client_id} {base}"),
        }
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    }

    fn read(&self) -> io::Result<Option<TokenSet>> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        check_mode(&file)?;
        let mut text = String::new();
        io::Read::read_to_string(&mut file, &mut text)?;
        // What cannot be read is replaced with the next sign-in.
        let content = serde_json::from_str::<Content>(&text).ok();
        Ok(content
            .filter(|content| content.owner == self.owner)
            .map(|content| content.tokens))
    }

    fn write(&self, tokens: Option<&TokenSet>) -> io::Result<()> {
        let Some(tokens) = tokens else {
            return match std::fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        };
        let content = Content {
            owner: self.owner.clone(),
            tokens: tokens.clone(),
        };
        let text = serde_json::to_vec(&content)?;
        let new = self.beside(&format!(".{}", Uuid::new_v4()));
        let written = private(OpenOptions::new().write(true).create_new(true), &new)
            .and_then(|mut file| {
                file.write_all(&text)?;
                file.sync_all()
            })
            .and_then(|()| std::fs::rename(&new, &self.path));
        if written.is_err() {
            drop(std::fs::remove_file(&new));
        }
        written
    }

    fn failed(&self, error: &io::Error) -> CredentialError {
        CredentialError::Failed(format!(
            "the token cache {} cannot be used: {error}",
            self.path.display()
        ))
    }
}

impl TokenStore for TokenFile {
    fn lock(&self) -> BoxFuture<'_, Result<Box<dyn Send>, CredentialError>> {
        Box::pin(async {
            let path = self.beside(".lock");
            let locking = tokio::task::spawn_blocking(move || {
                let mut options = OpenOptions::new();
                let file = private(options.write(true).create(true).truncate(false), &path)?;
                file.lock()?;
                Ok(file)
            });
            match locking
                .await
                .unwrap_or_else(|error| Err(io::Error::other(error)))
            {
                Ok(file) => Ok(Box::new(file) as Box<dyn Send>),
                Err(error) => Err(self.failed(&error)),
            }
        })
    }

    fn load(&self) -> BoxFuture<'_, Result<Option<TokenSet>, CredentialError>> {
        Box::pin(async { self.read().map_err(|error| self.failed(&error)) })
    }

    fn save<'a>(
        &'a self,
        tokens: Option<&'a TokenSet>,
    ) -> BoxFuture<'a, Result<(), CredentialError>> {
        Box::pin(async move { self.write(tokens).map_err(|error| self.failed(&error)) })
    }
}

/// Opens a file that only its owner can read.
fn private(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

/// Refuses a file that others can read or write.
#[cfg(unix)]
fn check_mode(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    match file.metadata()?.permissions().mode() & 0o077 {
        0 => Ok(()),
        _ => Err(io::Error::other(
            "others than its owner may read or write it; chmod 600 it, or remove it and sign in again",
        )),
    }
}

#[cfg(not(unix))]
fn check_mode(_: &File) -> io::Result<()> {
    Ok(())
}
