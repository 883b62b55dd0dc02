//! Which client a request comes from, for rate limits and nothing else: the address is hashed with
//! a key that changes daily, and neither stored nor logged.

use super::accept::Peer;
use crate::{app::App, config::Network};
use axum::{
    extract::{ConnectInfo, FromRef, FromRequestParts},
    http::{HeaderMap, request::Parts},
};
use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// The network that a request comes from: an IPv4 address, or an IPv6 /64, because a household or
/// a rented machine has a whole one of those.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress([u8; 8]);

impl ClientAddress {
    /// The bytes that are hashed.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The client behind `peer`. A trusted proxy's `X-Forwarded-For` is read from the right, where
    /// the proxy wrote; what stands further left, a client may have forged.
    pub fn of(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> Self {
        let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(address));
        let mut client = peer;
        let forwarded: Vec<&str> = headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        for hop in forwarded.iter().rev() {
            let Ok(address) = hop.trim().parse() else { break };
            if !is_trusted(client) {
                break;
            }
            client = address;
        }
        Self(network(client))
    }
}

impl std::fmt::Debug for ClientAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientAddress(…)")
    }
}

/// The leading 64 bits; IPv4 stands below 2^32, where no routed IPv6 network is.
fn network(address: IpAddr) -> [u8; 8] {
    let v4 = |v4: Ipv4Addr| u64::from(v4.to_bits()).to_be_bytes();
    match address {
        IpAddr::V4(address) => v4(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => v4(mapped),
            None => upper(address),
        },
    }
}

fn upper(address: Ipv6Addr) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = address.octets();
    [a, b, c, d, e, f, g, h]
}

impl<S: Send + Sync> FromRequestParts<S> for ClientAddress
where
    App: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let app = App::from_ref(state);
        let peer = parts.extensions.get::<ConnectInfo<Peer>>().map(|info| info.0.address.ip());
        // A router that is driven without a connection, as tests do, is driven from this machine.
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        Ok(Self::of(peer, &parts.headers, &app.config.trusted_proxies))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Flags};
    use axum::http::HeaderValue;

    fn client(peer: &str, forwarded: &[&'static str]) -> ClientAddress {
        let flags = Flags::from_pairs([("trusted_proxies", "10.0.0.0/8")]);
        let trusted = Config::load(&flags, []).unwrap().trusted_proxies;
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_static(value));
        }
        ClientAddress::of(peer.parse().unwrap(), &headers, &trusted)
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let direct = client("192.0.2.1", &[]);
        assert_eq!(client("192.0.2.1", &["203.0.113.9"]), direct);
        assert_eq!(client("10.0.0.1", &["192.0.2.1"]), direct);
        assert_eq!(client("10.0.0.1", &["203.0.113.9, 192.0.2.1"]), direct);
        assert_eq!(client("10.0.0.1", &["203.0.113.9", "192.0.2.1, 10.0.0.2"]), direct);
        assert_eq!(client("10.0.0.1", &["nonsense"]), client("10.0.0.1", &[]));
    }

    #[test]
    fn an_ipv6_64_is_one_client() {
        assert_eq!(client("2001:db8:0:1::1", &[]), client("2001:db8:0:1:ffff::2", &[]));
        assert_ne!(client("2001:db8:0:1::1", &[]), client("2001:db8:0:2::1", &[]));
        assert_eq!(client("::ffff:192.0.2.1", &[]), client("192.0.2.1", &[]));
        assert_ne!(client("192.0.2.1", &[]), client("192.0.2.2", &[]));
    }
}
