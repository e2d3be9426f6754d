//! The client's address, behind trusted proxies.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use ipnet::{IpNet, Ipv6Net};

/// The proxies whose `x-forwarded-for` header is trusted.
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
    /// The client behind `peer`: the last forwarded address that is not a trusted proxy itself.
    /// An address forwarded by an untrusted peer is ignored. An entry that is not an address ends
    /// the search at the proxy that added it.
    pub(crate) fn client<'a>(
        &self,
        peer: IpAddr,
        forwarded_for: impl DoubleEndedIterator<Item = &'a str>,
    ) -> IpAddr {
        let mut client = peer.to_canonical();
        let mut hops = forwarded_for.flat_map(|header| header.split(',')).rev();
        while self.contains(client) {
            let Some(address) = hops.next().and_then(|hop| address(hop.trim())) else { break };
            client = address.to_canonical();
        }
        client
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// Parses an entry of `x-forwarded-for`. Some proxies add the port, or put an IPv6 address without
/// a port in brackets.
fn address(hop: &str) -> Option<IpAddr> {
    let with_port = || hop.parse().map(|address: SocketAddr| address.ip()).ok();
    let bracketed =
        || Some(hop.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?.into());
    hop.parse().ok().or_else(with_port).or_else(bracketed)
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

    fn client(trusted: &str, peer: &str, headers: &[&str]) -> String {
        let trusted: TrustedProxies = trusted.parse().unwrap();
        trusted.client(peer.parse().unwrap(), headers.iter().copied()).to_string()
    }

    #[test]
    fn the_client_is_the_last_address_that_a_trusted_proxy_forwards() {
        for (trusted, peer, headers, expected) in [
            ("", "1.1.1.1", &["2.2.2.2"][..], "1.1.1.1"),
            ("10.0.0.1", "1.1.1.1", &["2.2.2.2"], "1.1.1.1"),
            ("10.0.0.1", "10.0.0.1", &["2.2.2.2"], "2.2.2.2"),
            ("10.0.0.1", "10.0.0.1", &["6.6.6.6, 2.2.2.2"], "2.2.2.2"),
            ("10.0.0.1", "10.0.0.1", &["6.6.6.6", "2.2.2.2"], "2.2.2.2"),
            ("10.0.0.0/8, ::1", "::1", &["6.6.6.6,2.2.2.2 , 10.9.9.9"], "2.2.2.2"),
            ("10.0.0.0/8", "10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.0/8", "10.0.0.1", &["garbage"], "10.0.0.1"),
            ("10.0.0.0/8", "10.0.0.1", &["2.2.2.2, garbage, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.0/8", "10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", "::ffff:10.0.0.1", &["::ffff:2.2.2.2"], "2.2.2.2"),
            ("10.0.0.1", "10.0.0.1", &["2001:db8::1"], "2001:db8::1"),
            ("10.0.0.1", "10.0.0.1", &["2.2.2.2:4711"], "2.2.2.2"),
            ("10.0.0.1", "10.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1"),
            ("10.0.0.1", "10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            ("10.0.0.1", "10.0.0.1", &["[2.2.2.2]"], "10.0.0.1"),
        ] {
            let found = client(trusted, peer, headers);
            assert_eq!(found, expected, "{trusted} {peer} {headers:?}");
        }
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
