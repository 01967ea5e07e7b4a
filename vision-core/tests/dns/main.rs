//! DNS against other people's answers: recorded messages, scripted servers, real servers.

#![cfg(feature = "dns")]

mod corpus;
mod net;
mod real;
mod scripted;
