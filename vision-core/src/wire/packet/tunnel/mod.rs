//! Headers that carry other packets, and the link protocols that stand beside them.

mod gre;
mod ipsec;
mod lldp;
mod mpls;
mod overlay;
mod pppoe;
mod stp;

pub use self::gre::Gre;
pub use self::ipsec::{Ah, Esp};
pub use self::lldp::{Lldp, LldpTlv, LldpTlvs};
pub use self::mpls::Mpls;
pub use self::overlay::{Geneve, Vxlan};
pub use self::pppoe::Pppoe;
pub use self::stp::{Stp, StpConfig};

pub(super) use self::gre::gre;
pub(super) use self::ipsec::{ah, esp};
pub(super) use self::lldp::lldp;
pub(super) use self::mpls::{mpls, mpls_payload};
pub(super) use self::overlay::{geneve, vxlan, vxlan_gpe};
pub(super) use self::pppoe::pppoe;
pub(super) use self::stp::stp;
