//! vision
fn main() {}
