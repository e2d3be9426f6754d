//! Claims that are missing, of a wrong type, or for another audience. Times are in `times`.

use serde_json::{Value, json};
use tandem_verifier::Caller;

use crate::support::{
    Trust,
    Verdict::{Expired, Good, Invalid},
    claims, key_set, now, verifier, with, without,
};

const REQUIRED: [&str; 8] = ["iss", "aud", "sub", "sid", "iat", "nbf", "exp", "jti"];

#[test]
fn a_good_token_names_its_caller() {
    let trust = Trust::new();
    let claims = claims();
    let token = trust.key.sign(&trust.key.header(), &claims);
    let caller = verifier(&key_set(&[trust.key.jwk()])).verify(&token, now()).unwrap();
    let Caller { id, session_id } = caller;
    assert_eq!(json!(id), claims["sub"]);
    assert_eq!(json!(session_id), claims["sid"]);
}

#[test]
fn each_claim_is_required() {
    let trust = Trust::new();
    for name in REQUIRED {
        assert_eq!(trust.verdict_of_claims(&without(claims(), name)), Invalid, "{name}");
    }
}

#[test]
fn a_claim_of_a_wrong_type_is_refused() {
    let trust = Trust::new();
    for name in REQUIRED {
        let good = claims()[name].clone();
        for wrong in [
            Value::Null,
            json!(true),
            json!({}),
            json!({ "value": good }),
            json!([[good]]),
            json!([1]),
            json!(1.5),
            json!(""),
            json!(u64::MAX),
        ] {
            let verdict = trust.verdict_of_claims(&with(claims(), &[(name, wrong.clone())]));
            assert_eq!(verdict, Invalid, "{name}: {wrong}");
        }
    }
}

#[test]
fn a_time_is_a_whole_number_and_no_text() {
    let trust = Trust::new();
    for name in ["iat", "nbf", "exp"] {
        let good = claims()[name].as_i64().unwrap();
        #[expect(clippy::cast_precision_loss, reason = "it is below 2^53")]
        let float = good as f64 + 0.5;
        for wrong in [json!(good.to_string()), json!(float), json!([good]), json!(1e300)] {
            let verdict = trust.verdict_of_claims(&with(claims(), &[(name, wrong.clone())]));
            assert_eq!(verdict, Invalid, "{name}: {wrong}");
        }
    }
}

#[test]
fn a_text_is_no_number() {
    let trust = Trust::new();
    for name in ["iss", "aud", "sub", "sid", "jti"] {
        for wrong in [json!(0), json!(-1), json!(1)] {
            let verdict = trust.verdict_of_claims(&with(claims(), &[(name, wrong)]));
            assert_eq!(verdict, Invalid, "{name}");
        }
    }
}

#[test]
fn the_user_and_the_session_are_uuids() {
    let trust = Trust::new();
    for name in ["sub", "sid"] {
        let good = claims()[name].as_str().unwrap().to_owned();
        for wrong in [&good[1..], &format!("{good}0"), &good.replace('-', "_"), "alice"] {
            let verdict = trust.verdict_of_claims(&with(claims(), &[(name, json!(wrong))]));
            assert_eq!(verdict, Invalid, "{name}: {wrong}");
        }
    }
}

#[test]
fn the_issuer_is_compared_byte_for_byte() {
    let trust = Trust::new();
    for wrong in [
        "http://127.0.0.1:50051/",
        "http://127.0.0.1:50052",
        "HTTP://127.0.0.1:50051",
        "http://127.0.0.1:5005",
        " http://127.0.0.1:50051",
        "http://127.0.0.1:50051\0",
    ] {
        let verdict = trust.verdict_of_claims(&with(claims(), &[("iss", json!(wrong))]));
        assert_eq!(verdict, Invalid, "{wrong:?}");
    }
    let several = with(claims(), &[("iss", json!(["http://127.0.0.1:50051"]))]);
    assert_eq!(trust.verdict_of_claims(&several), Invalid);
}

#[test]
fn the_audience_is_one_name_or_a_list_that_holds_it() {
    let trust = Trust::new();
    for (audience, expected) in [
        (json!("tandem"), Good),
        (json!(["tandem"]), Good),
        (json!(["billing", "tandem"]), Good),
        (json!([]), Invalid),
        (json!(["billing"]), Invalid),
        (json!("billing"), Invalid),
        (json!("Tandem"), Invalid),
        (json!("tandem billing"), Invalid),
        (json!(["tandem", 1]), Invalid),
        (json!({ "tandem": "tandem" }), Invalid),
    ] {
        let claims = with(claims(), &[("aud", audience.clone())]);
        assert_eq!(trust.verdict_of_claims(&claims), expected, "{audience}");
    }
}

#[test]
fn claims_that_are_not_known_are_ignored() {
    let trust = Trust::new();
    let claims = with(claims(), &[("scope", json!("x")), ("admin", json!({ "deep": [1, null] }))]);
    assert_eq!(trust.verdict_of_claims(&claims), Good);
}

#[test]
fn claims_that_are_no_object_are_refused() {
    let trust = Trust::new();
    // A list of the values, in the order in which the claims stand in the code.
    let list = Value::Array(REQUIRED.map(|name| claims()[name].clone()).to_vec());
    for claims in [list, json!([]), json!([claims()]), json!(null), json!("x"), json!(1)] {
        assert_eq!(trust.verdict_of_claims(&claims), Invalid, "{claims}");
    }
}

#[test]
fn expired_is_said_only_of_a_token_that_was_good() {
    let trust = Trust::new();
    let old = [("iat", 700), ("nbf", 700), ("exp", 100)]
        .map(|(name, ago)| (name, json!(now().timestamp() - ago)));
    let old = || with(claims(), &old);
    assert_eq!(trust.verdict_of_claims(&old()), Expired);
    for (name, wrong) in [
        ("iss", json!("http://evil")),
        ("aud", json!("billing")),
        ("jti", json!("")),
        ("sub", json!("alice")),
        ("iat", json!(0)),
        ("nbf", json!(now().timestamp() + 60)),
    ] {
        assert_eq!(trust.verdict_of_claims(&with(old(), &[(name, wrong)])), Invalid, "{name}");
    }
    let impostor = test_support::TestKey::generate("first");
    let forged = impostor.sign(&impostor.header(), &old());
    assert_eq!(trust.verdict(&forged), Invalid);
}
