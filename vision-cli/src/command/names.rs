//! The names of a namespace's interfaces.

use std::collections::BTreeMap;

use serde::Serialize;
use vision_core::inventory::{Inventory, Link};
use vision_core::{Budget, Error, Result, Untrusted};

/// Interfaces by index.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Names(BTreeMap<u32, Untrusted>);

impl Names {
    /// Reads them.
    ///
    /// # Errors
    /// As [`Inventory::links`].
    pub fn read(inventory: &mut Inventory, budget: &Budget) -> Result<Self> {
        Ok(Self::of(&inventory.links(budget)?.items))
    }

    /// Takes them from interfaces that were read already.
    pub fn of(links: &[Link]) -> Self {
        Self(links.iter().map(|link| (link.ifindex, link.name.clone())).collect())
    }

    /// Takes names that are known already.
    pub fn known(names: impl IntoIterator<Item = (u32, Untrusted)>) -> Self {
        Self(names.into_iter().collect())
    }

    /// Returns the name of an interface.
    pub fn get(&self, ifindex: Option<u32>) -> Option<&Untrusted> {
        self.0.get(&ifindex?)
    }

    /// Walks the names by index.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Untrusted)> {
        self.0.iter().map(|(index, name)| (*index, name))
    }

    /// Returns the index of an interface, by its name or the number itself.
    ///
    /// # Errors
    /// [`Error::NotFound`] naming it.
    pub fn index(&self, name: &str) -> Result<u32> {
        let number = name.parse().ok().filter(|index| self.0.contains_key(index));
        let named = self.0.iter().find(|(_, known)| **known == *name).map(|(index, _)| *index);
        named.or(number).ok_or_else(|| Error::NotFound(format!("interface `{name}`")))
    }
}
