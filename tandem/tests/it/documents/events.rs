//! `docs/reference/events.md`, from `Event` of auth-service.

use auth_service::Event;
use clap::ValueEnum as _;

use super::{check, code, page, table};

const INTRODUCTION: &str = "\
auth-service logs security events at level INFO with the target `tandem::security`. The field
`event` is the stable name of the event. `source` is the address of the client. No event contains a
password, a token or a key. If `RUST_LOG` hides the target, they are missing there. Each event is also
a row of the [audit log](../operations/audit-log.md), with its actor and user agent.";

#[test]
fn the_page_of_events_is_up_to_date() {
    let rows = Event::value_variants().iter().map(|event| {
        let value = event.to_possible_value().expect("no event is hidden");
        let help = value.get_help().expect("every event has a text").to_string();
        let (when, fields) = help.split_once(" Fields: ").expect("every event lists its fields");
        [code(value.get_name()), when.to_owned(), fields.to_owned()]
    });
    let table = table(["event", "when", "fields"], rows);
    check("docs/reference/events.md", &page("Security events", INTRODUCTION, &table));
}
