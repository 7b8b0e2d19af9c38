//! The hub from outside: the real binary on a private PostgreSQL, gateways as clients with their own certificates.
//!
//! One program for all, so that the crate is linked once. Each test has a database and tenants of its own.

mod kills;
mod page;
mod people;
mod proof;
mod pushes;
mod registration;
mod stranger;
mod support;
mod tampering;
mod tenants;
