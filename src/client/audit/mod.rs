//! The audit log: one FHIR [AuditEvent](https://hl7.org/fhir/R4/auditevent.html)
//! for each interaction with the FHIR server, in the shapes of
//! [Basic Audit Log Patterns](https://profiles.ihe.net/ITI/BALP/), one JSON line
//! each.
//!
//! It stands in `client` because only the client knows each request: repeats,
//! further pages and fetches of the capabilities are interactions of their own.
//! It holds ids and queries, for that is its purpose: the file is readable by
//! its owner alone.

mod event;
mod patients;

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
    sync::{Mutex, PoisonError},
};

use url::Url;

use self::event::{Outcome, Record};
use super::{Answer, Call, ClientError, Grant, Interaction, service_base::ServiceBase};

/// A file that AuditEvents are appended to.
///
/// A line is handed to the operating system before its interaction is answered;
/// it is not forced to the disk. While a line cannot be written, it is kept, and
/// no further interaction begins.
#[derive(Debug)]
pub struct AuditLog(Mutex<Lines>);

#[derive(Debug)]
struct Lines {
    file: File,
    /// What could not be written yet.
    owed: Vec<u8>,
}

impl AuditLog {
    /// Opens a file for appending, and creates it if need be. On Unix its mode
    /// becomes 0600.
    ///
    /// # Errors
    /// When the file cannot be opened, or its mode not be set.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        let mut owed = Vec::new();
        // Pipes and devices keep their mode.
        if file.metadata()?.is_file() {
            #[cfg(unix)]
            file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
            if ends_within_line(&mut file)? {
                owed.push(b'\n');
            }
        }
        Ok(Self(Mutex::new(Lines { file, owed })))
    }

    /// Begins an interaction.
    ///
    /// # Errors
    /// [`ClientError::Audit`] when an earlier line could not be written and
    /// cannot be now.
    pub(super) fn begin<'a>(&'a self, attempt: Attempt<'a>) -> Result<Pending<'a>, ClientError> {
        self.append(&[])?;
        Ok(Pending {
            log: self,
            attempt,
            is_written: false,
        })
    }

    fn append(&self, line: &[u8]) -> Result<(), ClientError> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.owed.extend_from_slice(line);
        lines.pay().map_err(|error| ClientError::Audit {
            cause: error.kind().to_string(),
        })
    }
}

impl Lines {
    fn pay(&mut self) -> io::Result<()> {
        while !self.owed.is_empty() {
            match self.file.write(&self.owed) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => drop(self.owed.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Whether the last run ended in the middle of a line.
fn ends_within_line(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// An interaction that is about to take place.
pub(super) struct Attempt<'a> {
    pub(super) interaction: &'a Interaction,
    pub(super) url: &'a Url,
    pub(super) base: &'a ServiceBase,
    pub(super) call: &'a Call,
    /// What is known of the user besides the principal of the call.
    pub(super) grant: Option<std::sync::Arc<Grant>>,
}

/// An interaction that takes place. One that is given up, for want of time or
/// because its caller left, is written when this is dropped.
pub(super) struct Pending<'a> {
    log: &'a AuditLog,
    attempt: Attempt<'a>,
    is_written: bool,
}

impl Pending<'_> {
    /// Writes how it went.
    ///
    /// # Errors
    /// [`ClientError::Audit`] when that is not possible.
    pub(super) fn end(mut self, result: &Result<Answer, ClientError>) -> Result<(), ClientError> {
        let outcome = match result {
            Ok(answer) => Outcome::Answered(answer),
            Err(error) => Outcome::Failed(error),
        };
        self.write(&outcome)
    }

    fn write(&mut self, outcome: &Outcome<'_>) -> Result<(), ClientError> {
        self.is_written = true;
        let mut line = Record::new(&self.attempt, outcome).into_json();
        line.push('\n');
        self.log.append(line.as_bytes())
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if self.is_written {
            return;
        }
        if let Err(error) = self.write(&Outcome::GivenUp) {
            // The line is kept, and the next interaction will not begin without it.
            tracing::error!(%error, "an interaction that was given up is not in the audit log yet");
        }
    }
}
