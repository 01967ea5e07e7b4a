use super::*;

fn listing(expression: &str, link_type: LinkType) -> String {
    Filter::compile(expression, link_type).expect(expression).program().to_string()
}

#[test]
fn programs_are_listed_as_tcpdump_lists_them() {
    // tcpdump -d -y EN10MB 'tcp[tcpflags] & tcp-syn != 0'
    let listed = "\
(000) ldh      [12]
(001) jeq      #0x800           jt 2\tjf 10
(002) ldb      [23]
(003) jeq      #0x6             jt 4\tjf 10
(004) ldh      [20]
(005) jset     #0x1fff          jt 10\tjf 6
(006) ldxb     4*([14]&0xf)
(007) ldb      [x + 27]
(008) jset     #0x2             jt 9\tjf 10
(009) ret      #262144
(010) ret      #0
";
    assert_eq!(listing("tcp[tcpflags] & tcp-syn != 0", LinkType::ETHERNET), listed);
    // tcpdump -d -y EN10MB 'vlan 5 and ip6 src host ::1'
    let listed = "\
(000) ldh      [12]
(001) jeq      #0x8100          jt 4\tjf 2
(002) jeq      #0x88a8          jt 4\tjf 3
(003) jeq      #0x9100          jt 4\tjf 18
(004) ldh      [14]
(005) and      #0xfff
(006) jeq      #0x5             jt 7\tjf 18
(007) ldh      [16]
(008) jeq      #0x86dd          jt 9\tjf 18
(009) ld       [26]
(010) jeq      #0x0             jt 11\tjf 18
(011) ld       [30]
(012) jeq      #0x0             jt 13\tjf 18
(013) ld       [34]
(014) jeq      #0x0             jt 15\tjf 18
(015) ld       [38]
(016) jeq      #0x1             jt 17\tjf 18
(017) ret      #262144
(018) ret      #0
";
    assert_eq!(listing("vlan 5 and ip6 src host ::1", LinkType::ETHERNET), listed);
    // tcpdump -d -y LINUX_SLL2 'inbound and len > 100'
    let listed = "\
(000) ldb      [10]
(001) jeq      #0x4             jt 5\tjf 2
(002) ld       #pktlen
(003) jgt      #0x64            jt 4\tjf 5
(004) ret      #262144
(005) ret      #0
";
    assert_eq!(listing("inbound and len > 100", LinkType::LINUX_SLL2), listed);
}

#[test]
fn programs_have_three_forms() {
    let filter = Filter::compile("arp", LinkType::ETHERNET).expect("a filter");
    let numbers = "4\n40 0 0 12\n21 0 1 2054\n6 0 0 262144\n6 0 0 0\n";
    assert_eq!(filter.program().as_numbers(), numbers);
    let c = "{ 0x28, 0, 0, 0x0000000c },\n{ 0x15, 0, 1, 0x00000806 },\n\
             { 0x6, 0, 0, 0x00040000 },\n{ 0x6, 0, 0, 0x00000000 },\n";
    assert_eq!(filter.program().as_c(), c);
}

#[test]
fn live_programs_ask_the_kernel_for_the_tag_it_took_out() {
    let live = Filter::on(LinkType::ETHERNET).live();
    let program = live.compile("vlan 7 and ip").expect("a filter").program().to_string();
    assert!(program.starts_with("(000) ld       [vlanp]\n"), "{program}");
    // Beside the packet nothing is shifted; inside everything behind the tag is.
    let at = |text: &str| program.contains(text);
    assert!(at("[vlant]") && at("ldh      [12]") && at("ldh      [16]"), "{program}");
    // Without `vlan` nobody asks for tags.
    let program = live.compile("ip").expect("a filter").program().to_string();
    assert!(!program.contains("vlan"), "{program}");
    // In files the kernel is not there to be asked.
    assert!(Filter::compile("inbound", LinkType::ETHERNET).is_err());
    assert!(live.compile("inbound and ifindex 3").is_ok());
}

