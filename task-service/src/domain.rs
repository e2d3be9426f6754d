//! Types that cannot hold a wrong value, and rules. No I/O, no clock.

pub(crate) mod task;
