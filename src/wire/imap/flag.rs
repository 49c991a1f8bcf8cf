//! Flags of a message (RFC 3501 section 2.3.2): five system flags and up to `KEYWORDS_MAX` keywords of the account,
//! as one word. `\Recent` is no flag of a message but of a session, so it is not here.

/// Bits 0..5 are system flags, bits 8..64 the account's keywords in the order in which they were first used.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Hash)]
pub struct Flags(pub u64);

impl Flags {
    /// `\Seen`
    pub const SEEN: Flags = Flags(1);
    /// `\Answered`
    pub const ANSWERED: Flags = Flags(2);
    /// `\Flagged`
    pub const FLAGGED: Flags = Flags(4);
    /// `\Deleted`
    pub const DELETED: Flags = Flags(8);
    /// `\Draft`
    pub const DRAFT: Flags = Flags(16);
    /// All system flags with their names.
    pub const SYSTEM: [(Flags, &'static str); 5] = [
        (Flags::ANSWERED, "\\Answered"),
        (Flags::FLAGGED, "\\Flagged"),
        (Flags::DELETED, "\\Deleted"),
        (Flags::SEEN, "\\Seen"),
        (Flags::DRAFT, "\\Draft"),
    ];
    /// The bit of keyword number `index` (0..`KEYWORDS_MAX`).
    pub fn keyword(index: u8) -> Flags {
        Flags(1 << (8 + u32::from(index)))
    }
    /// Whether all bits of `other` are set.
    pub fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
    /// Both.
    pub fn union(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
    /// These without those.
    pub fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }
}

/// Flags as a client names them: system flags as bits, keywords by name (compared without case, kept as first used).
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct FlagNames {
    /// System flags only.
    pub system: Flags,
    /// Keywords, each an atom of at most `KEYWORD_BYTES_MAX` octets; at most `KEYWORDS_MAX`.
    pub keywords: Vec<Box<str>>,
}

/// The keywords of one account: the position is the bit.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Keywords(pub Vec<Box<str>>);
