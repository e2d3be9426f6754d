//! The SQL of task-service: one file per table, one statement per function.

pub(crate) mod feeds;
pub(crate) mod followed;
pub(crate) mod page_token_keys;
pub(crate) mod refolds;
pub(crate) mod requests;
pub(crate) mod tasks;

/// Planner settings of each connection: one generic plan for each statement, since planning takes
/// longer than executing a statement for a few calls.
///
/// PostgreSQL may plan a statement while the tables are empty and keep the plan when they have
/// grown. So each statement leaves the planner one way to find rows, by primary key or along an
/// index of the owner:
/// - `cross join lateral` with `for update` or `offset 0` looks up the rows of each item. It is
///   never flattened into a join that scans the table.
/// - The target of an update cannot be in a lateral join. There, `= any(array[…])` and `between`
///   prevent the planner from choosing another join.
/// - `insert … on conflict` looks up the conflicting row.
/// - `ctid` finds the rows that the same statement has just locked.
pub(crate) const PLANNING: [(&str, &str); 3] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    // It pays off for long scans only.
    ("jit", "off"),
];
