//! A capture file in which every text is somebody else's.

/// A pcapng block of this kind.
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let mut padded = body.to_vec();
    padded.resize(body.len().next_multiple_of(4), 0);
    let total = u32::try_from(padded.len() + 12).expect("short");
    [&kind.to_le_bytes(), &total.to_le_bytes(), padded.as_slice(), &total.to_le_bytes()].concat()
}

/// Options with that text, and the end of options.
fn options(codes: &[u16], text: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    for code in codes {
        all.extend(code.to_le_bytes());
        all.extend(u16::try_from(text.len()).expect("short").to_le_bytes());
        all.extend(text);
        all.resize(all.len().next_multiple_of(4), 0);
    }
    all.extend([0; 4]);
    all
}

/// An Ethernet frame with UDP or TCP to a port, or with a protocol of its own.
fn frame(port: u16, tcp: bool, payload: &[u8]) -> Vec<u8> {
    let mut upper = [[0x30, 0x39], port.to_be_bytes()].concat();
    match tcp {
        true => upper.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 0x20, 0, 0, 0, 0, 0]),
        false => {
            upper.extend(u16::try_from(payload.len() + 8).expect("short").to_be_bytes());
            upper.extend([0, 0]);
        }
    }
    upper.extend(payload);
    let total = u16::try_from(20 + upper.len()).expect("short").to_be_bytes();
    let protocol = if tcp { 6 } else { 17 };
    let ip =
        [0x45, 0, total[0], total[1], 0, 1, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0], ip.as_slice(), &upper].concat()
}

/// What programs say on well-known ports, each with the text inside of it.
fn frames(text: &[u8]) -> Vec<Vec<u8>> {
    let one = u8::try_from(text.len()).expect("short");
    let label = [&[one], text].concat();
    let question = |flags: u8| {
        let head = [0, 1, flags, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        [head.as_slice(), &label, &[0, 0, 16, 0, 1]].concat()
    };
    let mut dhcp = vec![1, 1, 6, 0, 0, 0, 0, 1];
    dhcp.resize(44, 0);
    dhcp.extend(text);
    dhcp.resize(236, 0);
    dhcp.extend([0x63, 0x82, 0x53, 0x63, 53, 1, 1]);
    for code in [12, 14, 15, 60, 66, 67, 81] {
        dhcp.push(code);
        dhcp.extend(&label);
    }
    dhcp.push(255);
    let mut all = vec![frame(67, false, &dhcp), frame(68, false, &dhcp)];
    for (port, head) in [
        (53, question(1)),
        (5353, question(0)),
        (5355, question(0)),
        (69, [b"\0\x01", text, b"\0octet\0"].concat()),
        (514, [b"<13>Oct 1 00:00:00 ", text].concat()),
        (1900, [b"NOTIFY * HTTP/1.1\r\nHOST: ", text, b"\r\n\r\n"].concat()),
        (
            161,
            [&[0x30, one + 20, 2, 1, 1, 4, one], text, &[0xa0, 13, 2, 1, 1, 2, 1, 0, 2, 1, 0]]
                .concat(),
        ),
        (123, text.to_vec()),
        (4789, text.to_vec()),
        (9999, text.to_vec()),
    ] {
        all.push(frame(port, false, &head));
    }
    for (port, head) in [
        (80, [b"GET /", text, b" HTTP/1.1\r\nHost: ", text, b"\r\n\r\n"].concat()),
        (21, [b"USER ", text, b"\r\n"].concat()),
        (25, [b"HELO ", text, b"\r\n"].concat()),
        (443, text.to_vec()),
        (22, [b"SSH-2.0-", text, b"\r\n"].concat()),
        (554, [b"OPTIONS ", text, b" RTSP/1.0\r\n"].concat()),
        (6379, [b"+", text, b"\r\n"].concat()),
        (9999, text.to_vec()),
    ] {
        all.push(frame(port, true, &head));
    }
    let multicast = [1, 0x80, 0xc2, 0, 0, 0x0e, 2, 0, 0, 0, 0, 1, 0x88, 0xcc];
    let mut lldp = [multicast.as_slice(), &[2, one + 1, 7], text, &[4, one + 1, 5], text].concat();
    lldp.extend([6, 2, 0, 120]);
    for kind in [8, 10, 12] {
        lldp.extend([kind, one]);
        lldp.extend(text);
    }
    lldp.extend([0, 0]);
    all.push(lldp);
    all.push([&[0xff; 6], [2; 6].as_slice(), &[0x88, 0xb5], text].concat());
    all
}

/// A capture file in which every text is the sequence.
pub fn capture(text: &[u8]) -> Vec<u8> {
    let head = [0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0];
    let section = [head.as_slice(), &[0xff; 8], &options(&[1, 2, 3, 4], text)].concat();
    let interface =
        [&[1, 0, 0, 0, 0, 0, 4, 0], options(&[1, 2, 3, 12, 15], text).as_slice()].concat();
    let mut names = vec![1, 0];
    names.extend(u16::try_from(text.len() + 5).expect("short").to_le_bytes());
    names.extend([10, 0, 0, 1]);
    names.extend(text);
    names.push(0);
    names.resize(names.len().next_multiple_of(4), 0);
    names.extend([0; 4]);
    let mut file = [block(0x0a0d_0d0a, &section), block(1, &interface), block(4, &names)].concat();
    for frame in frames(text) {
        let length = u32::try_from(frame.len()).expect("short").to_le_bytes();
        let mut body = [&[0; 12], length.as_slice(), &length, &frame].concat();
        body.resize(body.len().next_multiple_of(4), 0);
        body.extend(options(&[1], text));
        file.extend(block(6, &body));
    }
    file
}
