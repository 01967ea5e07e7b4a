//! Benchmarks for vision-core.
