//! Example programs for vision-core: `cargo run -p vision-examples --example own_pod`.
