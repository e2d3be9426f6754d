//! Noise: whatever text comes, it is refused, and nothing panics.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Map, Number, Value};
use tandem_verifier::KeySet;

use crate::support::{NOW, Trust, Verdict, claims, now, verdict, verifier};

static TRUST: LazyLock<Trust> = LazyLock::new(Trust::new);
static TOKEN: LazyLock<String> = LazyLock::new(|| TRUST.token());

/// Any JSON, with the names that tokens have among its own.
fn json() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        3 => prop::sample::select(vec![
            "iss", "aud", "sub", "sid", "iat", "nbf", "exp", "jti", "alg", "typ", "kid", "crit",
            "jwk", "keys", "kty", "crv", "x", "y",
        ])
        .prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (NOW - 60..NOW + 660).prop_map(Value::from),
        any::<f64>().prop_map(|float| Number::from_f64(float).map_or(Value::Null, Value::Number)),
        any::<String>().prop_map(Value::from),
        prop::sample::select(vec!["ES256", "at+jwt", "first", "tandem", "EC", "P-256"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 32, 8, move |inner| {
        let member = (name.clone(), inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..8).prop_map(Value::Array),
            prop::collection::vec(member, 0..10)
                .prop_map(|members| Value::Object(Map::from_iter(members))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_text_is_a_token(text in any::<String>()) {
        prop_assert_eq!(TRUST.verdict(&text), Verdict::Invalid);
    }

    #[test]
    fn no_three_parts_of_base64_are_a_token(text in r"[A-Za-z0-9_-]{0,80}\.[A-Za-z0-9_-]{0,200}\.[A-Za-z0-9_-]{0,90}") {
        prop_assert_eq!(TRUST.verdict(&text), Verdict::Invalid);
    }

    #[test]
    fn no_claims_but_the_right_ones_are_good(claims in json()) {
        prop_assert_eq!(TRUST.verdict_of_claims(&claims), Verdict::Invalid);
    }

    #[test]
    fn no_claim_takes_just_any_value(
        name in prop::sample::select(vec!["iss", "aud", "sub"]),
        value in json(),
    ) {
        let mut claims = claims();
        let right = name == "aud" && value.to_string().contains("\"tandem\"");
        claims[name] = value;
        prop_assert!(right || TRUST.verdict_of_claims(&claims) == Verdict::Invalid);
    }

    #[test]
    fn no_header_but_the_right_one_is_good(header in json()) {
        prop_assert_eq!(TRUST.verdict_of_header(&header), Verdict::Invalid);
    }

    #[test]
    fn a_change_of_one_character_breaks_a_token(
        position in any::<prop::sample::Index>(),
        character in prop_oneof![any::<char>(), prop::char::range('-', 'z')],
    ) {
        let signed = TOKEN.rfind('.').expect("it has three parts");
        let position = position.index(TOKEN.len());
        let mut changed = TOKEN.clone();
        changed.replace_range(position..=position, &character.to_string());
        let verdict = TRUST.verdict(&changed);
        // The dot before the signature belongs to the text that breaks; of the signature's last
        // character, and of signatures as such, there may be more than one that verifies.
        if position <= signed && changed != *TOKEN {
            prop_assert_eq!(verdict, Verdict::Invalid);
        }
    }

    #[test]
    fn a_missing_or_repeated_stretch_breaks_a_token(
        from in any::<prop::sample::Index>(),
        length in 1_usize..40,
    ) {
        let signed = TOKEN.rfind('.').expect("it has three parts");
        let from = from.index(signed);
        let to = (from + length).min(signed + 1);
        let stretch = TOKEN[from..to].to_owned();
        let mut missing = TOKEN.clone();
        missing.replace_range(from..to, "");
        prop_assert_eq!(TRUST.verdict(&missing), Verdict::Invalid);
        let mut repeated = TOKEN.clone();
        repeated.insert_str(to, &stretch);
        prop_assert_eq!(TRUST.verdict(&repeated), Verdict::Invalid);
    }

    #[test]
    fn no_json_makes_a_key_set_that_verifies_the_token(set in json()) {
        if KeySet::parse(set.to_string().as_bytes()).is_ok() {
            prop_assert_eq!(verdict(&verifier(&set.to_string()), &TOKEN), Verdict::Invalid);
        }
    }

    #[test]
    fn no_time_makes_a_verifier_panic(iat: i64, nbf: i64, exp: i64) {
        let mut claims = claims();
        (claims["iat"], claims["nbf"], claims["exp"]) = (iat.into(), nbf.into(), exp.into());
        let verdict = TRUST.verdict_of_claims(&claims);
        let near = |time: i64| (NOW - 930..=NOW + 930).contains(&time);
        prop_assert!(verdict != Verdict::Good || (near(iat) && near(exp)), "{}", now());
    }
}
