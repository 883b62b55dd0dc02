//! Linking: offers, digits, approval, completion.

use super::{Cookie, Reply, Server, ServerDevice, body, ok, problem};
use crate::device_list::transcript;
use crate::engine::Request;
use crate::keys::{verify, verify_prekey};
use crate::types::*;
use crate::wire::*;
use sha2::{Digest, Sha256};

pub(in crate::engine::tests) struct ServerLink {
    pub(in crate::engine::tests) link: Link,
    pub(in crate::engine::tests) approval: Option<(Phone, ApproveLink)>,
}

impl Server {
    pub(super) fn link_call(
        &mut self,
        now: UnixTime,
        cookie: &mut Cookie,
        request: &Request,
        path: &str,
    ) -> Reply {
        self.links.retain(|_, link| link.link.expires_at > now);
        if (request.method, path) == ("POST", "/v1/device-links") {
            return self.offer(now, body(request));
        }
        let rest = path.trim_start_matches("/v1/device-links/");
        let (id, call) = rest.split_once('/').unwrap_or((rest, ""));
        let id: LinkId = id.parse().unwrap();
        let Some(link) = self.links.get_mut(&id) else {
            return problem(410, problems::LINK_ENDED);
        };
        match (request.method, call) {
            ("GET", "") => ok(&link.link),
            ("POST", "digits") if link.link.proofs.len() >= LINK_TRIES => {
                problem(410, problems::LINK_ENDED)
            }
            ("POST", "digits") => {
                link.link.proofs.push(body::<LinkProof>(request).proof);
                (204, String::new())
            }
            ("PUT", "") => {
                assert!(request.touch, "an approval needs a touch");
                self.approve(cookie, id, body(request))
            }
            ("POST", "complete") => self.complete(now, cookie, id, body(request)),
            (method, call) => panic!("no such call: {method} {call}"),
        }
    }

    fn offer(&mut self, now: UnixTime, offer: OfferLink) -> Reply {
        assert!(offer.offer.0.len() <= LINK_OFFER_LIMIT);
        let expires_at = UnixTime(now.plus(600).0.div_euclid(60) * 60);
        let link = Link { offer: offer.offer, proofs: Vec::new(), answer: None, expires_at };
        let reply = (201, serde_json::to_string(&link).unwrap());
        self.links.insert(offer.id, ServerLink { link, approval: None });
        reply
    }

    fn approve(&mut self, cookie: &Cookie, id: LinkId, approval: ApproveLink) -> Reply {
        let Some((phone, _)) = cookie.device.clone().filter(|_| cookie.proved) else {
            return problem(403, problems::DEVICE_SESSION_REQUIRED);
        };
        let account = &self.accounts[&phone];
        let link = self.links.get_mut(&id).unwrap();
        let hash: [u8; 32] = Sha256::digest(&link.link.offer.0).into();
        if approval.device_list.version != account.list.version + 1 || approval.offer_hash.0 != hash
        {
            return problem(409, problems::STALE_KEYS);
        }
        if approval.device_list.devices.len() > 8 {
            return problem(409, problems::TOO_MANY_DEVICES);
        }
        let list = &approval.device_list;
        assert_eq!(list.devices.len(), account.list.devices.len() + 1);
        verify(&account.identity_key, &transcript(list), &list.signature).unwrap();
        let old = |id: &DeviceId| account.devices.contains_key(id);
        let new = list.devices.iter().find(|device| !old(&device.device_id)).unwrap().device_id;
        verify_prekey(&account.identity_key, &new, &approval.signed_prekey).unwrap();
        assert!(approval.answer.0.len() <= LINK_ANSWER_LIMIT);
        link.link.answer = Some(approval.answer.clone());
        link.approval = Some((phone, approval));
        (204, String::new())
    }

    fn complete(
        &mut self,
        now: UnixTime,
        cookie: &mut Cookie,
        id: LinkId,
        request: CompleteLink,
    ) -> Reply {
        if cookie.link != Some(id) {
            return problem(401, problems::SIGN_IN_REQUIRED);
        }
        let Some((phone, approval)) = self.links.get_mut(&id).unwrap().approval.take() else {
            return problem(409, problems::STALE_KEYS);
        };
        let account = self.accounts.get_mut(&phone).unwrap();
        let list = approval.device_list;
        if list.version != account.list.version + 1 {
            return problem(409, problems::STALE_KEYS);
        }
        let new =
            list.devices.iter().find(|device| !account.devices.contains_key(&device.device_id));
        let new = new.unwrap().device_id;
        let device = ServerDevice::new(
            approval.signed_prekey,
            request.one_time_prekeys,
            request.encrypted_name,
            now,
        );
        account.devices.insert(new, device);
        account.list = list;
        self.links.remove(&id);
        cookie.device = Some((phone.clone(), new));
        cookie.proved = true;
        let account = Account { phone, device_id: new, device_session: true };
        (201, serde_json::to_string(&account).unwrap())
    }
}
