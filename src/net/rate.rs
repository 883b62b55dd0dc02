//! How often: a client address may sign in, a mailbox may give out prekeys, an account may get
//! tokens, and text messages may go out. All of it in memory, under hashes with a key that is drawn anew every day,
//! so that nobody can learn from a running server who asked for what yesterday.

use super::ClientAddress;
use crate::{clock::Clock, config::Config, error::Error};
use governor::{DefaultKeyedRateLimiter, Quota, clock::Clock as _, clock::DefaultClock};
use hmac::{Hmac, KeyInit as _, Mac as _};
use letterbox_protocol::types::{Phone, UnixTime};
use rand::rand_core::TryRng as _;
use sha2::Sha256;
use std::{num::NonZeroU32, sync::Mutex, time::Duration};

type Keyed = DefaultKeyedRateLimiter<[u8; 16]>;

/// The server's rate limits.
#[derive(Debug)]
pub struct Rates {
    clock: Clock,
    key: Mutex<DailyKey>,
    sign_ins: Keyed,
    links: Keyed,
    claims: Keyed,
    batches: Keyed,
    sms: Mutex<SmsDay>,
    sms_cap: u32,
}

struct DailyKey {
    day: UnixTime,
    key: [u8; 32],
}

impl std::fmt::Debug for DailyKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DailyKey(…)")
    }
}

#[derive(Debug)]
struct SmsDay {
    day: UnixTime,
    sent: u32,
}

impl Rates {
    /// Limits as the settings have them, nothing used up.
    pub fn new(config: &Config, clock: Clock) -> Self {
        let long_ago = UnixTime(0);
        Self {
            clock,
            key: Mutex::new(DailyKey { day: long_ago, key: [0; 32] }),
            sign_ins: Keyed::keyed(Quota::per_minute(at_least_one(config.sign_ins_per_minute))),
            links: Keyed::keyed(Quota::per_minute(at_least_one(config.links_per_minute))),
            claims: Keyed::keyed(Quota::per_hour(at_least_one(config.prekey_claims_per_hour))),
            batches: Keyed::keyed(per_day(at_least_one(config.token_batches_per_day))),
            sms: Mutex::new(SmsDay { day: long_ago, sent: 0 }),
            sms_cap: config.sms_daily_cap,
        }
    }

    /// One registration, sign-in or try at either from this address.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`] past `sign_ins_per_minute`.
    pub fn sign_in(&self, from: ClientAddress) -> Result<(), Error> {
        self.once(&self.sign_ins, from.as_bytes())
    }

    /// One call about linking a device from this address: its browsers ask again and again.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`] past `links_per_minute`.
    pub fn link(&self, from: ClientAddress) -> Result<(), Error> {
        self.once(&self.links, from.as_bytes())
    }

    /// Whether this mailbox may give out one-time prekeys for another look-up.
    pub fn prekey_claim(&self, mailbox: &Phone) -> bool {
        self.claims.check_key(&self.hashed(mailbox.as_str().as_bytes())).is_ok()
    }

    /// One batch of blind tokens for a device of this account.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`] past `token_batches_per_day`.
    pub fn token_batch(&self, account: &Phone) -> Result<(), Error> {
        self.once(&self.batches, account.as_str().as_bytes())
    }

    /// One text message out of the day's.
    ///
    /// # Errors
    /// [`Error::SmsUnavailable`] past `sms_daily_cap`.
    pub fn text_message(&self) -> Result<(), Error> {
        let today = self.clock.now().day();
        let mut sms = lock(&self.sms);
        if sms.day != today {
            *sms = SmsDay { day: today, sent: 0 };
        }
        if sms.sent >= self.sms_cap {
            return Err(Error::SmsUnavailable);
        }
        sms.sent += 1;
        Ok(())
    }

    /// Forgets keys that have all of their quota back.
    pub fn sweep(&self) {
        for limiter in [&self.sign_ins, &self.links, &self.claims, &self.batches] {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }

    fn once(&self, limiter: &Keyed, subject: &[u8]) -> Result<(), Error> {
        limiter.check_key(&self.hashed(subject)).map_err(|not_until| {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            Error::TooManyRequests { retry_after: (wait + Duration::from_millis(999)).as_secs() }
        })
    }

    /// The subject under today's key.
    fn hashed(&self, subject: &[u8]) -> [u8; 16] {
        let today = self.clock.now().day();
        let mut daily = lock(&self.key);
        if daily.day != today {
            // A failing random source only makes the key a worse one; it is never stored.
            let _ = rand::rngs::SysRng.try_fill_bytes(&mut daily.key);
            daily.day = today;
        }
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&daily.key) else { return [0; 16] };
        mac.update(subject);
        let mut key = [0; 16];
        key.copy_from_slice(&mac.finalize().into_bytes()[..16]);
        key
    }
}

/// So many at once, and the next ones over the day.
fn per_day(number: NonZeroU32) -> Quota {
    const DAY: Duration = Duration::from_secs(86_400);
    Quota::with_period(DAY / number.get())
        .map_or(Quota::per_hour(number), |quota| quota.allow_burst(number))
}

fn at_least_one(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}

/// A poisoned lock holds only counters and a key: using it on is right.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Flags;
    use letterbox_protocol::types::DAY;
    use std::sync::atomic::Ordering;

    fn rates(flags: &[(&str, &str)]) -> (Rates, Clock) {
        let config = Config::load(&Flags::from_pairs(flags.iter().copied()), []).unwrap();
        let clock = Clock::manual(UnixTime(1_800_000_000));
        (Rates::new(&config, clock.clone()), clock)
    }

    #[test]
    fn a_mailbox_gives_out_so_many_prekeys_and_no_more() {
        let (rates, _) = rates(&[("prekey_claims_per_hour", "5")]);
        let (a, b) = ("+4915112345678".parse().unwrap(), "+4915112345679".parse().unwrap());
        assert_eq!((0..9).filter(|_| rates.prekey_claim(&a)).count(), 5);
        assert!(rates.prekey_claim(&b));
    }

    #[test]
    fn too_many_tries_say_when_to_come_back() {
        let (rates, _) = rates(&[("sign_ins_per_minute", "2")]);
        let from = ClientAddress::of([192, 0, 2, 1].into(), &Default::default(), &[]);
        assert!(rates.sign_in(from).is_ok() && rates.sign_in(from).is_ok());
        let Err(Error::TooManyRequests { retry_after }) = rates.sign_in(from) else { panic!() };
        assert!((1..=30).contains(&retry_after), "{retry_after}");
    }

    #[test]
    fn the_daily_cap_ends_with_the_day() {
        let (rates, clock) = rates(&[("sms_daily_cap", "1")]);
        assert_eq!(rates.text_message(), Ok(()));
        assert_eq!(rates.text_message(), Err(Error::SmsUnavailable));
        let Clock::Manual(seconds) = &clock else { panic!() };
        seconds.fetch_add(DAY, Ordering::Relaxed);
        assert_eq!(rates.text_message(), Ok(()));
    }

    #[test]
    fn the_key_changes_with_the_day() {
        let (rates, clock) = rates(&[]);
        let today = rates.hashed(b"subject");
        assert_eq!(rates.hashed(b"subject"), today);
        let Clock::Manual(seconds) = &clock else { panic!() };
        seconds.fetch_add(DAY, Ordering::Relaxed);
        assert_ne!(rates.hashed(b"subject"), today);
    }
}
