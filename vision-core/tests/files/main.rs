//! Capture files: what is read of them, what is written, and what is refused.
#![cfg(feature = "capture")]

mod corpus;
