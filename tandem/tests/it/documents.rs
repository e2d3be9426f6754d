//! The reference pages are generated from the programs, and other documents name what exists.
//! `UPDATE_DOCS=1` writes the pages.

use std::{env, fs};

use crate::support::{Program, directory, document, root};

mod errors;
mod events;
mod metrics;
mod openapi;
mod settings;

pub(crate) use settings::variables;

const UPDATE: &str = "UPDATE_DOCS=1 cargo test -p tandem documents";

/// Compares a generated document with its file, or writes the file.
fn check(path: &str, generated: &str) {
    let file = root().join(path);
    #[expect(clippy::disallowed_methods, reason = "a switch of this test")]
    let is_update = env::var_os("UPDATE_DOCS").is_some();
    if is_update {
        fs::write(file, generated).expect("the document can be written");
        return;
    }
    let current = fs::read_to_string(file).unwrap_or_default();
    assert!(current == generated, "{path} is stale: run {UPDATE}");
}

/// A page with a title, an introduction and this content.
fn page(title: &str, introduction: &str, content: &str) -> String {
    format!("# {title}\n\n<!-- Generated: {UPDATE} -->\n\n{introduction}\n\n{content}")
}

/// A table of Markdown with these columns.
fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let line = |cells: [String; N]| {
        let cells = cells.map(|cell| cell.replace('|', "\\|"));
        format!("| {} |\n", cells.join(" | "))
    };
    let head = line(head.map(str::to_owned)) + &line(head.map(|_| "---".to_owned()));
    rows.into_iter().fold(head, |table, row| table + &line(row))
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

#[tokio::test]
async fn the_tour_shows_the_printed_session() {
    let dir = directory();
    let program = Program::start(dir.path());
    let tour = document("docs/guide/tour.md");
    let [auth, task] = &program.addresses;
    for line in program.welcome.lines().filter_map(|line| line.strip_prefix("  ")) {
        let line = line.replace(auth, "127.0.0.1:50051").replace(task, "127.0.0.1:50052");
        assert!(tour.contains(&line), "docs/guide/tour.md does not show: {line}");
    }
}
