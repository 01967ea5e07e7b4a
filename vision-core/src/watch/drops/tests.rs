//! Bytes of a real ring, and real drops of this machine where it lets us see them.

use super::*;

/// Does nothing but fail to compile when something is renamed.
#[test]
fn the_request_is_its_builder() {
    assert_eq!(Drops::new().buffer_bytes(4096).buffer_bytes, 4096);
}
