//! One file per command-line verb.

use std::ffi::OsString;
use std::process::ExitCode;

/// Parses argv and runs the command.
pub fn main(_args: impl Iterator<Item = OsString>) -> ExitCode {
    todo!()
}
