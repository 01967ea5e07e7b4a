use vision_core::wire::packet::Packet;

/// Says what the checksum of a layer came to.
pub(super) fn checksum(_out: &mut Vec<u8>, _packet: &Packet<'_>, _at: usize) {}
