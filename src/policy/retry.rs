//! When a message that could not be sent is tried again, when its sender is told that it takes long, and when it is
//! given up (RFC 5321 section 4.5.4.1).
//!
//! Fast first, because most troubles are short (greylisting: minutes), then ever slower. Giving up needs three
//! things at once: the wall clock says that days have passed, so does the box's own uptime, and enough attempts were
//! made. So neither a clock that jumps nor a box that was switched off over a holiday bounces anything.

use crate::limits::{RETRY_ATTEMPTS_MIN, RETRY_DELAY_NOTICE_SECS, RETRY_SECS_MAX};

/// Waits between attempts, seconds; the last one repeats.
const WAITS_SECS: [u64; 9] = [60, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 14_400];

/// What is known of a recipient that waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Waited {
    /// Attempts so far: those that reached a server or failed to; ours that never began do not count.
    pub attempts: u32,
    /// Wall clock since it was accepted, seconds; 0 while the clock is not sane or has jumped back.
    pub wall_secs: u64,
    /// The box's own uptime since then, seconds.
    pub uptime_secs: u64,
    /// How long it is tried, seconds: RETRY_SECS_MAX, or what the configuration says.
    pub lifetime_secs: u64,
    /// The sender knows that it takes long.
    pub delay_told: bool,
}

/// What follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Another attempt after so many seconds; `tell_delay`: the sender is told now that it takes long.
    Retry {
        /// From now.
        after_secs: u64,
        /// RFC 3461 section 4.1 DELAY.
        tell_delay: bool,
    },
    /// No further attempt: the sender is told.
    GiveUp,
}

/// Decides after an attempt that was deferred. `chance`: any number; spreads attempts by up to an eighth, so that
/// what failed together does not come back together.
pub fn after_attempt(waited: &Waited, chance: u32) -> Next {
    let Waited {
        attempts,
        wall_secs,
        uptime_secs,
        lifetime_secs,
        delay_told,
    } = *waited;
    let old = wall_secs.min(uptime_secs);
    if old >= lifetime_secs && attempts >= RETRY_ATTEMPTS_MIN {
        return Next::GiveUp;
    }
    let number = (attempts.saturating_sub(1) as usize).min(WAITS_SECS.len() - 1);
    let wait = WAITS_SECS.get(number).copied().unwrap_or(60);
    let spread = wait / 8;
    let after = wait + u64::from(chance) % (spread + 1);
    // The last attempt comes when time is up, not hours later.
    let left = lifetime_secs.saturating_sub(old);
    let after_secs = match left {
        0 => after,
        left => after.min(left.max(60)),
    };
    Next::Retry {
        after_secs,
        tell_delay: !delay_told && old >= RETRY_DELAY_NOTICE_SECS.min(RETRY_SECS_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waited(attempts: u32, secs: u64) -> Waited {
        Waited {
            attempts,
            wall_secs: secs,
            uptime_secs: secs,
            lifetime_secs: RETRY_SECS_MAX,
            delay_told: false,
        }
    }

    fn wait(attempts: u32, chance: u32) -> u64 {
        match after_attempt(&waited(attempts, 0), chance) {
            Next::Retry { after_secs, .. } => after_secs,
            Next::GiveUp => panic!("given up after {attempts}"),
        }
    }

    #[test]
    fn fast_first_then_slower() {
        let waits: Vec<u64> = (1..12).map(|attempts| wait(attempts, 0)).collect();
        assert!(waits.is_sorted());
        assert_eq!((waits[0], waits[10]), (60, 14_400));
        assert!((0..1000).all(|chance| (60..=67).contains(&wait(1, chance))));
        assert_ne!(wait(5, 1), wait(5, 2));
    }

    #[test]
    fn attempts_in_five_days() {
        let (mut at, mut attempts) = (0, 0);
        loop {
            attempts += 1;
            match after_attempt(&waited(attempts, at), 0) {
                Next::Retry { after_secs, .. } => at += after_secs,
                Next::GiveUp => break,
            }
        }
        assert_eq!(
            at, RETRY_SECS_MAX,
            "the last attempt is made when time is up"
        );
        assert!((30..50).contains(&attempts), "{attempts}");
    }

    #[test]
    fn giving_up_needs_wall_time_uptime_and_attempts() {
        let end = waited(RETRY_ATTEMPTS_MIN, RETRY_SECS_MAX);
        assert_eq!(after_attempt(&end, 0), Next::GiveUp);
        let less = [
            waited(RETRY_ATTEMPTS_MIN - 1, RETRY_SECS_MAX),
            Waited {
                wall_secs: RETRY_SECS_MAX - 1,
                ..end
            },
            Waited {
                uptime_secs: RETRY_SECS_MAX - 1,
                ..end
            },
            Waited {
                wall_secs: 100 * RETRY_SECS_MAX,
                uptime_secs: 0,
                ..end
            },
        ];
        for less in less {
            assert_ne!(after_attempt(&less, 0), Next::GiveUp, "{less:?}");
        }
    }

    #[test]
    fn the_delay_is_told_once() {
        let tells = |waited: Waited| {
            matches!(
                after_attempt(&waited, 0),
                Next::Retry {
                    tell_delay: true,
                    ..
                }
            )
        };
        assert!(!tells(waited(9, RETRY_DELAY_NOTICE_SECS - 1)));
        let late = waited(9, RETRY_DELAY_NOTICE_SECS);
        assert!(tells(late));
        assert!(!tells(Waited {
            delay_told: true,
            ..late
        }));
    }
}
