//! The tests of auth-service: the real server on a real socket, a database for each test.

mod change_password;
mod configuration;
mod current_user;
mod drain;
mod faults;
mod gate;
mod health;
mod key_commands;
mod key_rotation;
mod keys;
mod keys_at_rest;
mod log;
mod login;
mod outage;
mod overload;
mod program;
mod reflection;
mod refresh;
mod refresh_model;
mod register;
mod register_again;
mod sessions;
mod strength;
mod support;
mod token;
mod wire;
