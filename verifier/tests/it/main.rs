//! The tests of what makes an access token good: one file for each part of a token.

mod claims;
mod encoding;
mod header;
mod key_set;
mod noise;
mod support;
mod times;
mod verified_tokens;
