use super::*;

fn refused(text: &str) -> FilterError {
    parse(text).map(|_| ()).expect_err(text)
}

#[test]
fn faults_are_told_where_they_are() {
    for (text, at, what) in [
        ("tcp port", 8, "expected a port's number or name where the expression ends"),
        ("host 10.0.0.1 and (udp", 22, "expected `)`"),
        ("tcp[13", 6, "expected `]`"),
        ("tcp[13] &", 9, "expected a number"),
        ("len + 1", 7, "expected a comparison"),
        ("10.0.0.1", 0, "expected host, net, port"),
        ("ip proto tcp", 9, "write \\tcp"),
        ("src or 10.0.0.1", 7, "expected `dst`"),
        ("tcp # udp", 4, "`#` means nothing here"),
        ("port 80 or tcp)", 14, "expected `and`, `or` or the end"),
        ("80", 0, "a number alone"),
    ] {
        let error = refused(text);
        assert_eq!(error.at, at, "{text}: {error}");
        assert!(error.message.contains(what), "{text}: {error}");
    }
}

#[test]
fn nesting_ends_somewhere() {
    for text in ["(".repeat(100_000), "not ".repeat(100_000), "-".repeat(100_000)] {
        assert_eq!(refused(&text).message, "nested too deep");
    }
    let sum = format!("len{} = 1", "+1".repeat(100_000));
    assert_eq!(refused(&sum).message, "nested too deep");
    // A list as long as that is none.
    let hosts = format!("host 10.0.0.1{}", " or 10.0.0.2".repeat(50_000));
    assert!(parse(&hosts).is_ok());
}

#[test]
fn qualifiers_stay_for_what_is_joined() {
    for good in [
        "tcp port 80 or 443",
        "port (80 or 443) and not udp",
        "host 10.0.0.1 and (10.0.0.2 or 10.0.0.3)",
        "port not (80 or 443)",
        "(((80))) = len",
        "(len + 1) * 2 = 4 or (tcp)",
        "not (80 = len)",
        "vlan (5) and vlan",
    ] {
        assert!(parse(good).is_ok(), "{good}");
    }
    for bad in ["tcp and 80", "port (80 or tcp)", "(port 80) or tcp or 443", "net 10/8", ""] {
        assert_eq!(parse(bad).is_ok(), bad.is_empty(), "{bad}");
    }
}
