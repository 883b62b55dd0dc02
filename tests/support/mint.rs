//! Tokens for requests that no engine makes, issued under the keys of the server's own database.

use letterbox::db::Db;
use letterbox_protocol::{
    tokens::{Issuer, KeyWeek, PendingBatch, Token, challenge_digest},
    types::UnixTime,
};
use rand::{SeedableRng, rngs::StdRng};

/// The week's issuer key, in a test's hands.
pub(crate) struct Mint(Issuer);

impl Mint {
    /// The key that issues at this moment, drawn now if there was none.
    pub(crate) async fn open(db: &Db, now: UnixTime) -> Self {
        let mut rng = StdRng::try_from_rng(&mut rand::rngs::SysRng).unwrap();
        let keys = db.issuer_keys(now, &mut rng).await.unwrap();
        let key = keys.into_iter().find(|key| key.week == KeyWeek::of(now));
        Self(key.expect("this week's key").issuer)
    }

    /// A key of a test's own.
    pub(crate) fn foreign(rng: &mut StdRng) -> Self {
        Self(Issuer::generate(rng).unwrap())
    }

    /// The token that this number stands for.
    pub(crate) fn token(&self, n: u64) -> Token {
        self.token_for("localhost", n)
    }

    /// One for a server of another name.
    pub(crate) fn token_for(&self, host: &str, n: u64) -> Token {
        let digest = challenge_digest(host).unwrap();
        let mut rng = StdRng::seed_from_u64(n);
        let batch = PendingBatch::blind(self.0.public_key(), &digest, 1, &mut rng).unwrap();
        let response = self.0.issue(&batch.request()).unwrap();
        batch.finish(&response).unwrap().remove(0)
    }
}
