//! The server's settings: defaults, then a TOML file, then the environment, then flags; each later
//! source wins. A value that does not hold stops the start with the setting's name and the place
//! it came from, and never with the value itself, which may be a secret.

mod sources;
mod values;

pub use sources::{Bad, Flags};
pub use values::{Database, LogFormat, Network, Origin, Secret, SmsGateway};

use letterbox_protocol::tokens::MOST_TOKENS;
use std::net::SocketAddr;

/// Declares every setting once: its documentation, its name on the four layers, its type and its
/// default as text. From it come the flags with their help, the parsed [`Config`], and the table
/// in `docs/operations.md`.
macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $name:ident : $kind:ty = $default:literal,)+) => {
        /// The settings, parsed. The names are those of the flags, the TOML keys and, in capitals
        /// after `LETTERBOX_`, the environment.
        #[derive(Debug, Clone)]
        pub struct Config { $($(#[doc = $doc])+ pub $name: $kind,)+ }

        impl Config {
            /// Parses what the layers gave.
            fn from_layers(layers: &sources::Layers) -> Result<Self, Bad> {
                Ok(Self { $($name: layers.parse(stringify!($name))?,)+ })
            }

            /// Every setting's name, default and meaning, in the order of `--help`.
            pub const TABLE: &[(&str, &str, &str)] =
                &[$((stringify!($name), $default, concat!($($doc),+)),)+];
        }
    };
}

settings! {
    /// Address and port to listen on. `localhost:PORT` means 127.0.0.1.
    listen: SocketAddr = "127.0.0.1:8080",
    /// The origin that browsers use, without a path. Its host is the passkeys' relying-party id:
    /// changing the host makes every passkey useless. Left empty, it is `http://localhost` with
    /// the port of `listen`.
    public_url: Option<Origin> = "",
    /// Where everything is kept: `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/NAME`.
    database: Database = "sqlite:letterbox.db",
    /// Reverse proxies whose `X-Forwarded-For` is believed: addresses or networks, separated by
    /// commas.
    trusted_proxies: Vec<Network> = "",
    /// Address and port on which `/metrics` is served, apart from everything else. Left empty, it
    /// is not served.
    metrics_listen: Option<SocketAddr> = "",
    /// How much is logged: `error`, `warn`, `info`, `debug` or `trace`, or directives for single
    /// modules of this program (`warn,letterbox::routes=debug`). Libraries log nothing.
    log: String = "info",
    /// `text` or `json`.
    log_format: LogFormat = "text",
    /// How codes reach phones: `console` prints them on standard output, and is refused unless
    /// `listen` is a loopback address; `webhook` posts them to `sms_webhook_url`.
    sms: SmsGateway = "console",
    /// Where the webhook is: an `https` URL, or `http` on this machine.
    sms_webhook_url: Option<url::Url> = "",
    /// The key of the webhook's signature, at least 16 characters. Better given in the environment
    /// or the file than as a flag, which other users of the machine can see.
    sms_webhook_secret: Secret = "",
    /// Text messages a day (UTC), for all phones together.
    sms_daily_cap: u32 = "1000",
    /// Countries whose numbers get text messages, as two-letter codes separated by commas. Left
    /// empty, all do.
    sms_countries: Vec<String> = "",
    /// Wrong tries before a code is void.
    code_tries: u16 = "5",
    /// Minutes for which a code is good.
    code_minutes: u16 = "10",
    /// Codes an hour for one phone.
    codes_per_hour: u32 = "3",
    /// Days that an account's devices have to say no before it begins anew without them, for
    /// whoever proves its number; and for which a no blocks another try.
    reset_days: u16 = "7",
    /// Registrations, sign-ins and tries at either, a minute and client address (an IPv6 /64
    /// counts as one address).
    sign_ins_per_minute: u32 = "30",
    /// Calls about linking a device, a minute and client address. The two browsers of one linking
    /// make 60.
    links_per_minute: u32 = "240",
    /// Blind tokens a day and device: so many sealed requests it can make. At most 1000.
    tokens_per_day: u16 = "200",
    /// Batches of blind tokens a day and account: one for each of its devices, and those for devices
    /// that were linked in the place of others or began anew.
    token_batches_per_day: u32 = "24",
    /// Look-ups an hour for which one mailbox gives out one-time prekeys; past that, they come
    /// without.
    prekey_claims_per_hour: u32 = "500",
    /// Pending letters a mailbox.
    mailbox_letters: u32 = "10000",
    /// Bytes of pending letters a mailbox.
    mailbox_bytes: u64 = "268435456",
    /// Waiting session-key envelopes a mailbox.
    mailbox_envelopes: u32 = "4000",
    /// Bytes of a request body.
    body_bytes: u32 = "262144",
    /// Connections held open at once.
    connections: u32 = "60000",
    /// Seconds a connection may take to send a request's head, its first byte included, and may
    /// stay silent between requests.
    header_seconds: u16 = "15",
    /// Seconds a request may take to send its body.
    body_seconds: u16 = "30",
    /// Seconds between pings on a live socket; one that answers none of two in a row is closed.
    ping_seconds: u16 = "30",
    /// Seconds that open requests are given to finish at a stop.
    drain_seconds: u16 = "10",
}

impl Config {
    /// Reads all layers: the file that the flags or `LETTERBOX_CONFIG` name, the environment
    /// variables given, the flags.
    ///
    /// # Errors
    /// The first setting that does not hold, with its name and where it came from.
    pub fn load(
        flags: &Flags,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Bad> {
        let config = Self::from_layers(&sources::Layers::read(flags, environment)?)?;
        config.check()?;
        Ok(config)
    }

    /// What settings demand of one another.
    fn check(&self) -> Result<(), Bad> {
        match self.sms {
            SmsGateway::Console if !self.listen.ip().is_loopback() => Err(Bad::new(
                "sms",
                "`console` prints codes for anybody to read, so `listen` must be a loopback \
                 address; set `sms = webhook` to serve others",
            )),
            SmsGateway::Webhook if self.sms_webhook_url.is_none() => {
                Err(Bad::new("sms_webhook_url", "`sms = webhook` needs it"))
            }
            SmsGateway::Webhook if self.sms_webhook_secret.len() < 16 => {
                Err(Bad::new("sms_webhook_secret", "`sms = webhook` needs at least 16 characters"))
            }
            SmsGateway::Console | SmsGateway::Webhook => self.check_limits(),
        }
    }

    fn check_limits(&self) -> Result<(), Bad> {
        let no_zero = [
            ("code_tries", u64::from(self.code_tries)),
            ("code_minutes", self.code_minutes.into()),
            ("codes_per_hour", self.codes_per_hour.into()),
            ("sign_ins_per_minute", self.sign_ins_per_minute.into()),
            ("reset_days", self.reset_days.into()),
            ("links_per_minute", self.links_per_minute.into()),
            ("tokens_per_day", self.tokens_per_day.into()),
            ("token_batches_per_day", self.token_batches_per_day.into()),
            ("prekey_claims_per_hour", self.prekey_claims_per_hour.into()),
            ("connections", self.connections.into()),
            ("header_seconds", self.header_seconds.into()),
            ("body_seconds", self.body_seconds.into()),
            ("ping_seconds", self.ping_seconds.into()),
        ];
        if let Some((name, _)) = no_zero.iter().find(|(_, value)| *value == 0) {
            return Err(Bad::new(name, "must be at least 1"));
        }
        if self.code_minutes > 60 {
            return Err(Bad::new("code_minutes", "must be at most 60"));
        }
        if self.code_tries > 1_000 {
            return Err(Bad::new("code_tries", "must be at most 1000"));
        }
        if usize::from(self.tokens_per_day) > MOST_TOKENS {
            return Err(Bad::new("tokens_per_day", "must be at most 1000"));
        }
        if self.body_bytes < 128 * 1024 {
            return Err(Bad::new("body_bytes", "a 64 KiB letter needs at least 131072"));
        }
        if let Some(code) = self.sms_countries.iter().find(|c| !values::is_country(c)) {
            return Err(Bad::new(
                "sms_countries",
                format!("{code:?} is not a two-letter country code"),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
