use std::net::SocketAddr;
use std::time::Duration;

use super::super::sim::{React, Sent, ms, place, run};
use super::*;

fn zone_messages(sent: &Sent, parts: &[&[u32]]) -> Vec<Vec<u8>> {
    let message = |serials: &&[u32]| {
        let mut out = sent.reply(0, &[]);
        out[7] = serials.len() as u8;
        for serial in *serials {
            // A serial of zero stands for some record of another type.
            let (rtype, data) = match serial {
                0 => (1, vec![192, 0, 2, 1]),
                serial => (6, [&[0, 0][..], &serial.to_be_bytes(), &[0; 16]].concat()),
            };
            out.extend([0xc0, 12, 0, rtype, 0, 1, 0, 0, 0, 9, 0, data.len() as u8]);
            out.extend(data);
        }
        [&(out.len() as u16).to_be_bytes()[..], &out].concat()
    };
    parts.iter().map(message).collect()
}

fn transfer(network: impl FnMut(&Sent) -> Vec<(Duration, React)>) -> TransferReport {
    let query = DnsQuery::new("zone.test".parse().expect("a name"), RecordType::Axfr);
    let server = SocketAddr::from(([10, 0, 0, 1], 53));
    let nonces = Nonces::scripted([77]);
    let machine = TransferMachine::new(query.ask(), (server, ms(300)), nonces, place());
    run(machine.expect("a machine"), ms(60_000), network).0
}

#[test]
fn a_zone_ends_with_its_start_whatever_the_pieces() {
    let report = transfer(|sent| {
        let stream = zone_messages(sent, &[&[5, 0, 0], &[0], &[0, 5]]).concat();
        let pieces =
            stream.chunks(7).zip(1..).map(|(piece, at)| (ms(at), React::Stream(piece.to_vec())));
        std::iter::once((ms(0), React::Connected)).chain(pieces).collect()
    });
    assert_eq!(report.end, TransferEnd::Complete);
    assert_eq!((report.messages, report.records, report.serial), (3, 6, Some(5)));
    let json = serde_json::to_string(&report).expect("serialises");
    assert_eq!(serde_json::from_str::<TransferReport>(&json).ok(), Some(report));
}

#[test]
fn what_is_no_transfer_is_said_to_be_none() {
    let end = |change: &dyn Fn(&Sent) -> Vec<u8>| {
        transfer(|sent| vec![(ms(0), React::Connected), (ms(1), React::Stream(change(sent)))]).end
    };
    let refused = end(&|sent| sent.framed(5, &[]));
    assert_eq!(refused, TransferEnd::Refused { rcode: Rcode::Refused });
    let headless = end(&|sent| zone_messages(sent, &[&[0]]).concat());
    assert!(matches!(headless, TransferEnd::Malformed { .. }), "{headless:?}");
    let empty = end(&|sent| sent.framed(0, &[]));
    assert!(matches!(empty, TransferEnd::Malformed { .. }), "{empty:?}");
    let forged = end(&|sent| {
        let mut bytes = zone_messages(sent, &[&[5, 5]]).concat();
        bytes[2] ^= 1;
        bytes
    });
    assert!(matches!(forged, TransferEnd::Malformed { .. }), "{forged:?}");
}

#[test]
fn a_server_that_drips_is_left_at_the_deadline() {
    let report = transfer(|sent| {
        let stream = zone_messages(sent, &[&[5, 0, 0, 0, 0, 5]]).concat();
        let drip =
            stream.into_iter().zip(0..).map(|(byte, n)| (ms(100 * n), React::Stream(vec![byte])));
        std::iter::once((ms(0), React::Connected)).chain(drip).collect()
    });
    assert_eq!(
        report.end,
        TransferEnd::Failed { outcome: DnsOutcome::TimedOut { waited: ms(300) } }
    );
    assert!(report.elapsed <= ms(310), "{:?}", report.elapsed);
    let cut = transfer(|sent| {
        let stream = zone_messages(sent, &[&[5, 0]]).concat();
        vec![(ms(0), React::Connected), (ms(1), React::Stream(stream)), (ms(2), React::Closed)]
    });
    assert!(matches!(cut.end, TransferEnd::Failed { .. }), "{cut:?}");
    assert_eq!(cut.records, 2);
}
