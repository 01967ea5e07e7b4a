use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use super::{Filter, FilterError};
use crate::wire::LinkType;

/// Looks a host's name up.
type Resolve<'a> = dyn Fn(&str) -> Vec<IpAddr> + 'a;

/// How a filter is to be compiled; begun with [`Filter::on`].
///
/// ```
/// use vision_core::capture::filter::Filter;
/// use vision_core::wire::LinkType;
///
/// let request = Filter::on(LinkType::ETHERNET).netmask([255, 255, 255, 0].into());
/// assert!(request.compile("ip broadcast").is_ok());
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct FilterRequest<'a> {
    pub(super) link_type: LinkType,
    pub(super) netmask: Option<Ipv4Addr>,
    pub(super) live: bool,
    pub(super) plain: bool,
    pub(super) files: bool,
    pub(super) resolve: Option<&'a Resolve<'a>>,
}

impl<'a> FilterRequest<'a> {
    pub(super) fn new(link_type: LinkType) -> Self {
        Self { link_type, netmask: None, live: false, plain: false, files: false, resolve: None }
    }

    /// Tells the network's mask, which `ip broadcast` needs.
    pub fn netmask(mut self, mask: Ipv4Addr) -> Self {
        self.netmask = Some(mask);
        self
    }

    /// Compiles for the kernel: `inbound`, `outbound`, `ifindex` and `vlan` ask for what it knows
    /// beside the bytes of a packet (linux/filter.h `SKF_AD_OFF`).
    pub fn live(mut self) -> Self {
        self.live = true;
        self
    }

    /// Leaves the program as it comes, in the order of the expression (`tcpdump -O`).
    pub fn unoptimised(mut self) -> Self {
        self.plain = true;
        self
    }

    /// Allows the names of hosts, stations and networks that are in this system's own tables
    /// (`/etc/hosts`, `/etc/ethers`, `/etc/networks`). Nobody else is asked.
    pub fn names_from_files(mut self) -> Self {
        self.files = true;
        self
    }

    /// Allows names of hosts, and tells who knows their addresses. Without this they are refused:
    /// a filter asks nobody.
    pub fn resolve(mut self, resolve: &'a Resolve<'a>) -> Self {
        self.resolve = Some(resolve);
        self
    }

    /// Compiles an expression of the pcap-filter language (pcap-filter(7)). An empty one takes
    /// every packet.
    ///
    /// # Errors
    /// What is wrong with the expression and where; also when it can take no packet at all.
    pub fn compile(&self, expression: &str) -> Result<Filter, FilterError> {
        Filter::build(self, expression)
    }
}

impl fmt::Debug for FilterRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("FilterRequest");
        shown.field("link_type", &self.link_type).field("netmask", &self.netmask);
        shown.field("live", &self.live).field("plain", &self.plain).finish_non_exhaustive()
    }
}
