//! `docs/reference/openapi-*.json`, from the descriptors.

use tandem_http::Api;

use super::check;

#[test]
fn the_openapi_descriptions_are_up_to_date() {
    for (name, set) in [
        ("auth", proto::auth::v1::FILE_DESCRIPTOR_SET),
        ("task", proto::task::v1::FILE_DESCRIPTOR_SET),
    ] {
        let text = serde_json::to_string_pretty(&Api::new(&[set]).openapi());
        let text = text.expect("the description has text keys") + "\n";
        check(&format!("docs/reference/openapi-{name}.json"), &text);
    }
}
