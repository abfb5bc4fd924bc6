//! What ends a command early: one sentence and an exit status.

use std::fmt;
use std::path::Path;

/// Exit statuses; those from 64 on are of BSD's `sysexits.h`.
pub(crate) mod status {
    /// Done; or, from `verify`, valid.
    pub(crate) const OK: u8 = 0;
    /// `verify`: invalid.
    pub(crate) const INVALID: u8 = 1;
    /// `verify`: cannot tell.
    pub(crate) const CANNOT_TELL: u8 = 2;
    /// The command line is wrong.
    pub(crate) const USAGE: u8 = 64;
    /// A file that was given is missing, unreadable, or not what it should be.
    pub(crate) const BAD_INPUT: u8 = 65;
    /// Our own mistake.
    pub(crate) const INTERNAL: u8 = 70;
    /// Something could not be written.
    pub(crate) const OUTPUT: u8 = 74;
}

/// The sentence that goes to standard error, and the exit status.
///
/// Travels inside `anyhow::Error`; an error without one is our own mistake ([`status::INTERNAL`]).
#[derive(Debug)]
pub(crate) struct Failure {
    /// Exit status.
    pub(crate) status: u8,
    sentence: String,
}

impl Failure {
    /// The command line asks for something that cannot be.
    pub(crate) fn usage(sentence: impl Into<String>) -> Self {
        Self {
            status: status::USAGE,
            sentence: sentence.into(),
        }
    }

    /// `path` is not what it should be: `cause` says how, and what mends it.
    pub(crate) fn input(path: &Path, cause: impl fmt::Display) -> Self {
        Self {
            status: status::BAD_INPUT,
            sentence: format!("{}: {cause}", path.display()),
        }
    }

    /// A file is not what it should be; the error names it.
    pub(crate) fn bad_input(cause: &impl fmt::Display) -> Self {
        Self {
            status: status::BAD_INPUT,
            sentence: cause.to_string(),
        }
    }

    /// `path` could not be written.
    pub(crate) fn output(path: &Path, cause: &std::io::Error) -> Self {
        let mend = match cause.kind() {
            std::io::ErrorKind::StorageFull => "make room or choose another place",
            std::io::ErrorKind::PermissionDenied => "choose a place that you may write to",
            std::io::ErrorKind::NotFound => "create the folder first",
            _ => "choose another place",
        };
        Self {
            status: status::OUTPUT,
            sentence: format!("{}: cannot be written ({cause}); {mend}", path.display()),
        }
    }

    /// Standard output could not be written.
    pub(crate) fn stdout(cause: &std::io::Error) -> Self {
        Self {
            status: status::OUTPUT,
            sentence: format!("standard output cannot be written ({cause})"),
        }
    }
}

impl fmt::Display for Failure {
    /// One line, whatever the cause's own text looks like.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = self.sentence.split_whitespace();
        if let Some(first) = words.next() {
            f.write_str(first)?;
        }
        words.try_for_each(|word| write!(f, " {word}"))
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_one_line() {
        let failure = Failure::input(Path::new("m.onnx"), "broken\n  in two; mend it");
        assert_eq!(failure.to_string(), "m.onnx: broken in two; mend it");
        assert_eq!(failure.status, status::BAD_INPUT);
    }

    #[test]
    fn a_full_disk_names_its_mend() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let failure = Failure::output(Path::new("evidence"), &full);
        assert!(failure.to_string().contains("make room"), "{failure}");
        assert_eq!(failure.status, status::OUTPUT);
    }
}
