//! The server's randomness: the operating system's, or, in a simulation that is to be repeated, a
//! generator with a seed.

use rand::{
    SeedableRng as _, TryCryptoRng, TryRng,
    rand_core::UnwrapErr,
    rngs::{StdRng, SysRng},
};
use std::{
    convert::Infallible,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// Where random numbers come from.
#[derive(Clone, Default)]
pub enum Randomness {
    /// The operating system.
    #[default]
    System,
    /// One generator for everybody who asks, in the order in which they do.
    Seeded(Arc<Mutex<StdRng>>),
}

impl Randomness {
    /// The same numbers for the same seed. For simulations: whoever knows the seed knows the keys.
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    /// A generator. Where the operating system's fails there is no going on.
    pub fn rng(&self) -> Generator {
        match self {
            Self::System => Generator::System(UnwrapErr(SysRng)),
            Self::Seeded(shared) => {
                let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
                Generator::Seeded(Box::new(StdRng::from_rng(&mut *shared)))
            }
        }
    }
}

impl fmt::Debug for Randomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Randomness(…)")
    }
}

/// What [`Randomness::rng`] gives.
pub enum Generator {
    /// The operating system's.
    System(UnwrapErr<SysRng>),
    /// One with a seed.
    Seeded(Box<StdRng>),
}

impl TryRng for Generator {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        match self {
            Self::System(rng) => rng.try_next_u32(),
            Self::Seeded(rng) => rng.try_next_u32(),
        }
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        match self {
            Self::System(rng) => rng.try_next_u64(),
            Self::Seeded(rng) => rng.try_next_u64(),
        }
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        match self {
            Self::System(rng) => rng.try_fill_bytes(bytes),
            Self::Seeded(rng) => rng.try_fill_bytes(bytes),
        }
    }
}

impl TryCryptoRng for Generator {}
