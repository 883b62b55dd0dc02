//! What a device does by itself, and when: see `certificates`, `renewal` and `sweep`.

use super::devices::ASKS_A_MINUTE;
use super::interface::Millis;
use super::session::Session;
use super::turn::Turn;

/// When the device does what by itself.
#[derive(Default)]
pub(super) struct Upkeep {
    pub(super) prove_at: Option<Millis>,
    pub(super) certificate_at: Option<Millis>,
    pub(super) status_at: Option<Millis>,
    pub(super) refill_at: Option<(Millis, u32)>,
    pub(super) renew_at: Option<Millis>,
    pub(super) rotate_at: Option<Millis>,
    /// When the devices are looked at, and when they were asked for lately, oldest first.
    pub(super) devices_at: Option<Millis>,
    pub(super) devices_asked_at: [Option<Millis>; ASKS_A_MINUTE],
    /// When the server is asked whether it serves what was published.
    pub(super) check_at: Option<Millis>,
    pub(super) sweep_at: Option<Millis>,
    /// When the server is asked for its certificate keys again.
    pub(super) server_at: Option<Millis>,
    /// When it last told them.
    pub(super) server_known_at: Option<Millis>,
}

impl Turn<'_> {
    /// A session has just proved the device key.
    pub(super) fn begin_upkeep(&mut self) {
        self.memory.upkeep = Upkeep { sweep_at: self.memory.upkeep.sweep_at, ..Upkeep::default() };
        self.memory.upkeep.server_at = Some(self.now);
        self.memory.upkeep.status_at = Some(self.now);
        self.memory.upkeep.certificate_at = Some(self.now);
        self.plan_check();
    }

    pub(super) fn keep_up(&mut self) {
        self.sweep_if_due();
        self.prove_if_due();
        self.look_up_itself_if_due();
        if self.memory.session == Session::Ready {
            self.ask_server_info_if_due();
            self.fetch_certificate_if_due();
            self.fetch_tokens_if_due();
            self.ask_status_if_due();
            self.refill_if_due();
            self.renew_keys_if_due();
            self.rotate_if_due();
            self.check_keys_if_due();
            self.ask_devices_if_due();
        }
    }

    pub(super) fn next_upkeep_at(&self) -> Option<Millis> {
        let upkeep = &self.memory.upkeep;
        let ready = self.memory.session == Session::Ready;
        let refill = upkeep.refill_at.map(|(at, _)| at);
        let certificate = self.certificate_due_at();
        let in_session = [
            upkeep.server_at,
            certificate,
            self.next_tokens_at(),
            upkeep.status_at,
            refill,
            upkeep.renew_at,
            upkeep.rotate_at,
            upkeep.devices_at,
            upkeep.check_at,
        ];
        let always = [upkeep.sweep_at, upkeep.prove_at, self.next_look_up_at()];
        let due = in_session.into_iter().filter(|_| ready).chain(always).flatten();
        due.min()
    }

    pub(super) fn put_back_upkeep(&mut self, by: Millis) {
        let upkeep = &mut self.memory.upkeep;
        let times = [
            &mut upkeep.prove_at,
            &mut upkeep.server_at,
            &mut upkeep.certificate_at,
            &mut upkeep.status_at,
            &mut upkeep.renew_at,
            &mut upkeep.rotate_at,
            &mut upkeep.devices_at,
            &mut upkeep.check_at,
            &mut upkeep.sweep_at,
            &mut upkeep.server_known_at,
        ];
        let asked_at = upkeep.devices_asked_at.iter_mut();
        times.into_iter().chain(asked_at).flatten().for_each(|at| *at = at.saturating_sub(by));
        upkeep.refill_at.iter_mut().for_each(|(at, _)| *at = at.saturating_sub(by));
    }
}
