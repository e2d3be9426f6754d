//! How much a task matters.

/// In ascending order.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, sqlx::Type,
)]
#[repr(i16)]
pub(crate) enum Priority {
    Low = 1,
    #[default]
    Medium = 2,
    High = 3,
    Urgent = 4,
}
