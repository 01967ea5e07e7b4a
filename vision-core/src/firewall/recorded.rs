//! Messages that were recorded earlier or elsewhere.

use super::read::{self, Raw};
use super::{Ruleset, SetContent};
use crate::inventory::Consistency;
use crate::netlink::attr;
use crate::netlink::header::Messages;
use crate::netlink::nft::{self, Kind};

impl Ruleset {
    /// Reads the nf_tables messages of a recorded datagram; other messages are passed over.
    ///
    /// The bytes must be of a machine with the same byte order. Whether they are one state of a
    /// kernel is not known.
    ///
    /// ```
    /// use vision_core::firewall::{Ruleset, Text};
    ///
    /// let ruleset = Ruleset::recorded(&[0; 64]);
    /// assert_eq!(Text::new(&ruleset).whole(), "");
    /// ```
    pub fn recorded(datagram: &[u8]) -> Self {
        let mut out = Self { consistent: Consistency::Unknown, ..Self::NONE };
        for message in Messages::new(datagram) {
            for kind in Kind::ALL {
                if let Some((family, attrs)) = nft::decode(&message, kind) {
                    let taken = out.take(kind, &Raw { family, attrs });
                    out.unreadable += u64::from(taken.is_none());
                }
            }
        }
        out
    }

    fn take(&mut self, kind: Kind, raw: &Raw<'_>) -> Option<()> {
        match kind {
            Kind::Table => self.tables.push(read::table(raw)?),
            Kind::Chain => self.chains.push(read::chain(raw)?),
            Kind::Rule => self.rules.push(read::rule(raw)?),
            Kind::Object => self.objects.push(read::object(raw)?),
            Kind::Flowtable => self.flowtables.push(read::flowtable(raw)?),
            Kind::Set => {
                self.sets.push(SetContent { set: read::set(raw)?, elements: Vec::new() });
            }
            Kind::Element => {
                let table = attr::text(raw.attrs.clone().find(1)?);
                let name = attr::text(raw.attrs.clone().find(2)?);
                // Elements follow the set they belong to.
                let content = self.sets.last_mut().filter(|content| {
                    content.set.table.as_bytes() == table && content.set.name.as_bytes() == name
                })?;
                content.elements.extend(read::elements(raw));
            }
        }
        Some(())
    }
}
