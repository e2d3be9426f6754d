//! Roles: names that an administrator gives to users. Only `admin` has a meaning here.

use shared::error::Invalid;

/// The most roles of a user. With 32 characters each, an access token stays below 2 KiB.
const MAX_ROLES: usize = 16;
const MAX_LENGTH: usize = 32;

/// The role of administrators.
pub(crate) const ADMIN: &str = "admin";

/// The roles of a user: a sorted set.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, sqlx::Type)]
#[sqlx(transparent, no_pg_array)]
pub(crate) struct Roles(Vec<String>);

impl Roles {
    /// Parses a set of roles. Duplicates count once.
    ///
    /// # Errors
    /// The index of each invalid role, `None` for the set, and the rule that it breaks.
    pub(crate) fn parse(texts: Vec<String>) -> Result<Self, Vec<(Option<usize>, Invalid)>> {
        let checked = texts.iter().enumerate().map(|(i, text)| (i, check(text)));
        let invalid = checked.filter_map(|(i, rule)| Some((Some(i), rule.err()?)));
        let invalid: Vec<_> = invalid.take(MAX_ROLES).collect();
        let mut roles = texts;
        roles.sort();
        roles.dedup();
        if roles.len() > MAX_ROLES {
            return Err(vec![(None, "must have at most 16 roles".into())]);
        }
        if invalid.is_empty() { Ok(Self(roles)) } else { Err(invalid) }
    }

    /// Whether the user is an administrator.
    pub(crate) fn has_admin(&self) -> bool {
        self.0.iter().any(|role| role == ADMIN)
    }

    /// All roles, in alphabetical order.
    pub(crate) fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl From<Roles> for Vec<String> {
    fn from(Roles(roles): Roles) -> Self {
        roles
    }
}

/// Checks the form of a role: `[a-z][a-z0-9._-]{0,31}`.
pub(crate) fn check(text: &str) -> Result<(), Invalid> {
    let is_allowed = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-');
    if text.is_empty() || text.len() > MAX_LENGTH {
        return Err("must have 1 to 32 characters".into());
    }
    if !text.starts_with(|c: char| c.is_ascii_lowercase()) || !text.chars().all(is_allowed) {
        let rule = "must begin with a letter a to z and contain only such letters, digits, '.', \
                    '_' and '-'";
        return Err(rule.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(roles: &[&str]) -> Result<Roles, Vec<(Option<usize>, Invalid)>> {
        Roles::parse(roles.iter().map(|&role| role.to_owned()).collect())
    }

    #[test]
    fn roles_are_a_sorted_set() {
        let roles = parse(&["editor", "admin", "editor", "a.b_c-9"]).unwrap();
        assert_eq!(roles.as_slice(), ["a.b_c-9", "admin", "editor"]);
        assert!(roles.has_admin());
        assert!(!parse(&["administrator", "a-admin"]).unwrap().has_admin());
        assert_eq!(parse(&[]), Ok(Roles::default()));
    }

    #[test]
    fn each_invalid_role_is_named() {
        let long = "a".repeat(33);
        let invalid = ["", "Admin", "9a", ".a", "a b", "a\0", "ä", &long];
        let places: Vec<_> = parse(&invalid).unwrap_err().into_iter().map(|(i, _)| i).collect();
        assert_eq!(places, (0..invalid.len()).map(Some).collect::<Vec<_>>());
        assert_eq!(parse(&["a", "B"]).unwrap_err()[0].0, Some(1));
        assert!(parse(&[&long[1..]]).is_ok());
    }

    #[test]
    fn a_user_has_at_most_16_roles() {
        let roles: Vec<_> = (0..17).map(|i| format!("role-{i}")).collect();
        assert!(Roles::parse(roles[1..].to_vec()).is_ok());
        assert_eq!(Roles::parse(roles).unwrap_err()[0].0, None);
        assert!(parse(&["same"; 100]).is_ok());
    }
}
