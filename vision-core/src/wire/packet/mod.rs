//! Captured packets, layer by layer.
