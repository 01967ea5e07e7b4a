//! Kernels add attributes, grow and shrink structures: no message may take others with it, and
//! only one that says nothing about its subject may be lost, counted.

use super::{KINDS, Kind, Messages, read_one, rows};

/// Splits a message into its fixed part and its attributes, each with its padding.
fn split(kind: Kind, message: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let (head, mut rest) = message.split_at(16 + kind.fixed);
    let mut attrs = Vec::new();
    while rest.len() >= 4 {
        let len = usize::from(u16::from_ne_bytes([rest[0], rest[1]]));
        let (attr, behind) = rest.split_at(len.next_multiple_of(4).min(rest.len()));
        attrs.push(attr[..len].to_vec());
        rest = behind;
    }
    (head.to_vec(), attrs)
}

fn join(head: &[u8], attrs: &[Vec<u8>]) -> Vec<u8> {
    let mut message = head.to_vec();
    for attr in attrs {
        message.extend(attr);
        message.resize(message.len().next_multiple_of(4), 0);
    }
    let len = message.len() as u32;
    message[..4].copy_from_slice(&len.to_ne_bytes());
    message
}

fn attr(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = (value.len() as u16 + 4).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes
}

fn type_of(attr: &[u8]) -> u16 {
    u16::from_ne_bytes([attr[2], attr[3]]) & 0x3fff
}

/// Calls `check` with each message of each kind, its row, its head and its attributes.
fn each(mut check: impl FnMut(Kind, &str, &[u8], &[Vec<u8>])) {
    for kind in KINDS {
        let messages = rows(kind);
        assert!(!messages.is_empty(), "{}", kind.name);
        for message in messages {
            // Rows of other families have nothing to lose.
            let Some(row) = read_one(kind, &message).expect(kind.name) else {
                continue;
            };
            let (head, attrs) = split(kind, &message);
            assert_eq!(join(&head, &attrs), message);
            check(kind, &row, &head, &attrs);
        }
    }
}

#[test]
fn unknown_attributes_anywhere_change_nothing() {
    each(|kind, row, head, attrs| {
        for at in 0..=attrs.len() {
            for unknown in [attr(0x3ff0, &[1; 9]), attr(0x3ff1 | 0x8000, &[]), attr(900, &[0; 300])]
            {
                let mut attrs = attrs.to_vec();
                attrs.insert(at, unknown);
                let found = read_one(kind, &join(head, &attrs));
                assert_eq!(found.flatten().as_deref(), Some(row), "{} {at}", kind.name);
            }
        }
    });
}

#[test]
fn shorter_values_cost_at_most_their_own_field() {
    each(|kind, _, head, attrs| {
        for at in 0..attrs.len() {
            for cut in 1..=attrs[at].len() - 4 {
                let mut attrs = attrs.to_vec();
                let value = attrs[at][4..attrs[at].len() - cut].to_vec();
                let raw = u16::from_ne_bytes([attrs[at][2], attrs[at][3]]);
                attrs[at] = attr(raw, &value);
                let found = read_one(kind, &join(head, &attrs)).flatten();
                let identity = kind.identity.contains(&type_of(&attrs[at]));
                assert!(found.is_some() || identity, "{} type {raw} cut {cut}", kind.name);
            }
        }
    });
}

#[test]
fn longer_values_are_read_by_their_beginning() {
    each(|kind, row, head, attrs| {
        for at in 0..attrs.len() {
            let mut attrs = attrs.to_vec();
            let raw = u16::from_ne_bytes([attrs[at][2], attrs[at][3]]);
            let value = [&attrs[at][4..], &[0; 8]].concat();
            attrs[at] = attr(raw, &value);
            let found = read_one(kind, &join(head, &attrs)).flatten();
            let identity = kind.identity.contains(&type_of(&attrs[at]));
            assert!(found.is_some() || identity, "{} type {raw}", kind.name);
            // Numbers and structures keep their value; strings and addresses have one length.
            if attrs[at].len() - 12 == 4 && kind.name == "sock" {
                assert_eq!(found.as_deref(), Some(row));
            }
        }
    });
}

#[test]
fn empty_nests_and_values_are_survived() {
    each(|kind, _, head, attrs| {
        for at in 0..attrs.len() {
            let mut attrs = attrs.to_vec();
            let raw = u16::from_ne_bytes([attrs[at][2], attrs[at][3]]);
            for raw in [raw, raw | 0x8000] {
                attrs[at] = attr(raw, &[]);
                let found = read_one(kind, &join(head, &attrs)).flatten();
                let identity = kind.identity.contains(&type_of(&attrs[at]));
                assert!(found.is_some() || identity, "{} type {raw}", kind.name);
            }
        }
    });
}

#[test]
fn unknown_message_types_are_counted_and_cost_no_other() {
    for kind in KINDS {
        let messages = rows(kind);
        for at in 0..messages.len() {
            let mut messages = messages.clone();
            messages[at][4..6].copy_from_slice(&999u16.to_ne_bytes());
            let datagram = messages.concat();
            let read: Vec<_> = Messages::new(&datagram).map(|m| (kind.read)(&m)).collect();
            assert_eq!(read.len(), messages.len(), "{}", kind.name);
            let lost: Vec<_> = (0..read.len()).filter(|n| read[*n].is_none()).collect();
            assert_eq!(lost, [at], "{}", kind.name);
        }
    }
}

#[test]
fn messages_cut_at_any_byte_are_survived() {
    each(|kind, _, head, attrs| {
        let whole = join(head, attrs);
        for len in 16..whole.len() {
            let mut cut = whole[..len].to_vec();
            cut[..4].copy_from_slice(&(len as u32).to_ne_bytes());
            let _ = read_one(kind, &cut);
            // The neighbour behind it is read in any case.
            cut.resize(len.next_multiple_of(4), 0);
            let datagram = [cut, whole.clone()].concat();
            let read: Vec<_> = Messages::new(&datagram).map(|m| (kind.read)(&m)).collect();
            assert!(read.len() == 2 && matches!(read[1], Some(Some(_))), "{} {len}", kind.name);
        }
    });
}

#[test]
fn any_byte_may_change_without_a_panic() {
    each(|kind, _, head, attrs| {
        let whole = join(head, attrs);
        for at in 16..whole.len() {
            for value in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                let _ = read_one(kind, &bytes);
            }
        }
    });
}
