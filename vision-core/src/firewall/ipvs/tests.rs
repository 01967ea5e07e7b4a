#![allow(clippy::indexing_slicing, reason = "a panic is a failed test")]

use super::*;

fn message(command: u8, kind: u16, body: &[Vec<u8>]) -> Vec<u8> {
    let nest = encode(attr::NESTED | kind, &body.concat());
    let mut out = u32::try_from(20 + nest.len()).expect("short").to_ne_bytes().to_vec();
    out.extend([30, 0, 2, 0, 1, 0, 0, 0, 1, 0, 0, 0, command, 1, 0, 0]);
    out.extend(nest);
    out
}

fn sixteen(address: [u8; 4]) -> Vec<u8> {
    [&address[..], &[0; 12]].concat()
}

fn answers() -> Vec<u8> {
    let counted = [
        encode(1, &7_u64.to_ne_bytes()),
        encode(2, &8_u64.to_ne_bytes()),
        encode(5, &(1_u64 << 40).to_ne_bytes()),
    ];
    let old = [encode(1, &7_u32.to_ne_bytes()), encode(4, &99_u64.to_ne_bytes())];
    let service = message(
        1,
        1,
        &[
            encode(1, &2_u16.to_ne_bytes()),
            encode(2, &6_u16.to_ne_bytes()),
            encode(3, &sixteen([10, 96, 0, 1])),
            encode(4, &443_u16.to_be_bytes()),
            encode(6, b"rr\0"),
            encode(7, &[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]),
            encode(8, &300_u32.to_ne_bytes()),
            encode(attr::NESTED | 10, &old.concat()),
            encode(attr::NESTED | 12, &counted.concat()),
        ],
    );
    let server = message(
        5,
        2,
        &[
            encode(1, &sixteen([192, 168, 0, 1])),
            encode(2, &6443_u16.to_be_bytes()),
            encode(3, &0_u32.to_ne_bytes()),
            encode(4, &5_u32.to_ne_bytes()),
            encode(7, &3_u32.to_ne_bytes()),
            encode(8, &4_u32.to_ne_bytes()),
            encode(attr::NESTED | 10, &old.concat()),
            encode(11, &2_u16.to_ne_bytes()),
        ],
    );
    [service, server].concat()
}

#[test]
fn a_service_and_its_server_are_read() {
    let services = recorded(&answers());
    let [service] = services.as_slice() else { panic!("{services:?}") };
    assert_eq!(service.address, Some(Ipv4Addr::new(10, 96, 0, 1).into()));
    assert_eq!((service.protocol, service.port, service.timeout), (6, 443, 300));
    assert_eq!((service.scheduler.as_bytes(), service.flags), (&b"rr"[..], 1));
    assert_eq!((service.stats.connections, service.stats.out_bytes), (7, 1 << 40));
    let [server] = service.servers.as_slice() else { panic!("{service:?}") };
    assert_eq!(server.address, IpAddr::from([192, 168, 0, 1]));
    assert_eq!((server.port, server.weight, server.active, server.inactive), (6443, 5, 3, 4));
    assert_eq!(server.forwarding, Forwarding::Masq);
    assert_eq!((server.stats.connections, server.stats.in_bytes), (7, 99));
}

#[test]
fn answers_cut_anywhere_and_changed_anywhere_are_read() {
    let whole = answers();
    for at in 0..whole.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            assert!(recorded(&bytes[..at]).len() <= 1);
            assert!(recorded(&bytes).len() <= 2);
        }
    }
}

/// What ipvsadm said, section by section: each line as words without arrows.
fn said(section: &str) -> Vec<String> {
    let text = include_str!("../../../tests/data/nl/ipvs.txt");
    let from = text.split_once(&format!("=== {section}\n")).expect("a section").1;
    let lines = from.lines().take_while(|line| !line.starts_with("==="));
    let skipped = lines.skip_while(|line| !line.starts_with("  ->") && !line.starts_with("pro "));
    let words = |line: &str| {
        let words = line.split_whitespace().filter(|word| *word != "->");
        words.collect::<Vec<_>>().join(" ")
    };
    skipped.skip(1).map(words).collect()
}

