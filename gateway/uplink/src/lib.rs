//! Store and forward: the site log goes to the cloud API by a cursor, whatever happens to the line in between.
//!
//! The cursor is a state machine without I/O; a thin shell drives it. It sends what is committed, in order, and nothing else.
