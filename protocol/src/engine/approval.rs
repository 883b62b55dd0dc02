//! The signed-in device's side of a link: it shows six digits, and approves the offer with a touch
//! once they came back.
//!
//! What it sends holds all of the account's secrets. Before that, the offer must have been made with
//! the code that was scanned or typed here, and the digits must have been typed where the code was
//! made. Tries are counted here, not at the server.

use super::account::{Account, MessagingSecret};
use super::interface::{LinkEnd, LinkView, Millis};
use super::linking::{OFFER_LIFE, link_path};
use super::newcomer::is_fresh;
use super::own_list::OwnList;
use super::purpose::Purpose;
use super::requests::{Answer, Method};
use super::turn::Turn;
use crate::keys::sign_prekey;
use crate::limits::DEVICES;
use crate::link::{
    LINK_VERSION, LinkAnswer, LinkCode, LinkOffer, digits_hold, draw_digits, offer_hash,
};
use crate::types::{Blob, DeviceId, Key};
use crate::wire::{ApproveLink, LINK_TRIES, Link, LinkId, SignedDeviceList, problems};

/// A link that is being approved. It is not kept: after a restart one begins again.
pub(super) struct Approval {
    code: LinkCode,
    ends_at: Millis,
    stage: Stage,
}

enum Stage {
    Searching,
    Digits(Shown),
    /// The touch is asked for.
    Approving {
        device: DeviceId,
        answer: Blob,
    },
    /// The server has the approval.
    Completing {
        device: DeviceId,
    },
}

/// An offer, and the digits that are shown for it.
struct Shown {
    sealed: Blob,
    offer: LinkOffer,
    digits: String,
    /// Proofs that were over other digits.
    wrong: Vec<Key>,
}

impl Shown {
    fn view(&self) -> LinkView {
        let tries = LINK_TRIES.saturating_sub(self.wrong.len()) as u8;
        LinkView::ShowDigits { digits: self.digits.clone(), tries }
    }
}

/// What the newest proofs say.
enum Proofs {
    Right,
    /// Nothing new, or so many more wrong ones.
    Wrong(Vec<Key>),
    /// The server took back, changed or replaced what it had told before.
    Altered,
}

impl Approval {
    pub(super) fn id(&self) -> LinkId {
        self.code.link_id()
    }

    pub(super) fn ends_at(&self) -> Millis {
        self.ends_at
    }

    pub(super) fn put_back(&mut self, by: Millis) {
        self.ends_at = self.ends_at.saturating_sub(by);
    }

    /// Whether it can still be cancelled: once approved, the new device may complete at any moment.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.stage, Stage::Completing { .. })
    }

    pub(super) fn view(&self) -> LinkView {
        match &self.stage {
            Stage::Searching => LinkView::Searching,
            Stage::Digits(shown) => shown.view(),
            Stage::Approving { .. } => LinkView::Approving,
            Stage::Completing { .. } => LinkView::Completing,
        }
    }

    /// Whether the digits came back, compared in constant time. More proofs than there are tries
    /// are not looked at.
    fn check_proofs(&self, shown: &Shown, link: &Link) -> Proofs {
        if link.offer != shown.sealed || !link.proofs.starts_with(&shown.wrong) {
            return Proofs::Altered;
        }
        let hash = offer_hash(&shown.sealed.0);
        let holds = |proof: &Key| digits_hold(&self.code, &hash, &shown.digits, proof);
        let tried = link.proofs.iter().take(LINK_TRIES);
        if tried.clone().skip(shown.wrong.len()).any(holds) {
            return Proofs::Right;
        }
        Proofs::Wrong(tried.copied().collect())
    }
}

