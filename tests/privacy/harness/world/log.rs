//! What a server can write down of everything that reaches it, and, beside it, what only the
//! simulation knows.

use letterbox_protocol::engine::Millis;

/// A request, a frame, or a live socket that opened or closed, as the server saw it. No address.
#[derive(Clone)]
pub(crate) struct Seen {
    /// When it reached the server.
    pub(crate) at: Millis,
    /// The device, where its session or socket names it. Never of a sealed request.
    pub(crate) device: Option<usize>,
    pub(crate) what: What,
    pub(crate) path: String,
    /// The `Authorization` header.
    pub(crate) token: String,
    pub(crate) body: String,
    pub(crate) status: u16,
}

/// What kind of thing reached the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Request,
    SocketOpened,
    SocketClosed,
    Frame,
}

/// What the server does not know of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Truth {
    /// The device that sent it.
    pub(crate) device: usize,
    /// Whether it is a letter that a person wrote.
    pub(crate) is_text: bool,
}

/// Everything that reached the server, in order, and the truth of each.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) seen: Vec<Seen>,
    pub(crate) truth: Vec<Truth>,
}

impl Log {
    pub(crate) fn add(&mut self, seen: Seen, truth: Truth) {
        self.seen.push(seen);
        self.truth.push(truth);
    }

    /// Forgets what came before: the people getting to know each other.
    pub(crate) fn clear(&mut self) {
        self.seen.clear();
        self.truth.clear();
    }
}
