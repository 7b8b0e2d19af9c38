//! The hub: the cloud API's reference receiver, on PostgreSQL.
//!
//! Stateless: any number of instances serve one database.

fn main() {}
