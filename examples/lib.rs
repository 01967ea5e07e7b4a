//! Example programs for vision-core.
