//! What the words of the command line mean.

use std::net::{IpAddr, SocketAddr};

use vision_core::wire::dns::RecordType;
use vision_core::{Budget, Endpoint, Error, Family, Host, Result, Target};

use super::super::destination;
use super::super::resolver::Files;
use crate::context::Context;

/// Servers that are asked, as in every libc: MAXNS of resolv.h.
const ASKED: usize = 3;

/// A name, a type and servers.
pub struct Words<'a> {
    /// The name; none where names come from a file.
    pub name: Option<&'a str>,
    /// The type, if one was given.
    pub rtype: Option<RecordType>,
    /// The servers without their `@`.
    pub servers: Vec<&'a str>,
}

impl<'a> Words<'a> {
    /// Takes a name, and in any order a type and servers; `MX example.com` is taken as well.
    ///
    /// # Errors
    /// [`Error::Invalid`] for more words than that, or a type that is none.
    pub fn sort(words: &'a [String], names_from_file: bool) -> Result<Self> {
        let wanted = match names_from_file {
            true => "names come from the file: give at most one TYPE beside @SERVERs",
            false => "give NAME, at most one TYPE, and @SERVERs",
        };
        let too_many = || Error::Invalid {
            what: "arguments",
            why: format!("`{}`: {wanted}", words.join(" ")),
        };
        let (servers, rest): (Vec<_>, Vec<_>) =
            words.iter().map(String::as_str).partition(|word| word.starts_with('@'));
        let servers: Vec<_> = servers.iter().filter_map(|word| word.strip_prefix('@')).collect();
        let is_type = |word: &str| word.parse::<RecordType>().is_ok();
        let (name, rtype) = match rest.as_slice() {
            [] if names_from_file => (None, None),
            [rtype] if names_from_file => (None, Some(rtype.parse()?)),
            _ if names_from_file => return Err(too_many()),
            [name] => (Some(*name), None),
            [rtype, name] if is_type(rtype) && !is_type(name) => {
                (Some(*name), Some(rtype.parse()?))
            }
            [name, rtype] => (Some(*name), Some(rtype.parse()?)),
            _ => return Err(too_many()),
        };
        Ok(Self { name, rtype, servers })
    }

    /// The name, which there is unless names come from a file.
    pub fn name(&self) -> &'a str {
        self.name.unwrap_or_default()
    }

    /// The servers named, or the first of the target's `resolv.conf`.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none of the family asked for, and what finding an
    /// address by name says.
    pub fn addresses(
        &self,
        port: u16,
        target: &Target,
        budget: &Budget,
        context: &mut Context,
    ) -> Result<Vec<SocketAddr>> {
        if !self.servers.is_empty() {
            let servers = self.servers.iter();
            return servers.map(|text| server(text, port, target, budget, context)).collect();
        }
        let mut servers = Files::read(target, budget)?.config.servers;
        let family = context.family()?;
        servers.retain(|server| family.is_none_or(|f| f == Family::of(server.ip())));
        if servers.is_empty() {
            let what = "nameserver of that family in the target's resolv.conf";
            return Err(Error::NotFound(what.to_owned()));
        }
        servers.truncate(ASKED);
        servers.iter_mut().for_each(|server| server.set_port(port));
        Ok(servers)
    }
}

/// Finds the address of one server, written with or without a port.
///
/// # Errors
/// [`Error::Invalid`] for text that is no server, and what finding an address by name says.
pub fn server(
    text: &str,
    port: u16,
    target: &Target,
    budget: &Budget,
    context: &mut Context,
) -> Result<SocketAddr> {
    let (host, port) = match text.parse::<Host>() {
        Ok(host) => (host, port),
        Err(_) => {
            let endpoint: Endpoint = text.parse()?;
            let several = || Error::Invalid { what: "server", why: format!("`@{text}`: one port") };
            (endpoint.host.clone(), endpoint.single_port().ok_or_else(several)?)
        }
    };
    let to = destination::find(&host, context, target, budget)?;
    Ok(match to.addr {
        IpAddr::V4(addr) => SocketAddr::from((addr, port)),
        IpAddr::V6(addr) => std::net::SocketAddrV6::new(addr, port, 0, to.scope).into(),
    })
}
