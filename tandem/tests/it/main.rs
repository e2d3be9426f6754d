//! The tests of the combined program: the real binary, from outside, and the documents that
//! describe it.

mod canary;
mod documents;
mod keys;
mod life;
mod support;
