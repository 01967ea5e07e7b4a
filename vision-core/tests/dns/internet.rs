//! A small internet on one loopback: a signed root, `test` below it, and zones of every kind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::net::{Daemon, Net};

/// Servers by address: root 127.1.0.1, test .2 and .3, example.test .4 (new) and .5 (old),
/// unsigned.test and bare.test .6, zones that are signed wrongly .7; 127.2.0.1 recurses.
pub struct Internet {
    pub net: Net,
    pub dir: PathBuf,
    _daemons: Vec<Daemon>,
}

impl Drop for Internet {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl Internet {
    /// Signs the zones and starts nsd and unbound; `None` where a tool is missing.
    pub fn start(tag: &str) -> Option<Self> {
        for tool in ["ldns-keygen", "ldns-signzone", "nsd", "unbound"] {
            if Command::new(tool).arg("-v").output().is_err() {
                println!("SKIP: {tool} is not installed");
                return None;
            }
        }
        let net = Net::new()?;
        let dir = std::env::temp_dir().join(format!("vision-inet-{}-{tag}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory");
        write_zones(&dir);
        let places: [(&str, &[(&str, &str)]); 7] = [
            ("127.1.0.1", &[(".", "root.signed")]),
            ("127.1.0.2", &[("test.", "test.signed")]),
            ("127.1.0.3", &[("test.", "test.signed")]),
            (
                "127.1.0.4",
                &[("example.test.", "example.test.signed"), ("three.test.", "three.test.signed")],
            ),
            ("127.1.0.5", &[("example.test.", "example.old")]),
            ("127.1.0.6", &[("unsigned.test.", "unsigned.test"), ("bare.test.", "bare.test")]),
            (
                "127.1.0.7",
                &[
                    ("expired.test.", "expired.test.signed"),
                    ("broken.test.", "broken.test.signed"),
                    ("stripped.test.", "stripped.test"),
                ],
            ),
        ];
        let mut daemons = Vec::new();
        for (addr, zones) in places {
            daemons.push(nsd(&net, &dir, addr, zones)?);
            net.wait_for_dns(format!("{addr}:53").parse().expect("an address"));
        }
        daemons.push(unbound(&net, &dir)?);
        net.wait_for_dns("127.2.0.1:53".parse().expect("an address"));
        Some(Self { net, dir, _daemons: daemons })
    }
}

#[cfg(feature = "dnssec")]
impl Internet {
    pub fn anchor(&self) -> String {
        fs::read_to_string(self.dir.join("anchor.key")).expect("the root's key")
    }

    /// The same for delv, which wants its own form.
    pub fn anchor_for_delv(&self) -> PathBuf {
        let text = self.anchor();
        let record = text.lines().find(|line| line.contains("DNSKEY")).expect("a key");
        let record = record.split(';').next().unwrap_or_default();
        let words: Vec<_> = record.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "DNSKEY").expect("a key");
        let (numbers, key) = words[at + 1..].split_at(3);
        let path = self.dir.join("anchors");
        let text = format!(
            "trust-anchors {{ \".\" static-key {} \"{}\"; }};",
            numbers.join(" "),
            key.concat()
        );
        fs::write(&path, text).expect("written");
        path
    }
}

fn tool(dir: &Path, program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).current_dir(dir).output().expect("runs");
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
    text
}

/// Signs `zone` and returns its DS record.
fn sign(dir: &Path, zone: &str, file: &str, args: &[&str]) -> String {
    let keys = ["-a", "ECDSAP256SHA256"];
    let zsk = tool(dir, "ldns-keygen", &[&keys[..], &[zone]].concat());
    let ksk = tool(dir, "ldns-keygen", &[&["-k"], &keys[..], &[zone]].concat());
    tool(dir, "ldns-signzone", &[args, &[file, &zsk, &ksk]].concat());
    if zone == "." {
        fs::copy(dir.join(format!("{ksk}.key")), dir.join("anchor.key")).expect("copied");
    }
    fs::read_to_string(dir.join(format!("{ksk}.ds"))).expect("a DS record")
}

