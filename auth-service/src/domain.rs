//! Types that cannot hold an invalid value, and rules. No I/O, no clock.

pub(crate) mod account_token;
pub(crate) mod actor;
pub(crate) mod client_address;
pub(crate) mod event;
pub(crate) mod key_schedule;
pub(crate) mod password;
pub(crate) mod refresh_token;
pub(crate) mod role;
pub(crate) mod root_key;
pub(crate) mod second_factor;
pub(crate) mod session;
pub(crate) mod signing_key;
pub(crate) mod throttle;
pub(crate) mod totp;
pub(crate) mod user;
pub(crate) mod user_list;
