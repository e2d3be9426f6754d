//! The advisory locks of PostgreSQL that instances take for background work, each for one
//! statement. The numbers must differ from those of other programs that use the same database.

/// Purges deleted users.
pub(crate) const PURGE_USERS: i64 = 0x7461_6e64_656d_0001;
/// Purges old events.
pub(crate) const PURGE_EVENTS: i64 = 0x7461_6e64_656d_0002;
