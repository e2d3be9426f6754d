//! Which calls are accepted, and whose tasks they reach.

mod access_token;
mod ownership;
