use super::*;

/// An entry of IPv4 that asks for one protocol, with a match and a target.
fn entry(protocol: u8, matches: &[u8], target: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 84];
    out[80] = protocol;
    out.extend([0; 4]);
    let target_at = 112 + matches.len();
    let next = target_at + target.len();
    out.extend(u16::try_from(target_at).expect("short").to_ne_bytes());
    out.extend(u16::try_from(next).expect("short").to_ne_bytes());
    out.extend([0; 4]);
    out.extend(7_u64.to_ne_bytes());
    out.extend(700_u64.to_ne_bytes());
    [&out, matches, target].concat()
}

fn extension(name: &[u8], revision: u8, info: &[u8]) -> Vec<u8> {
    let len = u16::try_from(32 + info.len()).expect("short");
    let mut out = len.to_ne_bytes().to_vec();
    out.extend(name);
    out.resize(31, 0);
    out.push(revision);
    out.extend(info);
    out
}

fn verdict(number: i32) -> Vec<u8> {
    extension(b"", 0, &[&number.to_ne_bytes()[..], &[0; 4]].concat())
}

fn error(name: &[u8]) -> Vec<u8> {
    let mut info = name.to_vec();
    info.resize(32, 0);
    extension(b"ERROR", 0, &info)
}

/// One chain with a hook, one without, a match that nobody knows.
fn table() -> (Vec<u8>, Vec<u8>) {
    let ports = [0, 0, 0xff, 0xff, 80, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut ports = ports.to_vec();
    ports[4..6].copy_from_slice(&80_u16.to_ne_bytes());
    ports[6..8].copy_from_slice(&80_u16.to_ne_bytes());
    let first = entry(6, &extension(b"tcp", 0, &ports), &verdict(0));
    let policy = entry(0, &[], &verdict(-1));
    let head = entry(0, &[], &error(b"MINE\x1b"));
    let jump_to = first.len() + policy.len() + head.len();
    let jump = verdict(i32::try_from(jump_to).expect("short"));
    let first = entry(6, &extension(b"tcp", 0, &ports), &jump);
    let warp = entry(0, &extension(b"warp", 3, &[0xab; 8]), &extension(b"BEAM", 1, &[1, 2, 0, 0]));
    let back = entry(0, &[], &verdict(-5));
    let end = entry(0, &[], &error(b"ERROR"));
    let entries = [&first[..], &policy, &head, &warp, &back, &end].concat();
    let mut info = b"filter".to_vec();
    info.resize(32, 0);
    info.extend(2_u32.to_ne_bytes());
    info.extend([0; 20]);
    let mut underflow = [0; 20];
    let at = u32::try_from(first.len()).expect("short");
    underflow[4..8].copy_from_slice(&at.to_ne_bytes());
    info.extend(underflow);
    info.extend(6_u32.to_ne_bytes());
    info.extend(u32::try_from(entries.len()).expect("short").to_ne_bytes());
    (info, entries)
}

#[test]
fn what_is_not_known_is_kept_and_shown() {
    let (info, entries) = table();
    let table = LegacyTable::recorded(FwFamily::Ip, &info, &entries).expect("a table");
    assert_eq!(
        table.save(),
        "*filter\n:INPUT DROP [7:700]\n:MINE\\x1b - [0:0]\n\
         [7:700] -A INPUT -p tcp -m tcp --dport 80 -j MINE\\x1b\n\
         [7:700] -A MINE\\x1b -m warp [revision 3 0xabababababababab] \
         -j BEAM [revision 1 0x01020000]\nCOMMIT\n"
    );
    assert_eq!(table.unreadable, 0);
}

#[test]
fn tables_cut_anywhere_and_changed_anywhere_are_read() {
    let (info, entries) = table();
    let mut cut = 0;
    for at in 0..entries.len() {
        for value in [0, 1, 0x28, 0x70, 0x7f, 0xff] {
            let mut bytes = entries.clone();
            bytes[at] = value;
            for end in [at, bytes.len()] {
                for family in [FwFamily::Ip, FwFamily::Ip6] {
                    let bytes = bytes.get(..end).expect("inside");
                    let table = LegacyTable::recorded(family, &info, bytes).expect("a table");
                    assert!(table.save().lines().all(|it| !it.contains(char::is_control)));
                    cut += u32::from(table.unreadable > 0);
                }
            }
        }
    }
    assert!(cut > 1000, "{cut}");
    for end in 0..info.len() {
        assert!(LegacyTable::recorded(FwFamily::Ip, &info[..end], &entries).is_none());
    }
    for at in 32..info.len() {
        for value in [1, 0x70, 0xff] {
            let mut info = info.clone();
            info[at] = value;
            let table = LegacyTable::recorded(FwFamily::Ip, &info, &entries).expect("a table");
            assert!(table.save().ends_with("COMMIT\n"));
        }
    }
}

#[test]
fn lengths_of_nothing_end_the_walk() {
    let (info, _) = table();
    for len in [0, 1, 112, 4096] {
        let bytes = vec![0; len];
        let table = LegacyTable::recorded(FwFamily::Ip, &info, &bytes).expect("a table");
        assert_eq!(table.unreadable, len as u64);
        assert!(table.chains.is_empty());
    }
}
