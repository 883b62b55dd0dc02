//! The token issuer.

use super::{Cookie, Reply, Server, ok, problem};
use crate::tokens::{BatchRequest, Issuer, KeyWeek, Token, directory_of};
use crate::types::*;
use crate::wire::*;
use rand::CryptoRng;

impl Server {
    pub(super) fn directory(
        &mut self,
        rng: &mut dyn CryptoRng,
        now: UnixTime,
        cookie: &Cookie,
    ) -> Reply {
        if self.issuer_down {
            return problem(503, problems::SERVER_TROUBLE);
        }
        let weeks = KeyWeek::shown(now).into_iter();
        let weeks =
            weeks.filter(|week| *week >= KeyWeek::of(now) || self.issuers.contains_key(week));
        let weeks: Vec<KeyWeek> = weeks.collect();
        let phone = cookie.device.as_ref().map(|(phone, _)| phone);
        let marked = phone.and_then(|phone| self.marked.get(phone)).map(|key| *key.public_key());
        let keys = weeks.into_iter().map(|week| {
            let issuer = self.issuers.entry(week).or_insert_with(|| Issuer::generate(rng).unwrap());
            (week, marked.filter(|_| week == KeyWeek::of(now)).unwrap_or(*issuer.public_key()))
        });
        ok(&directory_of(keys.collect::<Vec<_>>()))
    }

    pub(super) fn issue(
        &mut self,
        rng: &mut dyn CryptoRng,
        now: UnixTime,
        phone: &Phone,
        device: DeviceId,
        asked: &IssueTokens,
    ) -> Reply {
        self.issue_log.push((device, now));
        if self.issuer_down {
            return problem(503, problems::SERVER_TROUBLE);
        }
        let request = BatchRequest::from_bytes(&asked.token_request.0).unwrap();
        assert_eq!(request.blinded.len(), self.batch as usize, "always the same number");
        let week = KeyWeek::of(now);
        let issuer = self.issuers.entry(week).or_insert_with(|| Issuer::generate(rng).unwrap());
        let issuer = self.marked.get(phone).unwrap_or(issuer);
        if !issuer.is_meant_by(&request) {
            return problem(422, problems::UNKNOWN_ISSUER_KEY);
        }
        let today = self.issuance.entry((device, now.day())).or_insert(asked.token_request.clone());
        if *today != asked.token_request {
            return problem(409, problems::TOKENS_ISSUED);
        }
        let response = issuer.issue(&request).unwrap();
        ok(&IssuedTokens { token_response: Blob(response.to_bytes()) })
    }

    pub(super) fn is_issued_here(&self, now: UnixTime, token: &Token) -> bool {
        let live = self.issuers.iter().filter(|(week, _)| now < week.expires());
        let mut issuers = live.map(|(_, issuer)| issuer).chain(self.marked.values());
        issuers.any(|issuer| issuer.check(token).is_ok())
    }
}
