//! The command line as its users meet it: text, JSON, exit codes, errors, signals, pipes.
//!
//! What a probe or a table says is tested in the library; here it is the wiring.

mod capture;
mod decode;
mod depth;
mod dns;
mod doctor;
mod errors;
mod hostile;
mod lists;
mod probes;
mod run;
mod streams;
