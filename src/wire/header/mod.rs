//! Header fields as bytes: splitting a header block, and the one encoder for every field that we write.

mod addresses;
pub mod authentication_results;
mod date;
mod fields;
pub mod received;
mod trace;
mod writer;

pub use addresses::{FieldAddress, complete, each_address};
pub use date::write_date;
pub use fields::{Field, Fields, end_of_header};
pub use trace::{Protocol, Received, delivered_to, return_path};
pub use writer::{Charset, FieldWriter};
