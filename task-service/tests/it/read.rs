//! GetTask and ListTasks.

mod filter;
mod first_page_cache;
mod get;
mod list;
mod order;
mod page_token;
mod page_walk;
mod search;
