//! Operators: accounts, passwords, sessions.
//!
//! An account belongs to one tenant and sees that tenant's rows. Accounts are made by the hub's command line alone.

pub(crate) mod password;
pub(crate) mod session;
