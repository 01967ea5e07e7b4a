//! 802.2 headers.

use super::Builder;
use super::layer::Kind;
use crate::capture::filter::cond::Cond;
use crate::capture::filter::error::Checked;
use crate::capture::filter::value::Size;

impl Builder<'_> {
    /// Any 802.2 header, or one with this control field (IEEE 802.2 §5.4).
    pub(super) fn llc(&mut self, kind: Option<&str>) -> Checked<Cond> {
        if self.layer.kind != Kind::Ethernet {
            let link = self.request.link_type;
            return self.fail(format!("802.2 headers are not known on {link}"));
        }
        let payload = self.layer.payload;
        let raw = self.equal(payload, 0, Size::Half, 0xffff);
        let llc = self.is_length().and(raw.not());
        let Some(kind) = kind else { return Ok(llc) };
        let (value, mask) = match kind {
            "i" => (0, 0x01),
            "s" => (0x01, 0x03),
            "u" => (0x03, 0x03),
            "rr" => (0x01, 0x0f),
            "rnr" => (0x05, 0x0f),
            "rej" => (0x09, 0x0f),
            "ui" => (0x03, 0xef),
            "ua" => (0x63, 0xef),
            "disc" => (0x43, 0xef),
            "sabme" => (0x6f, 0xef),
            "test" => (0xe3, 0xef),
            "xid" => (0xaf, 0xef),
            "frmr" => (0x87, 0xef),
            _ => {
                let why = "expected i, s, u, rr, rnr, rej, ui, ua, disc, sabme, test, xid or frmr";
                return self.fail(format!("{why} behind llc"));
            }
        };
        Ok(llc.and(self.masked(payload, 2, Size::Byte, value, mask)))
    }
}
