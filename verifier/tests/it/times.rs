//! Times: from when to when a token is good, to the second.

use serde_json::json;

use crate::support::{
    NOW, Trust, Verdict,
    Verdict::{Expired, Good, Invalid},
    claims, with,
};

fn verdict(trust: &Trust, iat: i64, nbf: i64, exp: i64) -> Verdict {
    let times = [("iat", json!(iat)), ("nbf", json!(nbf)), ("exp", json!(exp))];
    trust.verdict_of_claims(&with(claims(), &times))
}

#[test]
fn a_token_is_good_until_its_end_and_the_leeway() {
    let trust = Trust::new();
    for (exp, expected) in [
        (NOW + 1, Good),
        (NOW, Good),
        (NOW - 29, Good),
        (NOW - 30, Expired),
        (NOW - 31, Expired),
        (NOW - 800, Expired),
    ] {
        assert_eq!(verdict(&trust, exp - 600, exp - 600, exp), expected, "{}", exp - NOW);
    }
}

#[test]
fn a_token_may_be_made_in_the_future_by_the_leeway() {
    let trust = Trust::new();
    for (iat, expected) in [(NOW + 29, Good), (NOW + 30, Good), (NOW + 31, Invalid)] {
        assert_eq!(verdict(&trust, iat, NOW, iat + 600), expected, "{}", iat - NOW);
    }
}

#[test]
fn a_token_may_be_used_before_its_time_by_the_leeway() {
    let trust = Trust::new();
    for (nbf, expected) in
        [(NOW - 1000, Good), (NOW + 29, Good), (NOW + 30, Good), (NOW + 31, Invalid)]
    {
        assert_eq!(verdict(&trust, NOW, nbf, NOW + 600), expected, "{}", nbf - NOW);
    }
}

#[test]
fn a_token_lives_1_to_900_seconds() {
    let trust = Trust::new();
    for (lifetime, expected) in [
        (1, Good),
        (900, Good),
        (901, Invalid),
        (86_400, Invalid),
        (0, Invalid),
        (-1, Invalid),
        (-900, Invalid),
    ] {
        assert_eq!(verdict(&trust, NOW, NOW, NOW + lifetime), expected, "{lifetime}");
    }
}

#[test]
fn times_at_the_ends_of_their_range_do_no_harm() {
    let trust = Trust::new();
    let ends = [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX - 1, i64::MAX];
    for end in ends {
        assert_eq!(verdict(&trust, end, NOW, NOW + 600), Invalid, "iat {end}");
        assert_eq!(verdict(&trust, NOW, NOW, end), Invalid, "exp {end}");
        for other in ends {
            assert_ne!(verdict(&trust, end, NOW, other), Good, "iat {end}, exp {other}");
            assert_ne!(verdict(&trust, end, end, other), Good, "iat {end}, exp {other}");
        }
    }
    for nbf in [i64::MAX - 1, i64::MAX] {
        assert_eq!(verdict(&trust, NOW, nbf, NOW + 600), Invalid, "nbf {nbf}");
    }
}
