//! Types that cannot hold an invalid value, and pure rules. No I/O, no clock.

mod characters;
pub(crate) mod creation;
pub(crate) mod due;
pub(crate) mod folded;
pub(crate) mod label;
pub(crate) mod list;
pub(crate) mod order;
pub(crate) mod priority;
pub(crate) mod quota;
pub(crate) mod task;
pub(crate) mod text;
