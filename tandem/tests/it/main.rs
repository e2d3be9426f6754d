//! The tests of the combined program: the real binary, from outside, and the documents that
//! describe it.

mod canary;
mod deployment;
mod documents;
mod interrupt;
mod keys;
mod life;
mod pooler;
mod process;
mod purged_users;
mod roles;
mod support;
