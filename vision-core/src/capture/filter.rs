//! The pcap-filter language, compiled to classic BPF and run on packets.
