//! The comments of the protos, in parts.

use std::collections::HashMap;

use prost_reflect::{DescriptorPool, FileDescriptor};

const PREFIX: &str = "ERROR_REASON_";

/// The comment of what is at this path of a file, with one line for each paragraph.
pub(super) fn comment(file: &FileDescriptor, path: &[i32]) -> String {
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    let mut locations = info.into_iter().flat_map(|info| &info.location);
    let location = locations.find(|location| location.path == path);
    let text = location.map_or("", |location| location.leading_comments());
    let paragraphs = text
        .split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
    paragraphs.collect::<Vec<_>>().join("\n\n").trim().to_owned()
}

/// The first sentence, without the end mark.
pub(super) fn first_sentence(text: &str) -> String {
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let sentence = paragraph.split(". ").next().unwrap_or_default();
    sentence.trim_end_matches(['.', ':']).to_owned()
}

/// The rest of the paragraph that begins with these words.
pub(super) fn paragraph(text: &str, begin: &str) -> String {
    let mut found = text.split("\n\n").filter_map(|paragraph| paragraph.strip_prefix(begin));
    found.next().unwrap_or_default().to_owned()
}

/// The code and the meaning of each error reason.
pub(super) struct Reasons(HashMap<String, (String, String)>);

impl Reasons {
    pub(super) fn new(pool: &DescriptorPool) -> Self {
        let values = pool.get_enum_by_name("tandem.error.v1.ErrorReason");
        let values = values.iter().flat_map(|values| {
            values
                .values()
                .map(|value| {
                    let text = comment(&values.parent_file(), value.path());
                    let (code, meaning) = text.split_once(". ").unwrap_or_default();
                    let reason = value.name().trim_start_matches(PREFIX).to_owned();
                    (reason, (code.to_owned(), meaning.to_owned()))
                })
                .collect::<Vec<_>>()
        });
        Self(values.collect())
    }

    /// The code and the meaning of a reason.
    pub(super) fn get(&self, reason: &str) -> Option<(&str, &str)> {
        self.0.get(reason).map(|(code, meaning)| (&**code, &**meaning))
    }

    /// The reasons that a text names.
    pub(super) fn of(&self, text: &str) -> Vec<String> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.filter(|word| self.0.contains_key(*word)).map(str::to_owned).collect()
    }
}
