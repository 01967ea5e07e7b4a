//! Active probes: sans-IO machines and the one driver that moves them.

mod machine;