impl Turn<'_> {
    pub(super) fn approve_link(&mut self, code: &str) {
        let Some(account) = self.account().filter(|account| account.published) else { return };
        if self.memory.linking.approval.is_some() {
            return;
        }
        let Some(code) = LinkCode::parse(code) else {
            return self.approval_ends(LinkEnd::WrongCode);
        };
        if self.list_with(&account, None).is_none() {
            return self.approval_ends(LinkEnd::TooManyDevices);
        }
        let ends_at = self.now + OFFER_LIFE;
        self.stop_polling();
        self.memory.linking.approval = Some(Approval { code, ends_at, stage: Stage::Searching });
        self.tell_link(LinkView::Searching);
    }

    /// Ends in time, and notices when the new device is there.
    pub(super) fn follow_approval(&mut self) {
        let Some(approval) = &self.memory.linking.approval else { return };
        if let Stage::Completing { device } = approval.stage
            && let Some(list) = OwnList::current(self.records)
            && list.names(&device)
        {
            self.memory.linking.approval = None;
            self.stop_polling();
            return self.tell_link(LinkView::Linked { device });
        }
        if self.now >= approval.ends_at {
            self.approval_ends(LinkEnd::Expired);
        }
    }

    pub(super) fn approval_polled(&mut self, link: Option<Link>, answer: &Answer) {
        let Some(approval) = self.memory.linking.approval.take() else { return };
        let Some(link) = link else { return self.offer_gone(approval, answer) };
        let Approval { code, ends_at, stage } = approval;
        let ends_at = ends_at.min(link.expires_at.0.saturating_mul(1_000));
        match stage {
            Stage::Searching => self.offer_found(code, ends_at, link),
            Stage::Digits(shown) => {
                self.digits_polled(Approval { code, ends_at, stage: Stage::Digits(shown) }, &link);
            }
            // The answer to the approval was lost.
            Stage::Approving { device, answer } if link.answer.as_ref() == Some(&answer) => {
                self.give_up(|purpose| *purpose == Purpose::ApproveLink);
                self.stand_at(Approval { code, ends_at, stage: Stage::Completing { device } });
            }
            stage => self.memory.linking.approval = Some(Approval { code, ends_at, stage }),
        }
    }

    /// Over at the server: completed, where it was approved, or ended.
    fn offer_gone(&mut self, approval: Approval, answer: &Answer) {
        let gone = matches!(answer.status, 404 | 410);
        if gone && !approval.is_open() {
            // The person waits for it.
            self.ask_devices();
            self.memory.linking.approval = Some(approval);
        } else {
            self.approval_ends(if gone { LinkEnd::Expired } else { LinkEnd::Refused });
        }
    }

    fn stand_at(&mut self, approval: Approval) {
        let view = approval.view();
        self.memory.linking.approval = Some(approval);
        self.tell_link(view);
    }

    fn offer_found(&mut self, code: LinkCode, ends_at: Millis, link: Link) {
        let Ok(offer) = LinkOffer::open(&code, &link.offer.0) else {
            return self.approval_ends(LinkEnd::WrongCode);
        };
        if !is_fresh(&offer, self.time()) {
            return self.approval_ends(LinkEnd::Refused);
        }
        let digits = draw_digits(self.rng);
        let shown = Shown { sealed: link.offer, offer, digits, wrong: Vec::new() };
        self.stand_at(Approval { code, ends_at, stage: Stage::Digits(shown) });
    }

    fn digits_polled(&mut self, approval: Approval, link: &Link) {
        let Approval { stage: Stage::Digits(shown), .. } = &approval else { return };
        match approval.check_proofs(shown, link) {
            Proofs::Right => self.approve(approval),
            Proofs::Altered => self.approval_ends(LinkEnd::Refused),
            Proofs::Wrong(wrong) if wrong.len() >= LINK_TRIES => {
                self.approval_ends(LinkEnd::WrongDigits);
            }
            Proofs::Wrong(wrong) if wrong == shown.wrong => {
                self.memory.linking.approval = Some(approval);
            }
            Proofs::Wrong(wrong) => {
                let Approval { code, ends_at, stage: Stage::Digits(shown) } = approval else {
                    return;
                };
                let stage = Stage::Digits(Shown { wrong, ..shown });
                self.stand_at(Approval { code, ends_at, stage });
            }
        }
    }

    /// The digits were right: everything is made for the offer that they were typed for, and the
    /// touch is asked for.
    fn approve(&mut self, approval: Approval) {
        let Approval { code, ends_at, stage: Stage::Digits(shown) } = approval else { return };
        let Some(account) = self.account() else { return };
        let Some(list) = self.list_with(&account, Some(&shown.offer)) else {
            return self.approval_ends(LinkEnd::TooManyDevices);
        };
        let Some(approved) = self.approved(&account, &code, &shown, list) else {
            return self.approval_ends(LinkEnd::Refused);
        };
        let (device, answer) = (shown.offer.device_id, approved.answer.clone());
        let path = link_path(code.link_id(), "");
        let body = serde_json::to_string(&approved).ok();
        self.ask(Purpose::ApproveLink, Method::Put, path, body);
        self.stand_at(Approval { code, ends_at, stage: Stage::Approving { device, answer } });
    }

    /// The next list, with the offered device where there is one; `None` where there is no room, or
    /// the device is listed already.
    fn list_with(&self, account: &Account, offer: Option<&LinkOffer>) -> Option<SignedDeviceList> {
        let current = OwnList::current(self.records)?;
        let mut devices = current.devices;
        if devices.len() >= DEVICES {
            return None;
        }
        let listed = offer.map(LinkOffer::listed);
        let id = listed.as_ref().map(|listed| listed.device_id);
        if devices.iter().any(|device| Some(device.device_id) == id) {
            return None;
        }
        devices.extend(listed);
        let (version, key) = (current.version + 1, &current.messaging_key);
        Some(self.sign_list(account, version, key, devices))
    }

    fn approved(
        &mut self,
        account: &Account,
        code: &LinkCode,
        shown: &Shown,
        list: SignedDeviceList,
    ) -> Option<ApproveLink> {
        let Shown { sealed, offer, .. } = shown;
        let hash = offer_hash(&sealed.0);
        let LinkOffer { device_id, prekey, prekey_created_at, .. } = offer;
        let prekey = sign_prekey(&account.identity, device_id, 1, *prekey_created_at, prekey);
        let secrets = self.messaging_secrets();
        let mut answer = LinkAnswer {
            version: LINK_VERSION,
            phone: account.phone.clone(),
            identity: account.identity.clone(),
            messaging: secrets.iter().map(MessagingSecret::shared).collect(),
            list,
            signed_prekey: (&prekey).into(),
        };
        // The oldest ones have to give way where not all fit.
        let sealed = loop {
            match answer.seal(self.rng, code, offer, &hash) {
                Ok(sealed) => break sealed,
                Err(_) if answer.messaging.len() > 1 => answer.messaging.pop(),
                Err(_) => return None,
            };
        };
        let (device_list, answer) = (answer.list, Blob(sealed));
        Some(ApproveLink { offer_hash: hash, device_list, signed_prekey: prekey, answer })
    }

    pub(super) fn link_approved(&mut self, answer: &Answer) {
        let Some(approval) = self.memory.linking.approval.take() else { return };
        let Approval { code, ends_at, stage: Stage::Approving { device, .. } } = approval else {
            self.memory.linking.approval = Some(approval);
            return;
        };
        if answer.is_ok() {
            return self.stand_at(Approval { code, ends_at, stage: Stage::Completing { device } });
        }
        let problem = answer.problem();
        self.approval_ends(match problem.as_deref() {
            Some(problems::TOO_MANY_DEVICES) => LinkEnd::TooManyDevices,
            Some(problems::TOUCH_REQUIRED) => LinkEnd::Declined,
            Some(problems::STALE_KEYS) => LinkEnd::ListMoved,
            Some(problems::LINK_ENDED | problems::NOT_FOUND) => LinkEnd::Expired,
            _ => LinkEnd::Refused,
        });
        if problem.as_deref() == Some(problems::STALE_KEYS) {
            self.memory.upkeep.status_at = Some(self.now);
        }
    }

    pub(super) fn approval_ends(&mut self, reason: LinkEnd) {
        self.memory.linking.approval = None;
        self.give_up(|purpose| *purpose == Purpose::ApproveLink);
        self.stop_polling();
        self.tell_link(LinkView::Ended { reason });
    }
}
