//! The Sitewarden agent for microcontrollers.
//!
//! A placeholder of structure only until the modules below exist.
//! Invariant: no heap, no clock, no unsafe code.

#![no_std]
