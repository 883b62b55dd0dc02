//! The types of single settings, each parsed from text.

use std::{fmt, net::IpAddr, net::SocketAddr};
use url::Url;

/// What a setting is parsed from: the text that any of the layers gave. Errors say what is
/// expected and never repeat the text.
pub(super) trait Setting: Sized {
    fn parse(text: &str) -> Result<Self, String>;
}

macro_rules! numbers {
    ($($kind:ty),+) => {
        $(impl Setting for $kind {
            fn parse(text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| format!("expected a whole number up to {}", Self::MAX))
            }
        })+
    };
}
numbers!(u16, u32, u64);

impl Setting for String {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl Setting for SocketAddr {
    fn parse(text: &str) -> Result<Self, String> {
        let numeric = match text.strip_prefix("localhost:") {
            Some(port) => format!("127.0.0.1:{port}"),
            None => text.to_owned(),
        };
        numeric
            .parse()
            .map_err(|_| "expected ADDRESS:PORT, like 127.0.0.1:8080 or [::]:8080".into())
    }
}

impl<T: Setting> Setting for Option<T> {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Ok(None) } else { T::parse(text).map(Some) }
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn parse(text: &str) -> Result<Self, String> {
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(T::parse).collect()
    }
}

/// The origin under which browsers reach the server: `https`, or `http` on localhost, because
/// browsers have passkeys nowhere else.
#[derive(Clone, PartialEq, Eq)]
pub struct Origin(Url);

impl Origin {
    /// `http://localhost` with a port.
    #[allow(clippy::missing_panics_doc, clippy::expect_used, reason = "the text is a URL")]
    pub fn localhost(port: u16) -> Self {
        Self(format!("http://localhost:{port}").parse().expect("a URL"))
    }

    /// The whole of it as a URL.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// As browsers write it in the `Origin` header: no path, no default port.
    pub fn header(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// The passkeys' relying-party id.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Whether it is `https`, so that cookies can be held to it.
    pub fn is_secure(&self) -> bool {
        self.0.scheme() == "https"
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.header())
    }
}

impl Setting for Origin {
    fn parse(text: &str) -> Result<Self, String> {
        let expected = "expected an origin like https://letters.example, or http on localhost";
        let url: Url = text.parse().map_err(|_| expected.to_owned())?;
        let local = url.scheme() == "http" && url.host_str() == Some("localhost");
        let named = url.domain().is_some();
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let anonymous = url.username().is_empty() && url.password().is_none();
        if (local || url.scheme() == "https") && named && bare && anonymous {
            Ok(Self(url))
        } else {
            Err(expected.into())
        }
    }
}

impl Setting for Url {
    fn parse(text: &str) -> Result<Self, String> {
        let expected = "expected an https URL, or http on localhost";
        let url: Self = text.parse().map_err(|_| expected.to_owned())?;
        let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        let fits = url.scheme() == "https" || (url.scheme() == "http" && local);
        if fits { Ok(url) } else { Err(expected.into()) }
    }
}

/// Where everything is kept. May hold a password, which `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Database(String);

impl Database {
    /// `sqlite:PATH` or `postgres://…`.
    pub fn url(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({}:…)", self.0.split(':').next().unwrap_or_default())
    }
}

impl Setting for Database {
    fn parse(text: &str) -> Result<Self, String> {
        let known = ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme))
            || text.strip_prefix("sqlite:").is_some_and(|path| !path.is_empty());
        if known {
            Ok(Self(text.to_owned()))
        } else {
            Err("expected sqlite:PATH or postgres://USER:PASSWORD@HOST/NAME".into())
        }
    }
}

/// A secret text. `Debug` does not show it; the memory is overwritten when it goes.
#[derive(Clone, PartialEq, Eq, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// The secret's bytes.
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// How many bytes it has.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Setting for Secret {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }
}

/// How codes reach phones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmsGateway {
    /// Printed on standard output, for trying things out.
    Console,
    /// Posted to a URL.
    Webhook,
}

impl Setting for SmsGateway {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "console" => Ok(Self::Console),
            "webhook" => Ok(Self::Webhook),
            _ => Err("expected `console` or `webhook`".into()),
        }
    }
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Setting for LogFormat {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("expected `text` or `json`".into()),
        }
    }
}

/// An IP network: an address and how many leading bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    bits: u128,
    prefix: u32,
}

impl Network {
    /// Whether the address is in it. IPv4 and IPv4-mapped IPv6 addresses are the same.
    pub fn contains(&self, address: IpAddr) -> bool {
        let differing = self.bits ^ as_bits(address);
        self.prefix == 0 || differing >> (128 - self.prefix) == 0
    }
}

fn as_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

impl Setting for Network {
    fn parse(text: &str) -> Result<Self, String> {
        let expected = || "expected addresses or networks like 10.0.0.0/8".to_owned();
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| expected())?;
        let (length, offset) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let prefix = prefix.map_or(Ok(length), str::parse::<u32>).map_err(|_| expected())?;
        if prefix > length {
            return Err(expected());
        }
        Ok(Self { bits: as_bits(address), prefix: prefix + offset })
    }
}

/// Whether the text is a two-letter country code that phone numbers are known by.
pub(super) fn is_country(text: &str) -> bool {
    text.len() == 2 && text.to_uppercase().parse::<phonenumber::country::Id>().is_ok()
}
