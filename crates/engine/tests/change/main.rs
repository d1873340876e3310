//! The change codec, compared with the `automerge` library and given hostile bytes.

mod golden;
mod hostile;
mod limits;
mod oracle;
mod samples;
