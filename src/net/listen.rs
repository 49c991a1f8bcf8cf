//! Listening: a permit first, then accept.
