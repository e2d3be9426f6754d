//! Claims that are missing, of a wrong type, or for another audience. Times are in `times`.

use serde_json::{Value, json};
use tandem_verifier::Caller;

use crate::support::{
    Trust,
    Verdict::{Expired, Good, Invalid},
    claims, key_set, now, verifier, with, without,
};

const REQUIRED: [&str; 5] = ["iss", "aud", "sub", "iat", "exp"];
const OPTIONAL: [&str; 3] = ["sid", "nbf", "jti"];

#[test]
fn a_good_token_names_its_caller() {
    let trust = Trust::new();
    let claims = claims();
    let token = trust.key.sign(&trust.key.header(), &claims);
    let caller = verifier(&key_set(&[trust.key.jwk()])).verify(&token, now()).unwrap();
    let Caller { id, session_id, .. } = caller;
    assert_eq!(json!(id), claims["sub"]);
    assert_eq!(json!(session_id.unwrap()), claims["sid"]);
}

#[test]
fn a_claim_that_the_verifier_uses_is_required() {
    let trust = Trust::new();
    for name in REQUIRED {
        assert_eq!(trust.fault_of_claims(&without(claims(), name)), Some(name));
    }
    for name in OPTIONAL {
        assert_eq!(trust.fault_of_claims(&without(claims(), name)), None, "{name}");
    }
}

#[test]
fn the_roles_of_a_token_are_those_of_its_caller() {
    let trust = Trust::new();
    let verifier = verifier(&key_set(&[trust.key.jwk()]));
    let roles = |claims: Value| -> Vec<String> {
        let token = trust.key.sign(&trust.key.header(), &claims);
        // Twice: the second caller comes from the cache.
        let [first, second] = [(); 2].map(|()| verifier.verify(&token, now()).unwrap().roles);
        assert_eq!(first, second);
        first.iter().map(str::to_owned).collect()
    };
    assert_eq!(roles(without(claims(), "roles")), Vec::<String>::new());
    let two = with(claims(), &[("roles", json!(["admin", "editor"]))]);
    assert_eq!(roles(two.clone()), ["admin", "editor"]);
    let token = trust.key.sign(&trust.key.header(), &two);
    let granted = verifier.verify(&token, now()).unwrap().roles;
    assert!(granted.contains("admin") && !granted.contains("adm") && !granted.contains("Admin"));
    // Other forms grant nothing: an issuer beside Tandem's can use them.
    for other in
        [Value::Null, json!("admin"), json!({ "admin": true }), json!([["admin"]]), json!(1)]
    {
        assert_eq!(roles(with(claims(), &[("roles", other)])), Vec::<String>::new());
    }
    let mixed = json!([{ "value": "admin" }, "editor", 1]);
    assert_eq!(roles(with(claims(), &[("roles", mixed)])), ["editor"]);
}

#[test]
fn a_claim_of_a_wrong_type_is_refused_by_name() {
    let trust = Trust::new();
    for name in [&REQUIRED[..], &OPTIONAL].concat() {
        let good = claims()[name].clone();
        for wrong in [
            Value::Null,
            json!(true),
            json!({}),
            json!({ "value": good }),
            json!([[good]]),
            json!([1]),
            json!(u64::MAX),
        ] {
            let fault = trust.fault_of_claims(&with(claims(), &[(name, wrong.clone())]));
            assert_eq!(fault, Some(name), "{wrong}");
        }
    }
}

#[test]
fn a_time_is_a_number_and_its_fraction_does_not_count() {
    let trust = Trust::new();
    for name in ["iat", "nbf", "exp"] {
        let good = claims()[name].as_i64().unwrap();
        #[expect(clippy::cast_precision_loss, reason = "it is below 2^53")]
        let float = good as f64;
        for equal in [json!(float), json!(float + 0.5), json!(float + 0.999)] {
            let fault = trust.fault_of_claims(&with(claims(), &[(name, equal.clone())]));
            assert_eq!(fault, None, "{name}: {equal}");
        }
        for wrong in [
            json!(""),
            json!(good.to_string()),
            json!([good]),
            json!(1e300),
            json!(-1e300),
            json!(2_f64.powi(53)),
        ] {
            let fault = trust.fault_of_claims(&with(claims(), &[(name, wrong.clone())]));
            assert_eq!(fault, Some(name), "{wrong}");
        }
    }
}

#[test]
fn a_text_is_no_number() {
    let trust = Trust::new();
    for name in ["iss", "aud", "sub", "sid", "jti"] {
        for wrong in [json!(0), json!(-1), json!(1), json!(1.5)] {
            let fault = trust.fault_of_claims(&with(claims(), &[(name, wrong)]));
            assert_eq!(fault, Some(name));
        }
    }
}

#[test]
fn the_user_is_a_uuid_in_any_spelling() {
    let trust = Trust::new();
    let verifier = verifier(&key_set(&[trust.key.jwk()]));
    let good = claims()["sub"].as_str().unwrap().to_owned();
    let simple = good.replace('-', "");
    let spellings = [
        good.to_uppercase(),
        simple.to_uppercase(),
        simple,
        format!("{{{good}}}"),
        format!("urn:uuid:{good}"),
        good.clone(),
    ];
    for spelling in spellings {
        let claims = with(claims(), &[("sub", json!(spelling)), ("sid", json!(spelling))]);
        let token = trust.key.sign(&trust.key.header(), &claims);
        let caller = verifier.verify(&token, now()).unwrap();
        assert_eq!(json!(caller.id), json!(good));
        assert_eq!(json!(caller.session_id.unwrap()), json!(good));
    }
    for wrong in [
        &good[1..],
        &format!("{good}0"),
        &good.replace('-', "_"),
        &format!(" {good}"),
        "alice",
        "",
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
    ] {
        let fault = trust.fault_of_claims(&with(claims(), &[("sub", json!(wrong))]));
        assert_eq!(fault, Some("sub"), "{wrong}");
    }
}

#[test]
fn a_token_names_a_session_only_by_a_uuid() {
    let trust = Trust::new();
    let verifier = verifier(&key_set(&[trust.key.jwk()]));
    let session_of = |claims: Value| {
        let token = trust.key.sign(&trust.key.header(), &claims);
        verifier.verify(&token, now()).unwrap().session_id
    };
    assert_eq!(session_of(without(claims(), "sid")), None);
    for other in ["08a5019c-17e1-4977-8f42", "", "00000000-0000-0000-0000-000000000000"] {
        assert_eq!(session_of(with(claims(), &[("sid", json!(other))])), None, "{other}");
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
    assert_eq!(trust.fault_of_claims(&several), Some("iss"));
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
    let claims = with(
        claims(),
        &[
            ("scope", json!("x")),
            ("client_id", Value::Null),
            ("admin", json!({ "deep": [1, null] })),
        ],
    );
    assert_eq!(trust.verdict_of_claims(&claims), Good);
}

#[test]
fn claims_that_are_no_object_are_refused() {
    let trust = Trust::new();
    for claims in [json!([]), json!([claims()]), json!(null), json!("x"), json!(1)] {
        assert_eq!(trust.fault_of_claims(&claims), Some("claims"), "{claims}");
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
        ("jti", json!(1)),
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
