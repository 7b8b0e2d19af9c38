//! Agents: microcontrollers with our firmware, on serial lines or TCP, that prove their keys and sign what they find.
//!
//! Enrolment by one-time code, the gateway's end of their lines, and what they said as values for the pipeline. The
//! protocol itself is `sitewarden_wire`. Invariants: a finding is acknowledged only after its commit; keys are pinned
//! by an enrolment alone; a line costs bounded memory and holds up nobody but itself.

mod acts;
mod agent;
mod codes;
mod error;
mod keys;
pub mod link;
mod registry;
mod rows;
mod told;

pub use acts::{NewCode, Taken, open_code, revoke, save_links, set_orders, take_finding, withdraw_code};
pub use agent::{
    Agent, CheckKind, Counters, Firmware, LinkState, OrderedRule, Orders, Run, Transport, inventory_id,
    wire_id,
};
pub use codes::OpenCode;
pub use error::AgentError;
pub use keys::SiteKeys;
pub use registry::Agents;
pub use told::{AgentFinding, Answered, Told};

#[cfg(test)]
mod tests;
