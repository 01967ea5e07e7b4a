//! The command line as its users meet it: text, JSON, exit codes, errors, signals, pipes.
//!
//! What a probe or a table says is tested in the library; here it is the wiring.

mod calls;
mod capabilities;
mod capture;
mod clock;
mod decode;
mod depth;
mod dns;
mod doctor;
mod errors;
mod filter;
mod gone;
mod hostile;
mod injected;
mod limits;
mod lines;
mod lists;
mod nameservers;
mod ns;
mod path;
mod pipes;
mod probes;
mod queries;
mod rooted;
mod run;
mod scale;
mod scans;
mod searches;
mod segments;
mod sockets;
mod storms;
mod streams;
mod surroundings;
mod tables;
mod terminal;
mod tools;
mod watch;
