//! Network namespaces, faults and small servers for tests.