fn write_zones(dir: &Path) {
    let write = |name: &str, text: &str| fs::write(dir.join(name), text).expect("written");
    let leaf = |zone: &str, server: &str| {
        format!(
            "$ORIGIN {zone}.\n$TTL 300\n@ SOA ns1 h 7 3600 600 86400 300\n@ NS ns1\n@ NS ns2\n\
             ns1 A {server}\nns2 A 127.1.0.5\nwww A 192.0.2.1\nwww AAAA 2001:db8::1\n\
             alias CNAME www\n*.wild TXT \"x\"\na.b.deep A 192.0.2.3\n"
        )
    };
    let mut signers = String::new();
    write("example.test", &leaf("example.test", "127.1.0.4"));
    write("example.old", &leaf("example.test", "127.1.0.4").replace("h 7 ", "h 6 "));
    signers += &sign(dir, "example.test", "example.test", &[]);
    write("three.test", &leaf("three.test", "127.1.0.4"));
    signers += &sign(dir, "three.test", "three.test", &["-n", "-s", "aabb", "-t", "3"]);
    write("expired.test", &leaf("expired.test", "127.1.0.7"));
    signers += &sign(dir, "expired.test", "expired.test", &["-i", "20200101", "-e", "20200201"]);
    write("broken.test", &leaf("broken.test", "127.1.0.7"));
    signers += &sign(dir, "broken.test", "broken.test", &[]);
    let signed = fs::read_to_string(dir.join("broken.test.signed")).expect("a zone");
    write("broken.test.signed", &signed.replace("192.0.2.1\n", "192.0.2.66\n"));
    write("stripped.test", &leaf("stripped.test", "127.1.0.7"));
    signers += &sign(dir, "stripped.test", "stripped.test", &[]);
    for zone in ["unsigned.test", "bare.test"] {
        write(zone, &leaf(zone, "127.1.0.6"));
    }
    let mut test =
        "$ORIGIN test.\n$TTL 300\n@ SOA ns1 h 1 3600 600 86400 300\n@ NS ns1\n@ NS ns2\n\
                    ns1 A 127.1.0.2\nns2 A 127.1.0.3\n"
            .to_owned();
    for (zone, server) in [
        ("example", "127.1.0.4"),
        ("three", "127.1.0.4"),
        ("unsigned", "127.1.0.6"),
        ("bare", "127.1.0.6"),
        ("expired", "127.1.0.7"),
        ("broken", "127.1.0.7"),
        ("stripped", "127.1.0.7"),
    ] {
        test += &format!("{zone} NS ns1.{zone}\nns1.{zone} A {server}\n");
    }
    test += "example NS ns2.example\nns2.example A 127.1.0.5\n";
    write("test", &(test + &signers));
    let ds = sign(dir, "test", "test", &["-n"]);
    let root = "$ORIGIN .\n$TTL 300\n@ SOA a.root. h. 1 3600 600 86400 300\n@ NS a.root.\n\
                a.root. A 127.1.0.1\ntest. NS ns1.test.\ntest. NS ns2.test.\n\
                ns1.test. A 127.1.0.2\nns2.test. A 127.1.0.3\n";
    write("root", &(root.to_owned() + &ds));
    sign(dir, ".", "root", &[]);
    write("hints", ". 300 NS a.root.\na.root. 300 A 127.1.0.1\n");
}

fn nsd(net: &Net, dir: &Path, addr: &str, zones: &[(&str, &str)]) -> Option<Daemon> {
    let own = dir.join(addr);
    fs::create_dir_all(&own).expect("a directory");
    let (base, at) = (dir.display(), own.display());
    let zones: String = zones
        .iter()
        .map(|(zone, file)| {
            format!("zone:\n  name: {zone}\n  zonefile: {file}\n  provide-xfr: 127.0.0.0/8 NOKEY\n")
        })
        .collect();
    let config = format!(
        "server:\n  ip-address: {addr}@53\n  username: \"\"\n  chroot: \"\"\n  zonesdir: \"{base}\"\n  \
         pidfile: \"\"\n  zonelistfile: \"{at}/zones\"\n  xfrdfile: \"{at}/xfrd\"\n  xfrdir: \"{at}\"\n  \
         logfile: \"{at}/log\"\n  database: \"\"\n  server-count: 1\n  rrl-ratelimit: 0\n  \
         nsid: \"ascii_{addr}\"\n  answer-cookie: yes\nremote-control:\n  control-enable: no\n{zones}"
    );
    let path = own.join("conf");
    fs::write(&path, config).expect("written");
    net.spawn("nsd", &["-d", "-c", path.to_str().expect("UTF-8")])
}

fn unbound(net: &Net, dir: &Path) -> Option<Daemon> {
    let at = dir.display();
    let config = format!(
        "server:\n  interface: 127.2.0.1\n  access-control: 127.0.0.0/8 allow\n  \
         do-not-query-localhost: no\n  local-zone: \"test.\" nodefault\n  username: \"\"\n  \
         chroot: \"\"\n  directory: \"{at}\"\n  pidfile: \"{at}/unbound.pid\"\n  use-syslog: no\n  \
         logfile: \"{at}/unbound.log\"\n  root-hints: \"{at}/hints\"\n  \
         trust-anchor-file: \"{at}/anchor.key\"\n  do-ip6: no\n\
         remote-control:\n  control-enable: no\n"
    );
    let path = dir.join("unbound.conf");
    fs::write(&path, config).expect("written");
    net.spawn("unbound", &["-d", "-c", path.to_str().expect("UTF-8")])
}
