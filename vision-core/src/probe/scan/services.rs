use super::Technique;

/// Returns what usually listens on a port, by the name it has with IANA or in daily use; that it
/// does so here is for its banner to say.
///
/// ```
/// use vision_core::probe::{Technique, service_name};
///
/// assert_eq!(service_name(5432, Technique::Connect), Some("postgresql"));
/// ```
pub fn service_name(port: u16, technique: Technique) -> Option<&'static str> {
    let both = BOTH;
    let own = if technique == Technique::Udp { UDP } else { TCP };
    let find = |table: &[(u16, &'static str)]| {
        let at = table.binary_search_by_key(&port, |(port, _)| *port).ok()?;
        table.get(at).map(|(_, name)| *name)
    };
    find(own).or_else(|| find(both))
}

/// In order of port.
const BOTH: &[(u16, &str)] = &[
    (7, "echo"),
    (9, "discard"),
    (13, "daytime"),
    (19, "chargen"),
    (37, "time"),
    (53, "domain"),
    (88, "kerberos"),
    (111, "rpcbind"),
    (123, "ntp"),
    (161, "snmp"),
    (162, "snmptrap"),
    (319, "ptp-event"),
    (320, "ptp-general"),
    (389, "ldap"),
    (464, "kpasswd"),
    (631, "ipp"),
    (853, "domain-s"),
    (2049, "nfs"),
    (3478, "stun"),
    (3784, "bfd-control"),
    (4240, "cilium-health"),
    (4789, "vxlan"),
    (5060, "sip"),
    (5061, "sips"),
    (5349, "stuns"),
    (6081, "geneve"),
    (7946, "swarm-gossip"),
    (8472, "vxlan-linux"),
    (8600, "consul-dns"),
    (10_000, "webmin"),
    (11_211, "memcached"),
    (51_820, "wireguard"),
];

const TCP: &[(u16, &str)] = &[
    (20, "ftp-data"),
    (21, "ftp"),
    (22, "ssh"),
    (23, "telnet"),
    (25, "smtp"),
    (70, "gopher"),
    (79, "finger"),
    (80, "http"),
    (102, "iso-tsap"),
    (110, "pop3"),
    (113, "ident"),
    (119, "nntp"),
    (135, "msrpc"),
    (139, "netbios-ssn"),
    (143, "imap"),
    (179, "bgp"),
    (443, "https"),
    (445, "microsoft-ds"),
    (465, "submissions"),
    (502, "modbus"),
    (513, "login"),
    (514, "shell"),
    (515, "printer"),
    (554, "rtsp"),
    (587, "submission"),
    (636, "ldaps"),
    (646, "ldp"),
    (873, "rsync"),
    (989, "ftps-data"),
    (990, "ftps"),
    (993, "imaps"),
    (995, "pop3s"),
    (1080, "socks"),
    (1433, "ms-sql"),
    (1521, "oracle"),
    (1723, "pptp"),
    (1883, "mqtt"),
    (1935, "rtmp"),
    (2181, "zookeeper"),
    (2375, "docker"),
    (2376, "docker-tls"),
    (2377, "swarm"),
    (2379, "etcd-client"),
    (2380, "etcd-server"),
    (2404, "iec-104"),
    (3000, "grafana"),
    (3128, "squid-http"),
    (3260, "iscsi"),
    (3306, "mysql"),
    (3389, "rdp"),
    (4222, "nats"),
    (4317, "otlp-grpc"),
    (4318, "otlp-http"),
    (4369, "epmd"),
    (5000, "registry"),
    (5044, "beats"),
    (5222, "xmpp-client"),
    (5269, "xmpp-server"),
    (5432, "postgresql"),
    (5601, "kibana"),
    (5671, "amqps"),
    (5672, "amqp"),
    (5900, "vnc"),
    (5984, "couchdb"),
    (5985, "winrm"),
    (6000, "x11"),
    (6379, "redis"),
    (6432, "pgbouncer"),
    (6443, "kubernetes"),
    (6514, "syslog-tls"),
    (6667, "irc"),
    (7000, "cassandra"),
    (7077, "spark"),
    (8000, "http-alt"),
    (8008, "http-alt"),
    (8080, "http-proxy"),
    (8086, "influxdb"),
    (8200, "vault"),
    (8300, "consul-rpc"),
    (8443, "https-alt"),
    (8500, "consul-http"),
    (8883, "mqtts"),
    (8888, "http-alt"),
    (9000, "minio"),
    (9042, "cassandra-cql"),
    (9090, "prometheus"),
    (9091, "pushgateway"),
    (9092, "kafka"),
    (9093, "alertmanager"),
    (9100, "node-exporter"),
    (9200, "elasticsearch"),
    (9300, "elasticsearch-node"),
    (9411, "zipkin"),
    (9418, "git"),
    (9901, "envoy-admin"),
    (10_249, "kube-proxy-metrics"),
    (10_250, "kubelet"),
    (10_255, "kubelet-readonly"),
    (10_256, "kube-proxy-health"),
    (10_257, "kube-controller"),
    (10_259, "kube-scheduler"),
    (15_000, "envoy-admin"),
    (15_001, "istio-outbound"),
    (15_006, "istio-inbound"),
    (15_010, "istiod-xds"),
    (15_012, "istiod-xds-tls"),
    (15_020, "istio-metrics"),
    (15_021, "istio-health"),
    (15_090, "istio-prometheus"),
    (15_672, "rabbitmq-http"),
    (26_257, "cockroachdb"),
    (27_017, "mongodb"),
    (50_051, "grpc"),
];

const UDP: &[(u16, &str)] = &[
    (67, "dhcp-server"),
    (68, "dhcp-client"),
    (69, "tftp"),
    (137, "netbios-ns"),
    (138, "netbios-dgm"),
    (177, "xdmcp"),
    (443, "quic"),
    (500, "isakmp"),
    (514, "syslog"),
    (520, "rip"),
    (546, "dhcpv6-client"),
    (547, "dhcpv6-server"),
    (623, "ipmi"),
    (1194, "openvpn"),
    (1645, "radius"),
    (1646, "radius-acct"),
    (1701, "l2tp"),
    (1812, "radius"),
    (1813, "radius-acct"),
    (1900, "ssdp"),
    (2055, "netflow"),
    (3799, "radius-coa"),
    (4500, "ipsec-nat-t"),
    (4739, "ipfix"),
    (5353, "mdns"),
    (5355, "llmnr"),
    (5683, "coap"),
    (6343, "sflow"),
    (6831, "jaeger-compact"),
    (8125, "statsd"),
    (8301, "consul-serf"),
    (41_641, "tailscale"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_in_order_and_names_are_found() {
        for table in [BOTH, TCP, UDP] {
            assert!(table.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }
        assert_eq!(service_name(443, Technique::HalfOpen), Some("https"));
        assert_eq!(service_name(443, Technique::Udp), Some("quic"));
        assert_eq!(service_name(53, Technique::Udp), Some("domain"));
        assert_eq!(service_name(4, Technique::Connect), None);
    }
}
