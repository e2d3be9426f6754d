//! The SQL of task-service: one file per table, one statement per function.

pub(crate) mod feeds;
pub(crate) mod page_token_keys;
pub(crate) mod requests;
pub(crate) mod tasks;

/// How PostgreSQL plans these statements: once for each connection, whatever the values are. To
/// plan one anew takes longer than to run it for a few calls.
///
/// Such a plan may be made while the tables are empty, and be kept when they have grown. So a
/// statement leaves one way to find rows, by the key or along an index of the owner's:
/// - `cross join lateral`, with `for update` or `offset 0`, looks up the rows of each item, and is
///   never made a join that reads the table;
/// - a table that is written to cannot stand there: no join is made of `= any(array[…])` and
///   `between` either;
/// - `insert … on conflict` looks up a row that is known to be there;
/// - `ctid` finds the rows that the same statement has just locked.
pub(crate) const PLANNING: [(&str, &str); 3] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    // It pays for long scans only.
    ("jit", "off"),
];
