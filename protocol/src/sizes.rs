//! The few sizes and lifetimes that letters may have, so that neither tells what is inside.

use crate::sealing::SealError;
use crate::types::{DAY, UnixTime};
use minicbor::{Decode, Encode};

/// The size of every envelope, in bytes.
pub const ENVELOPE_SIZE: usize = 2_048;

/// A letter's size: 1, 2, 4, 8, 16, 32 or 64 KiB, seal included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LetterSize(u8);

impl LetterSize {
    /// Every size, smallest first.
    pub const ALL: [Self; 7] = [Self(0), Self(1), Self(2), Self(3), Self(4), Self(5), Self(6)];
    /// The smallest.
    pub const SMALLEST: Self = Self(0);
    /// The one of every letter of the delayed pool, whatever it says.
    pub const POOLED: Self = Self(2);
    /// The largest.
    pub const LARGEST: Self = Self(6);

    /// The smallest size that has room for so many bytes.
    pub fn fitting(bytes: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|size| bytes <= size.bytes())
    }

    /// The size of a sealed letter of so many bytes.
    ///
    /// # Errors
    /// [`SealError::WrongSize`].
    pub fn of_sealed(bytes: usize) -> Result<Self, SealError> {
        Self::ALL.into_iter().find(|size| bytes == size.bytes()).ok_or(SealError::WrongSize)
    }

    /// The size in bytes.
    pub fn bytes(self) -> usize {
        1_024 << self.0
    }
}

/// How long a letter is kept: 1, 7 or 30 days, rounded up to the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ExpiryClass {
    /// One day.
    #[n(1)]
    Day,
    /// Seven days.
    #[n(7)]
    Week,
    /// Thirty days.
    #[n(30)]
    Month,
}

impl ExpiryClass {
    const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    /// The days.
    pub fn days(self) -> u8 {
        match self {
            Self::Day => 1,
            Self::Week => 7,
            Self::Month => 30,
        }
    }

    /// The class of so many days, where there is one.
    pub fn from_days(days: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.days() == days)
    }

    /// When a letter stored at `stored` goes: the first day boundary after its days.
    pub fn expires_at(self, stored: UnixTime) -> UnixTime {
        stored.plus(i64::from(self.days()) * DAY).day_up()
    }

    /// The class of a letter that was stored in the hour `stored` and goes at `expires_at`.
    pub fn of_letter(stored: UnixTime, expires_at: UnixTime) -> Option<Self> {
        let lasts = expires_at.since(stored);
        let is = |class: &Self| {
            let days = i64::from(class.days());
            (days * DAY..=(days + 1) * DAY).contains(&lasts)
        };
        Self::ALL.into_iter().find(is)
    }
}

#[cfg(test)]
mod tests {
    use super::{ExpiryClass, LetterSize};
    use crate::types::{HOUR, UnixTime};

    #[test]
    fn sizes_are_powers_of_two_from_one_to_sixty_four_kib() {
        let sizes: Vec<usize> = LetterSize::ALL.into_iter().map(LetterSize::bytes).collect();
        assert_eq!(sizes, [1_024, 2_048, 4_096, 8_192, 16_384, 32_768, 65_536]);
        assert_eq!(LetterSize::fitting(1_024).map(LetterSize::bytes), Some(1_024));
        assert_eq!(LetterSize::fitting(1_025).map(LetterSize::bytes), Some(2_048));
        assert_eq!(LetterSize::fitting(65_537), None);
    }

    #[test]
    fn the_expiry_class_can_be_read_off_the_stored_times() {
        for class in ExpiryClass::ALL {
            for second in (0..2 * 86_400).step_by(599) {
                let stored = UnixTime(1_800_000_000 + second);
                let expires = class.expires_at(stored);
                assert_eq!(ExpiryClass::of_letter(stored.hour(), expires), Some(class));
            }
        }
        assert_eq!(ExpiryClass::of_letter(UnixTime(0), UnixTime(HOUR)), None);
    }
}
