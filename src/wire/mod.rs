//! Pure grammar: bytes <-> values. Sees only `limits`. Never reads a clock, a file or a socket; never logs; never
//! panics on any input; holds nothing larger than its bound.

pub mod access;
pub mod address;
pub mod base64;
pub mod certificate;
pub mod dane;
pub mod dkim;
pub mod dmarc;
pub mod dns;
pub mod dot;
pub mod dsn;
pub mod header;
pub mod imap;
pub mod line;
pub mod mime;
pub mod mta_sts;
pub mod network;
pub mod proxy;
pub mod report;
pub mod sasl;
pub mod scram;
pub mod smtp;
pub mod spf;
pub mod srs;
