//! DNS against other people's answers: recorded messages, scripted servers, real servers.

#![cfg(feature = "dns")]

mod corpus;
mod hostile;
mod internet;
mod net;
mod real;
mod scripted;
mod secure;
mod signed;
mod walks;
