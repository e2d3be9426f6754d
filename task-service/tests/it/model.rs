//! Random and concurrent calls, compared with a model in memory.

mod concurrent_writers;
mod random_operations;
mod random_updates;
