//! Where a command reads a new password: a prompt, standard input or a file, never an argument,
//! which every user of the machine can see.

use std::io::{self, IsTerminal as _, Read as _};

use aws_lc_rs::rand;
use shared::{config::read_value, error::Error};
use zeroize::Zeroizing;

use super::rejected;
use crate::{
    domain::{password::PasswordHash, user::Username},
    hashing,
};

/// The longest password that is read, in bytes; far more than the rules allow.
const MAX_BYTES: u64 = 4096;
/// 120 random bits.
const GENERATED_BYTES: usize = 15;

/// The place of the new password.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct PasswordSource {
    /// File or pipe that holds the password. Without it, the command prompts for the password, or
    /// reads it from standard input if that is no terminal
    #[arg(long, value_name = "PATH")]
    password_file: Option<String>,
}

impl PasswordSource {
    /// Reads the password and hashes it.
    pub(super) fn read(&self, username: &Username, cost: u32) -> Result<PasswordHash, Error> {
        let text = match &self.password_file {
            Some(path) => {
                let text = read_value(path);
                text.map_err(|rule| rejected(format!("--password-file: {path}: {rule}")))?
            }
            None if io::stdin().is_terminal() => ask()?,
            None => read_stdin()?,
        };
        hash(without_line_end(text), username, cost)
    }
}

/// Hashes a password that satisfies the rules.
pub(super) fn hash(text: String, username: &Username, cost: u32) -> Result<PasswordHash, Error> {
    let rated = hashing::hash_chosen(text, &username.to_string(), cost)?;
    rated.map_err(|rule| rejected(format!("the password {}", rule.0)))
}

/// A password too random to guess.
pub(super) fn generate() -> String {
    let mut bytes = [0; GENERATED_BYTES];
    rand::fill(&mut bytes).expect("the system provides randomness");
    base32::encode(base32::Alphabet::Crockford, &bytes).to_ascii_lowercase()
}

fn ask() -> Result<String, Error> {
    let ask = |prompt| rpassword::prompt_password(prompt).map_err(|error| unreadable(&error));
    let first = ask("New password: ")?;
    let second = Zeroizing::new(ask("Repeat it: ")?);
    if first == *second { Ok(first) } else { Err(rejected("the two passwords differ; try again")) }
}

fn read_stdin() -> Result<String, Error> {
    let mut text = String::new();
    let read = io::stdin().take(MAX_BYTES).read_to_string(&mut text);
    read.map_err(|error| unreadable(&error))?;
    Ok(text)
}

fn unreadable(error: &io::Error) -> Error {
    rejected(format!("the password cannot be read: {error}"))
}

/// An editor or `echo` ends the line.
fn without_line_end(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_end_of_a_line_is_no_part_of_the_password() {
        for (text, password) in
            [("a b", "a b"), ("a \n", "a "), ("a\r\n", "a"), ("a\n\n", "a\n"), ("", "")]
        {
            assert_eq!(without_line_end(text.to_owned()), password);
        }
    }

    #[test]
    fn a_generated_password_satisfies_the_rules_and_is_new_each_time() {
        let username = Username::parse("ada").unwrap();
        assert!(hash(generate(), &username, 4).is_ok());
        assert_ne!(generate(), generate());
    }
}
