//! Published models on this machine: pulled from a hub, checked against its hashes, listed, verified, removed.
//!
//! What it is not: it knows no family and reads no tensor. The folders are laid out as other programs lay out their cache
//! of the same hub, so that what one of them has pulled the others find.
//!
//! Reading list: [`Store`] is what is here, [`pull`] brings more, [`Hub`] speaks with the other side.

mod error;
mod files;
mod hash;
mod hub;
pub mod pull;

pub use error::StoreError;
pub use files::{Held, Store, Trouble};
pub use hub::Hub;
pub use pull::{Progress, Pull, Pulled};
