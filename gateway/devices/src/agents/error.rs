//! What can go wrong with agents, in words for the person who asked.

use sitewarden_core::Timestamp;
use sitewarden_http::ApiError;
use sitewarden_store::StoreError;
use sitewarden_wire::code::CodeError;
use sitewarden_wire::statement::StatementError;
use thiserror::Error;

use crate::error::{DeviceError, sentence};
use crate::limits::OPEN_CODES;

/// Agents cannot do what was asked; nothing was changed.
#[derive(Debug, Error)]
pub enum AgentError {
    /// What was typed is no code.
    #[error("the code cannot be read")]
    Code(#[source] CodeError),
    /// The code was used, withdrawn, or its time is over.
    #[error("this code {why}")]
    CodeOver {
        /// Which of them, and what to do.
        why: String,
    },
    /// The code is open already.
    #[error("this code is open already until {until}")]
    CodeOpen {
        /// Until when.
        until: Timestamp,
    },
    /// No room for another code.
    #[error("{OPEN_CODES} codes are open already: withdraw one or let it expire")]
    TooManyCodes,
    /// There is no such code.
    #[error("there is no open enrolment {0}")]
    NoCode(String),
    /// There is no such agent.
    #[error("there is no agent {0}")]
    Unknown(String),
    /// The agent was revoked.
    #[error("agent {0} was revoked: enrol it again with a new code")]
    Revoked(String),
    /// Parameters that no agent would take.
    #[error("these parameters were refused")]
    Parameters(#[source] StatementError),
    /// More rules than an agent holds.
    #[error("an agent holds {} rules at most", sitewarden_wire::limits::MAX_RULES)]
    TooManyRules,
    /// A rule's check does not have its numbers, or has too many.
    #[error("rule {rule}: {why}")]
    Rule {
        /// Its number.
        rule: u16,
        /// What is wrong.
        why: &'static str,
    },
    /// The inventory refused.
    #[error("the inventory refused")]
    Device(#[from] DeviceError),
    /// A row of the database cannot be read.
    #[error("agent {id} has a {field} that this version cannot read")]
    Damaged {
        /// Agent id.
        id: String,
        /// Column.
        field: &'static str,
    },
    /// A sealed secret does not open.
    #[error(
        "{purpose}: the sealed secret does not open: are keys/agents.key and state.db from the same backup?"
    )]
    Sealed {
        /// What it is.
        purpose: String,
    },
    /// The site's keys cannot be used.
    #[error("the site's keys for agents cannot be used")]
    Keys,
    /// The operating system gives no random bytes.
    #[error("the box has no random numbers; nothing was made")]
    NoRandom,
    /// A QR code cannot be drawn.
    #[error("the QR code cannot be drawn: {0}")]
    Picture(String),
    /// The store refused.
    #[error("agents: the store refused")]
    Store(#[from] StoreError),
}

impl From<AgentError> for ApiError {
    fn from(error: AgentError) -> Self {
        let text = |error: &AgentError| {
            let mut text = sentence(error);
            if let Some(cause) = std::error::Error::source(error) {
                text = format!(
                    "{} ({cause})",
                    text.trim_end_matches(" Nothing was changed.").trim_end_matches('.')
                );
                text.push_str(". Nothing was changed.");
            }
            text
        };
        match error {
            AgentError::Store(error) => error.into(),
            AgentError::Device(error) => error.into(),
            AgentError::NoCode(id) => Self::not_found(format_args!("open enrolment {id}")),
            AgentError::Unknown(id) => Self::not_found(format_args!("agent {id}")),
            error @ AgentError::Code(_) => Self::unprocessable("bad-code", text(&error)),
            error @ AgentError::CodeOver { .. } => Self::conflict("code-over", text(&error)),
            error @ AgentError::CodeOpen { .. } => Self::conflict("code-open", text(&error)),
            error @ AgentError::TooManyCodes => Self::conflict("too-many-codes", text(&error)),
            error @ AgentError::Revoked(_) => Self::conflict("agent-revoked", text(&error)),
            error @ (AgentError::Parameters(_) | AgentError::TooManyRules | AgentError::Rule { .. }) => {
                Self::unprocessable("bad-parameters", text(&error))
            }
            error @ (AgentError::Damaged { .. }
            | AgentError::Sealed { .. }
            | AgentError::Keys
            | AgentError::NoRandom
            | AgentError::Picture(_)) => Self::internal(&error),
        }
    }
}
