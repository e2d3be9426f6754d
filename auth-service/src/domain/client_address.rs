//! The client's address, behind trusted proxies.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use ipnet::{IpNet, Ipv6Net};

/// The proxies whose `x-forwarded-for` or `forwarded` header is trusted.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustedProxies(Vec<IpNet>);

impl FromStr for TrustedProxies {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let network = |part: &str| {
            let address = part.parse::<IpAddr>().map(IpNet::from);
            address.or_else(|_| part.parse::<IpNet>()).map_err(|_| {
                format!("{part:?} is not an address or a network, such as 10.0.0.7 or 10.0.0.0/8")
            })
        };
        parts.map(network).collect::<Result<_, _>>().map(Self)
    }
}

impl TrustedProxies {
    /// The client behind `peer`, by the header that its proxies write. A client can send the other
    /// one: if both are there and name different clients, neither counts.
    pub(crate) fn client(&self, peer: IpAddr, x_forwarded_for: &str, forwarded: &str) -> IpAddr {
        let peer = peer.to_canonical();
        let by_address = || self.last_untrusted(peer, x_forwarded_for, address);
        let by_element = || self.last_untrusted(peer, forwarded, element);
        match (x_forwarded_for, forwarded) {
            (_, "") => by_address(),
            ("", _) => by_element(),
            _ => Some(by_address()).filter(|client| *client == by_element()).unwrap_or(peer),
        }
    }

    /// The last forwarded address that is not a trusted proxy itself. An address forwarded by an
    /// untrusted peer is ignored. An entry that is not an address ends the search at the proxy that
    /// added it.
    fn last_untrusted(
        &self,
        peer: IpAddr,
        list: &str,
        parse: impl Fn(&str) -> Option<IpAddr>,
    ) -> IpAddr {
        let mut client = peer;
        // Recipients of a list ignore its empty elements (RFC 9110, section 5.6.1.2).
        let mut hops = list.rsplit(',').map(str::trim).filter(|hop| !hop.is_empty());
        while self.contains(client) {
            let Some(address) = hops.next().and_then(&parse) else { break };
            client = address.to_canonical();
        }
        client
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// Parses an entry of `x-forwarded-for`. Some proxies add the port, put an IPv6 address in
/// brackets, or add its zone (RFC 4007), which has a meaning only for the proxy.
fn address(hop: &str) -> Option<IpAddr> {
    let with_port = || hop.parse().map(|address: SocketAddr| address.ip()).ok();
    let v6 = || {
        let (address, port) = match hop.strip_prefix('[') {
            Some(bracketed) => bracketed.split_once(']')?,
            None => (hop, ""),
        };
        let is_port = |port: &str| port.parse::<u16>().is_ok();
        let has_end = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        let address = address.split('%').next().filter(|_| has_end)?;
        Some(address.parse::<Ipv6Addr>().ok()?.into())
    };
    hop.parse().ok().or_else(with_port).or_else(v6)
}

/// Parses the `for` parameter of an element of `forwarded` (RFC 7239). An obfuscated name or
/// "unknown" is not an address.
fn element(hop: &str) -> Option<IpAddr> {
    let node = hop.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value.trim())
    })?;
    let quoted = node.strip_prefix('"').and_then(|node| node.strip_suffix('"'));
    address(quoted.unwrap_or(node))
}

