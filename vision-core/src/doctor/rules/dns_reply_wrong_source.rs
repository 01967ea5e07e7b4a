use std::net::IpAddr;

use super::dns::{about_server, exchange, reports};
use super::serving::owner;
use super::{Answer, Rule, RuleMeta, SAID_FIRST};
use crate::doctor::Cause;
use crate::doctor::scene::{Purpose, Scene};
use crate::doctor::stop::walls_of;
use crate::inventory::Sections;

const DOCS: &str = "\
The nameserver's replies come from another address than the one that was asked, so no client
believes them.

How it shows: lookups time out although a packet trace shows replies.
How it is proved: replies arrive on the query's own port with the right identifier and question,
from another source; they are counted and never used.
Why it happens: the server has several addresses and answers from the wrong one, or a NAT on the
way translates one direction only.
What to do: bind the server to the address that is asked, or mend the NAT.";

static META: RuleMeta =
    RuleMeta { cause: Cause::DnsReplyWrongSource, needs: Sections::LINKS, docs: DOCS };

pub(super) struct DnsReplyWrongSource;

impl Rule for DnsReplyWrongSource {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let all = reports(scene);
        let attempts =
            || all.iter().flat_map(|report| report.attempts.iter().map(move |a| (*report, a)));
        let astray: Vec<_> = attempts()
            .filter(|(_, a)| a.ignored.wrong_source > 0 && a.answer().is_none())
            .collect();
        let Some((_, first)) = astray.first() else {
            return match attempts().next() {
                Some(_) => Answer::RuledOut("no reply came from another address".to_owned()),
                None => Answer::NotApplicable,
            };
        };
        let (place, server) = (&scene.target.name, first.server.ip());
        let from = first.ignored.first.as_ref().and_then(|reply| reply.from);
        if let Some(from) = from.filter(|from| is_led_to(scene, server, from.ip())) {
            return Answer::RuledOut(format!(
                "a host on the way leads {server} to {from}, whose answers pass it by"
            ));
        }
        let from = from.map_or_else(|| "another address".to_owned(), |from| from.to_string());
        let summary = format!("{place}: replies of the nameserver {server} come from {from}");
        let draft = about_server(scene, META.cause, server, summary)
            .all(astray.iter().take(3).map(|(report, a)| exchange(scene, report, a)))
            .prose(format!("have the server answer from {server}, or mend the NAT on the way"));
        let mut hit = draft.hit(flow_of(scene, server), 0);
        hit.overrides = true;
        Answer::Confirmed(vec![hit])
    }
}

/// Tells whether a host in sight translates what goes to a service address to another, and saw no answer to it.
fn is_led_to(scene: &Scene<'_>, server: IpAddr, backend: IpAddr) -> bool {
    if owner(scene, server).is_some() {
        return false;
    }
    let tracked =
        scene.case.vantages.iter().filter_map(|vantage| walls_of(vantage)?.tracking.as_ref());
    tracked.flat_map(|tracking| &tracking.entries).any(|entry| {
        let led = entry.original.dst == server && entry.reply.src == backend;
        led && entry.is_unreplied()
    })
}

fn flow_of(scene: &Scene<'_>, server: IpAddr) -> usize {
    let about =
        |f: &crate::doctor::scene::Flow<'_>| f.purpose == Purpose::Nameserver && f.dst == server;
    scene.flows.iter().position(about).unwrap_or(SAID_FIRST)
}
