//! Packets as they are written: lines for people, objects for programs.

pub mod text;