/// The source that limits apply to: an IPv4 address, or the /64 of an IPv6 address, since one
/// subscriber has a whole /64.
pub(crate) fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            Ipv6Net::new(address, 64).expect("64 is at most 128").network().into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, x_forwarded_for: &str, forwarded: &str) -> String {
        let trusted: TrustedProxies = "10.0.0.0/8, ::1".parse().unwrap();
        trusted.client(peer.parse().unwrap(), x_forwarded_for, forwarded).to_string()
    }

    #[test]
    fn the_client_is_the_last_address_that_a_trusted_proxy_forwards() {
        for (peer, header, expected) in [
            ("1.1.1.1", "2.2.2.2", "1.1.1.1"),
            ("10.0.0.1", "2.2.2.2", "2.2.2.2"),
            ("10.0.0.1", "6.6.6.6, 2.2.2.2", "2.2.2.2"),
            ("::1", "6.6.6.6,2.2.2.2 , 10.9.9.9", "2.2.2.2"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", "garbage", "10.0.0.1"),
            ("10.0.0.1", "2.2.2.2, garbage, 10.0.0.2", "10.0.0.2"),
            ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("::ffff:10.0.0.1", "::ffff:2.2.2.2", "2.2.2.2"),
            ("10.0.0.1", "2.2.2.2,", "2.2.2.2"),
            ("10.0.0.1", " , 6.6.6.6,, 2.2.2.2 ,\t, ", "2.2.2.2"),
            ("10.0.0.1", "6.6.6.6, \u{fffd}", "10.0.0.1"),
        ] {
            assert_eq!(client(peer, header, ""), expected, "{peer} {header:?}");
        }
        let none = TrustedProxies::default();
        let peer = "1.1.1.1".parse().unwrap();
        assert_eq!(none.client(peer, "2.2.2.2", "for=2.2.2.2"), peer);
    }

    #[test]
    fn an_address_has_the_forms_that_proxies_write() {
        for (entry, expected) in [
            ("2.2.2.2:4711", "2.2.2.2"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("fe80::1%25eth0", "fe80::1"),
            ("[fe80::1%eth0]", "fe80::1"),
            ("[fe80::1%eth0]:4711", "fe80::1"),
            ("[fe80::1%3]:4711", "fe80::1"),
        ] {
            assert_eq!(client("10.0.0.1", entry, ""), expected, "{entry}");
            assert_eq!(client("10.0.0.1", "", &format!("for=\"{entry}\"")), expected, "{entry}");
        }
        for bad in [
            "[2.2.2.2]",
            "2.2.2.2%eth0",
            "[::2",
            "::2]",
            "[::2]x",
            "[::2]:",
            "[::2]:99999",
            "%",
            "[]",
        ] {
            assert_eq!(client("10.0.0.1", bad, ""), "10.0.0.1", "{bad}");
        }
    }

    #[test]
    fn an_element_of_forwarded_is_read_for_its_client() {
        for (header, expected) in [
            // The examples of RFC 7239, section 4.
            ("for=\"_gazonk\"", "10.0.0.1"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
            ("for=192.0.2.43, for=198.51.100.17", "198.51.100.17"),
            ("proto=https ; FOR = 192.0.2.60 ; host=example.com,", "192.0.2.60"),
            ("for=6.6.6.6, for=2.2.2.2, for=10.9.9.9;by=10.0.0.1", "2.2.2.2"),
            ("for=2.2.2.2, for=unknown", "10.0.0.1"),
            ("for=2.2.2.2, proto=https", "10.0.0.1"),
            ("2.2.2.2", "10.0.0.1"),
            // A client cannot swallow what the proxy adds.
            ("for=\"6.6.6.6, for=2.2.2.2", "2.2.2.2"),
            ("for=6.6.6.6;x=\", for=2.2.2.2", "2.2.2.2"),
        ] {
            assert_eq!(client("10.0.0.1", "", header), expected, "{header}");
        }
    }

    #[test]
    fn headers_that_disagree_do_not_count() {
        assert_eq!(client("10.0.0.1", "2.2.2.2", "for=2.2.2.2;proto=https"), "2.2.2.2");
        assert_eq!(client("10.0.0.1", "2.2.2.2", "for=6.6.6.6"), "10.0.0.1");
        assert_eq!(client("10.0.0.1", "6.6.6.6", "for=2.2.2.2"), "10.0.0.1");
        assert_eq!(client("1.1.1.1", "6.6.6.6", "for=6.6.6.6"), "1.1.1.1");
    }

    #[test]
    fn a_source_is_an_address_or_a_network_of_64_bits() {
        for (address, expected) in [
            ("1.2.3.4", "1.2.3.4"),
            ("::ffff:1.2.3.4", "1.2.3.4"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ] {
            assert_eq!(source(address.parse().unwrap()).to_string(), expected);
        }
    }

    #[test]
    fn a_malformed_network_is_rejected() {
        for bad in ["localhost", "10.0.0.0/33", "10.0.0.1;10.0.0.2"] {
            assert!(bad.parse::<TrustedProxies>().is_err(), "{bad}");
        }
    }
}
