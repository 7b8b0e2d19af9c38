//! Hardware by name: state LED, tamper contact, temperature and serial ports as a board file calls them.
//!
//! Three backends keep one contract: linux, simulated, recorded. No rule and no finding is made here.
