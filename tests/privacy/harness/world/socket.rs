//! Live sockets, without the bytes of WebSocket: the server's own feed, and the engine's frames.

use super::{
    Happening, World,
    device::Line,
    log::{Seen, Truth, What},
};
use futures_util::FutureExt as _;
use letterbox::mailbox::{Call, Feed, delivery::Happened};
use letterbox_protocol::{engine::Input, types::UnixTime, wire::ClientFrame};

impl World {
    /// A device opens its live socket.
    pub(super) async fn open_line(&mut self, device: usize) {
        let host = &self.devices[device];
        if !host.awake || host.line.is_some() || !host.is_ready {
            return;
        }
        let id = host.passkey.credential_ids().pop().unwrap();
        let db = self.server.app.db.clone();
        let credential = db.credential_by_credential_id(&id).await.unwrap().unwrap();
        let listener = self.server.app.wake.listen(credential.row);
        let mut feed = Feed::new(db, credential);
        feed.tell(Happened::Opened);
        self.note_line(device, What::SocketOpened, String::new());
        let at = self.now + self.latency();
        let host = &mut self.devices[device];
        host.generation += 1;
        host.frames_until = at;
        host.line = Some(Line { feed, listener });
        let generation = host.generation;
        self.schedule(at, Happening::Opened { device, generation });
        self.pump(device).await;
    }

    pub(super) fn line_opened(&mut self, device: usize, generation: u64) {
        let host = &self.devices[device];
        if host.awake && host.line.is_some() && host.generation == generation {
            self.tell(device, Input::LiveOpened);
        }
    }

    /// The server ends what is left of a live socket.
    pub(super) fn close_line(&mut self, device: usize) {
        if self.devices[device].line.take().is_some() {
            self.note_line(device, What::SocketClosed, String::new());
        }
    }

    /// Lets the feed do what is to be done, and sends its frames on their way.
    async fn pump(&mut self, device: usize) {
        let now = UnixTime(self.now.div_euclid(1_000));
        loop {
            let Some(line) = &mut self.devices[device].line else { return };
            let Some(mut frame) = line.feed.next_frame(now).await.unwrap() else { return };
            if let Some(tamper) = &mut self.tamper {
                tamper.alter(self.now, self.devices[device].owner, &mut frame);
            }
            let at = (self.now + self.latency()).max(self.devices[device].frames_until + 1);
            let host = &mut self.devices[device];
            host.frames_until = at;
            let generation = host.generation;
            let text = serde_json::to_string(&frame).unwrap();
            self.schedule(at, Happening::Frame { device, generation, text });
        }
    }

    pub(super) fn frame_comes(&mut self, device: usize, generation: u64, text: String) {
        let host = &self.devices[device];
        if host.awake && host.line.is_some() && host.generation == generation {
            self.tell(device, Input::LiveFrame { text });
        }
    }

    pub(super) async fn frame_goes(&mut self, device: usize, generation: u64, text: &str) {
        if self.devices[device].generation != generation {
            return;
        }
        let Some(line) = &mut self.devices[device].line else { return };
        let frame: ClientFrame = serde_json::from_str(text).unwrap();
        line.feed.tell(Happened::Frame(frame));
        self.note_line(device, What::Frame, text.to_owned());
        self.pump(device).await;
        self.ring_bells().await;
    }

    /// Whoever was called looks.
    pub(super) async fn ring_bells(&mut self) {
        for device in 0..self.devices.len() {
            let mut called = false;
            while let Some(line) = &mut self.devices[device].line
                && let Some(call) = line.listener.called().now_or_never()
            {
                called = true;
                match call {
                    Call::Look => line.feed.tell(Happened::Woken),
                    Call::Changed => line.feed.tell(Happened::AccountChanged),
                    Call::Revoked | Call::Over => self.close_line(device),
                }
            }
            if called {
                self.pump(device).await;
            }
        }
    }

    fn note_line(&mut self, device: usize, what: What, body: String) {
        let seen = Seen {
            at: self.now,
            device: Some(device),
            what,
            path: "/v1/inbox/live".to_owned(),
            token: String::new(),
            body,
            status: 101,
        };
        self.log.add(seen, Truth { device, is_text: false });
    }
}