fn of_linux_6_1() -> Vec<IpvsService> {
    let text = include_str!("../../../tests/data/nl/ipvs.hex");
    let digits: String = text.lines().filter(|line| !line.starts_with('#')).collect();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal");
    recorded(&(0..digits.len()).step_by(2).map(byte).collect::<Vec<_>>())
}

/// Every service and server in ipvsadm's order, with what `tail` adds to a service and to a server.
fn listed(
    of_service: impl Fn(&IpvsService) -> String,
    of_server: impl Fn(&IpvsServer) -> String,
) -> Vec<String> {
    let mut out = Vec::new();
    for service in of_linux_6_1() {
        let name = match (service.protocol, service.address) {
            (_, None) => format!("FWM {}", service.mark.expect("a mark")),
            (6, Some(addr)) => format!("TCP {}", std::net::SocketAddr::new(addr, service.port)),
            (_, Some(addr)) => format!("UDP {}", std::net::SocketAddr::new(addr, service.port)),
        };
        out.push(format!("{name} {}", of_service(&service)));
        for server in &service.servers {
            let at = std::net::SocketAddr::new(server.address, server.port);
            out.push(format!("{at} {}", of_server(server)));
        }
    }
    out
}

#[test]
fn services_of_a_real_kernel_are_those_of_ipvsadm() {
    let ours = listed(
        |it| it.scheduler.escaped().to_string(),
        |it| format!("{} {} {} {}", it.forwarding, it.weight, it.active, it.inactive),
    );
    let theirs = said("ipvsadm -Ln");
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert!(theirs.starts_with(ours.as_str()), "{ours} against {theirs}");
    }
    let services = of_linux_6_1();
    let find = |port| services.iter().find(|it| it.port == port).expect("a service");
    assert_eq!((find(443).timeout, find(443).netmask), (300, u32::MAX));
    assert_eq!((find(99).timeout, find(99).netmask), (60, 0xffff_ff00));
    let [marked] = services.iter().filter(|it| it.mark.is_some()).collect::<Vec<_>>()[..] else {
        panic!("{services:?}")
    };
    assert_eq!((marked.mark, marked.flags & 0x18), (Some(7), 0x18));
}

#[test]
fn counters_of_a_real_kernel_are_those_of_ipvsadm() {
    let stats = |it: &IpvsStats| {
        let IpvsStats { connections, in_packets, out_packets, in_bytes, out_bytes } = it;
        format!("{connections} {in_packets} {out_packets} {in_bytes} {out_bytes}")
    };
    let ours = listed(|it| stats(&it.stats), |it| stats(&it.stats));
    assert_eq!(ours, said("ipvsadm -Ln --stats --exact"));
    // The rates fall from one reading to the next; here they are compared for what has none.
    let idle = |rates: &IpvsRates| *rates == IpvsRates::default();
    for service in of_linux_6_1() {
        assert_eq!(idle(&service.rates), service.stats.connections == 0, "{service:?}");
    }
}

#[test]
fn connections_of_a_real_kernel_are_those_of_ipvsadm() {
    let text = include_str!("../../../tests/data/nl/ipvs.txt");
    let file = text.split_once("=== proc\n").expect("the file").1;
    let mut ours: Vec<_> = conn::read(file.as_bytes())
        .into_iter()
        .map(|it| {
            let (protocol, state) = (it.protocol.escaped(), it.state.escaped());
            let (minutes, seconds) = (it.expires_s / 60, it.expires_s % 60);
            let ends = format!("{} {} {}", it.client, it.service, it.server);
            format!("{protocol} {minutes:02}:{seconds:02} {state} {ends}")
        })
        .collect();
    let mut theirs = said("ipvsadm -Lnc");
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs);
    assert_eq!(ours.len(), 6);
    for end in 0..file.len() {
        assert!(conn::read(&file.as_bytes()[..end]).len() <= 6);
    }
    for line in
        ["TCP", "TCP 0A600001 A8D4 0A6000 0050 0A600001 0050 X 1", "TCP :: 1 ::: 2 :: 3 X 4"]
    {
        assert_eq!(conn::read(line.as_bytes()), []);
    }
}
