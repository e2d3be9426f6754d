//! What a call costs: rows, plans and bytes.

mod page_bytes;
mod query_plan;
mod rows_read;
