//! vision-core
