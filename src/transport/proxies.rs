//! Where a request comes from when proxies stand between: the last address that
//! is none of theirs
//! ([RFC 7239](https://www.rfc-editor.org/rfc/rfc7239), and the older
//! `X-Forwarded-For`).
//!
//! Each proxy adds the address that it was called from at the end of one of the
//! two headers. What stands further left is whatever the client sent, and
//! counts for nothing.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies whose word is taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxies(Vec<IpNet>);

impl Proxies {
    pub(super) fn new(ranges: Vec<IpNet>) -> Self {
        Self(ranges)
    }

    /// The address of the client of a request that came from `peer`.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trust(peer) {
            return peer;
        }
        let by = |name: &HeaderName, node: fn(&str) -> Option<IpAddr>| {
            headers
                .contains_key(name)
                .then(|| self.last_other(peer, headers, name, node))
        };
        match (
            by(&X_FORWARDED_FOR, node),
            by(&header::FORWARDED, forwarded_for),
        ) {
            (Some(client), None) | (None, Some(client)) => client,
            (Some(one), Some(other)) if one == other => one,
            // One of them is the client's own, and nobody can say which.
            _ => peer,
        }
    }

    fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|range| range.contains(&address))
    }

    /// From the end, the first hop that is no proxy; the last known one where a
    /// hop hides.
    fn last_other(
        &self,
        peer: IpAddr,
        headers: &HeaderMap,
        name: &HeaderName,
        node: fn(&str) -> Option<IpAddr>,
    ) -> IpAddr {
        let mut address = peer;
        let values: Vec<_> = headers.get_all(name).iter().collect();
        for value in values.into_iter().rev() {
            let Ok(value) = value.to_str() else {
                return address;
            };
            for hop in value.rsplit(',') {
                let Some(hop) = node(hop) else {
                    return address;
                };
                address = hop;
                if !self.trust(hop) {
                    return address;
                }
            }
        }
        address
    }
}

/// An address, with or without a port, quotes and brackets; RFC 7239, section 6.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let address = bare
        .unwrap_or(text)
        .parse()
        .or_else(|_error| text.parse().map(|it: SocketAddr| it.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

/// The `for` of one element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let (_, value) = element
        .split(';')
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    node(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, headers: &[(HeaderName, &'static str)]) -> String {
        let ranges = ["10.0.0.0/8", "2001:db8:1::/48", "192.0.2.1/32"];
        let ranges = ranges.map(|range| range.parse().unwrap());
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value.parse().unwrap());
        }
        let proxies = Proxies::new(ranges.into());
        proxies.client(peer.parse().unwrap(), &map).to_string()
    }

    fn by_x(peer: &str, value: &'static str) -> String {
        client(peer, &[(X_FORWARDED_FOR, value)])
    }

    fn by_forwarded(value: &'static str) -> String {
        client("10.0.0.1", &[(header::FORWARDED, value)])
    }

    #[test]
    fn only_a_proxy_is_believed() {
        assert_eq!(by_x("203.0.113.1", "198.51.100.7"), "203.0.113.1");
        assert_eq!(by_x("10.0.0.1", "198.51.100.7"), "198.51.100.7");
        assert_eq!(by_x("::ffff:10.0.0.1", "198.51.100.7"), "198.51.100.7");
        assert_eq!(by_x("2001:db8:1::5", "2001:db8:2::9"), "2001:db8:2::9");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        let nobody = Proxies::default();
        let mut headers = HeaderMap::new();
        headers.insert(X_FORWARDED_FOR, "198.51.100.7".parse().unwrap());
        let peer: IpAddr = "127.0.0.1".parse().unwrap();
        assert_eq!(nobody.client(peer, &headers), peer);
    }

    #[test]
    fn what_the_client_wrote_itself_counts_for_nothing() {
        for value in [
            "1.1.1.1, 198.51.100.7",
            "10.0.0.9, 198.51.100.7, 192.0.2.1",
            "garbage, 198.51.100.7,10.9.9.9",
            "\"1.1.1.1, 198.51.100.7:4711",
        ] {
            assert_eq!(by_x("10.0.0.1", value), "198.51.100.7", "{value}");
        }
        let twice = [
            (X_FORWARDED_FOR, "1.1.1.1"),
            (X_FORWARDED_FOR, "198.51.100.7"),
        ];
        assert_eq!(client("10.0.0.1", &twice), "198.51.100.7");
    }

    #[test]
    fn a_hop_that_hides_ends_the_way() {
        assert_eq!(by_x("10.0.0.1", "198.51.100.7, unknown"), "10.0.0.1");
        assert_eq!(by_x("10.0.0.1", "1.1.1.1, unknown, 10.0.0.2"), "10.0.0.2");
        assert_eq!(by_x("10.0.0.1", ""), "10.0.0.1");
        assert_eq!(by_forwarded("for=_hidden;proto=https"), "10.0.0.1");
    }

    #[test]
    fn each_form_of_an_address_is_read() {
        for (value, expected) in [
            ("for=198.51.100.7", "198.51.100.7"),
            ("For=\"198.51.100.7:80\";by=10.0.0.1", "198.51.100.7"),
            (
                "proto=https; for=\"[2001:db8:cafe::17]:4711\"",
                "2001:db8:cafe::17",
            ),
            ("for=1.1.1.1, for=\"[2001:db8::1]\"", "2001:db8::1"),
            ("for=198.51.100.7, for=10.1.1.1", "198.51.100.7"),
        ] {
            assert_eq!(by_forwarded(value), expected, "{value}");
        }
    }

    /// The proxy writes one of them; the other came with the request.
    #[test]
    fn two_headers_must_agree() {
        let both = |other| {
            client(
                "10.0.0.1",
                &[
                    (X_FORWARDED_FOR, "198.51.100.7"),
                    (header::FORWARDED, other),
                ],
            )
        };
        assert_eq!(both("for=198.51.100.7"), "198.51.100.7");
        assert_eq!(both("for=1.1.1.1"), "10.0.0.1");
    }
}
