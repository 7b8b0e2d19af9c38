//! `sitewarden openapi`: the API's document, generated from the routes, without starting anything.

use std::process::ExitCode;

use super::{CommandResult, say};

pub(super) fn run() -> CommandResult {
    say(&crate::app::document()?);
    Ok(ExitCode::SUCCESS)
}
