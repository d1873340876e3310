//! How a command fails: one line that says what happened and what to do, and an exit code.

use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::api::ClientError;
use crate::text;

pub(super) type Result<T> = std::result::Result<T, Failure>;

/// Why a command failed.
#[derive(Debug)]
pub(super) struct Failure {
    message: String,
    usage: bool,
    broken_pipe: bool,
}

impl Failure {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), usage: false, broken_pipe: false }
    }

    /// The arguments are wrong; the exit code is 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { usage: true, ..Self::new(message) }
    }

    /// Standard output cannot be written.
    pub fn output(error: &io::Error) -> Self {
        Self {
            broken_pipe: error.kind() == io::ErrorKind::BrokenPipe,
            ..Self::new(format!("cannot write the output: {error}"))
        }
    }

    /// A send was not acknowledged. If the connection was lost, the peer may still have stored the messages.
    pub fn sending(error: ClientError) -> Self {
        let gone = matches!(error, ClientError::Gone(_));
        let failure = Self::from(error);
        if gone {
            failure.after("the messages may be stored all the same; `peer history` shows them")
        } else {
            failure
        }
    }

    /// Adds what was done before the failure.
    pub fn after(mut self, done: &str) -> Self {
        self.message = format!("{}; {done}", self.message);
        self
    }

    pub fn is_broken_pipe(&self) -> bool {
        self.broken_pipe
    }

    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(if self.usage { 2 } else { 1 })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::line(&self.message))
    }
}

/// Any error, with those of its causes that its own text does not name.
impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            source = cause.source();
        }
        Self::new(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot open it")]
    struct Quiet(#[source] io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("cannot open it: {0}")]
    struct Told(#[source] io::Error);

    #[test]
    fn a_cause_is_told_once_and_on_one_line() {
        let cause = || io::Error::other("no\nway \x1b[31m");
        assert_eq!(Failure::from(Quiet(cause())).to_string(), "cannot open it: no␊way ␛[31m");
        assert_eq!(Failure::from(Told(cause())).to_string(), "cannot open it: no␊way ␛[31m");
        assert_eq!(
            Failure::new("line 3 is bad").after("2 messages were sent").to_string(),
            "line 3 is bad; 2 messages were sent"
        );
    }

    #[test]
    fn only_a_closed_pipe_is_quiet() {
        assert!(Failure::output(&io::ErrorKind::BrokenPipe.into()).is_broken_pipe());
        assert!(!Failure::output(&io::ErrorKind::StorageFull.into()).is_broken_pipe());
        assert!(!Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).is_broken_pipe());
    }
}
