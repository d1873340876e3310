//! The change codec, against the `automerge` library as oracle and against hostile bytes.

mod golden;
mod hostile;
mod limits;
mod oracle;
mod samples;
