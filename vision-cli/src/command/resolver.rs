//! How the target resolves names, read from its own files.

use vision_core::inventory::Inventory;
use vision_core::probe::{HostsTable, Resolution, Resolve, ResolverConfig};
use vision_core::{Budget, Error, Family, Result, Target};

use super::names::Names;

/// The target's `resolv.conf` and hosts file.
pub struct Files {
    /// Servers, search list, options.
    pub config: ResolverConfig,
    hosts: HostsTable,
}

impl Files {
    /// Reads them as the target's processes see them; a missing file means what it means to the
    /// C library.
    ///
    /// # Errors
    /// Those of [`Target::read_file`] other than a missing file.
    pub fn read(target: &Target, budget: &Budget) -> Result<Self> {
        let mut inventory = Inventory::open(target)?;
        let names = Names::read(&mut inventory, budget)?;
        let ifindex = |zone: &vision_core::Untrusted| {
            std::str::from_utf8(zone.as_bytes()).ok().and_then(|zone| names.index(zone).ok())
        };
        let config = inventory.resolver(budget);
        let config = config.map(|file| ResolverConfig::from_file(&file, ifindex));
        let hosts = inventory.hosts(budget).map(|file| HostsTable::from(&file));
        Ok(Self { config: if_there(config)?, hosts: if_there(hosts)? })
    }

    /// Resolves a name from inside the target.
    ///
    /// # Errors
    /// As [`Resolve::run`].
    pub fn resolve(
        &self,
        name: &str,
        family: Option<Family>,
        target: &Target,
        budget: &Budget,
    ) -> Result<Resolution> {
        let resolve = Resolve::new(name);
        let resolve = family.into_iter().fold(resolve, Resolve::family);
        self.run(&resolve, target, budget)
    }

    /// Carries out a lookup that is more than a name and a family.
    ///
    /// # Errors
    /// As [`Resolve::run`].
    pub fn run(&self, resolve: &Resolve, target: &Target, budget: &Budget) -> Result<Resolution> {
        resolve.run(&self.config, &self.hosts, target, budget)
    }
}

fn if_there<T: Default>(read: Result<T>) -> Result<T> {
    match read {
        Err(Error::NotFound(_)) => Ok(T::default()),
        other => other,
    }
}