#[test]
fn names_of_hosts_are_looked_up_only_where_that_is_asked() {
    let ethernet = LinkType::ETHERNET;
    let error = Filter::compile("host db.example", ethernet).expect_err("a name");
    assert_eq!((error.at, error.length), (5, 10));
    let resolve = |name: &str| match name {
        "db.example" => vec!["10.0.0.2".parse().expect("v4"), "fd00::2".parse().expect("v6")],
        _ => Vec::new(),
    };
    let request = Filter::on(ethernet).resolve(&resolve);
    let named = request.compile("host db.example").expect("known");
    let plain = Filter::compile("host 10.0.0.2 or host fd00::2", ethernet).expect("addresses");
    assert_eq!(named.program(), plain.program());
    let six = request.compile("ip6 host db.example").expect("known");
    let plain = Filter::compile("ip6 host fd00::2", ethernet).expect("an address");
    assert_eq!(six.program(), plain.program());
    assert!(request.compile("host nobody.example").is_err());
}

#[test]
fn long_lists_are_compiled_in_one_go_and_jump_far() {
    let hosts: Vec<_> = (0..3000).map(|n| format!("10.0.{}.{}", n / 250, n % 250)).collect();
    let expression = format!("host {}", hosts.join(" or "));
    let filter = Filter::compile(&expression, LinkType::RAW).expect("a list");
    let mut packet = [0_u8; 20];
    packet[0] = 0x45;
    for (address, taken) in [([10, 0, 11, 249], true), ([10, 0, 12, 0], false)] {
        packet[16..].copy_from_slice(&address);
        assert_eq!(filter.matches(&packet, 20), taken, "{address:?}");
    }
}

#[test]
fn programs_from_elsewhere_are_checked() {
    let machine = |all: &[(u16, u8, u8, u32)]| {
        let instructions = all.iter().copied().map(Instruction::from).collect();
        Machine::new(&Program::new(instructions))
    };
    for bad in [
        &[][..],
        &[(0x28, 0, 0, 12)],
        &[(0x15, 0, 1, 0), (6, 0, 0, 1)],
        &[(0x05, 0, 0, 1), (6, 0, 0, 1)],
        &[(0x05, 0, 0, u32::MAX - 1), (6, 0, 0, 1)],
        &[(0x02, 0, 0, 16), (6, 0, 0, 1)],
        &[(0x34, 0, 0, 0), (6, 0, 0, 1)],
        &[(0x64, 0, 0, 32), (6, 0, 0, 1)],
        &[(0xffff, 0, 0, 0), (6, 0, 0, 1)],
    ] {
        assert!(machine(bad).is_err(), "{bad:?}");
    }
    // It would never end.
    let endless = machine(&[(0x05, 0, 0, u32::MAX), (6, 0, 0, 1)]).expect("a loop");
    assert_eq!(endless.run(&[], 0), 0);
    // Division by what the packet says.
    let divides = machine(&[(0xb1, 0, 0, 0), (0x00, 0, 0, 9), (0x3c, 0, 0, 0), (0x16, 0, 0, 0)]);
    let divides = divides.expect("a program");
    assert_eq!((divides.run(&[1], 1), divides.run(&[0], 1), divides.run(&[], 0)), (2, 0, 0));
}

#[test]
fn what_can_never_match_is_a_mistake() {
    for (expression, link) in [
        ("arp", LinkType::RAW),
        ("ip and ip6", LinkType::ETHERNET),
        ("tcp port 80 and udp", LinkType::ETHERNET),
        ("not ip", LinkType::IPV4),
    ] {
        let error = Filter::compile(expression, link).expect_err(expression);
        assert!(error.message.contains("can ever match"), "{error}");
    }
    // An empty one takes all, and one that takes all is none.
    assert!(Filter::compile(" ", LinkType::RAW).expect("empty").matches(&[], 0));
    let all = Filter::compile("ip or not ip", LinkType::ETHERNET).expect("a tautology");
    assert_eq!(all.program().instructions().len(), 1);
}
