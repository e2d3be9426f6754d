//! CreateTask, UpdateTask, DeleteTask and UndeleteTask.

mod create;
mod delete;
mod etag;
mod naughty_strings;
mod priority_labels_due;
mod quota;
mod request_id;
mod update;
mod update_mask;
mod validate_only;
