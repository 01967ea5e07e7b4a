//! Filters on the command line: programs as tcpdump prints them, and faults pointed at.

use crate::run::vision;

#[test]
fn programs_are_printed_in_the_forms_of_tcpdump() {
    let listed = "(000) ldh      [12]\n(001) jeq      #0x806           jt 2\tjf 3\n\
                  (002) ret      #262144\n(003) ret      #0\n";
    assert_eq!(vision("filter -d arp").expect(0).out, listed);
    assert_eq!(vision("filter arp").expect(0).out, listed);
    let numbers = vision("filter -ddd arp").expect(0).out;
    assert_eq!(numbers, "4\n40 0 0 12\n21 0 1 2054\n6 0 0 262144\n6 0 0 0\n");
    let json = vision("filter arp --json").expect(0).json();
    assert_eq!(json["report"]["instructions"][1], serde_json::json!([21, 0, 1, 2054]));
    assert_eq!(vision("filter --check --link LINUX_SLL2 tcp port 80").expect(0).out, "");
}

#[test]
fn a_fault_is_pointed_at() {
    let run = vision("filter --check tcp port htpt or udp").expect(2);
    assert!(run.err.starts_with("  tcp port htpt or udp\n           ^~~~\nvision: "), "{run:?}");
    for (line, part) in [
        ("filter ip broadcast", "mask"),
        ("filter --netmask 255.255 ip broadcast", "255.255"),
        ("filter --link RAW vlan", "RAW"),
        ("filter --link NOSUCH ip", "NOSUCH"),
        ("filter host nosuch.invalid", "nosuch.invalid"),
    ] {
        let run = vision(line).expect(2);
        assert!(run.err.contains(part) && run.out.is_empty(), "{run:?}");
    }
    vision("filter --netmask 255.255.255.0 ip broadcast").expect(0);
}
