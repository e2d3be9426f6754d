//! Key sets: which keys of a set verify tokens, and which sets are refused as a whole.

use serde_json::{Value, json};
use tandem_verifier::{InvalidKeySet, KeySet};
use test_support::TestKey;

use crate::support::{
    Verdict::{Good, Invalid},
    claims, key_set, verdict, verifier, with, without,
};

/// Whether a set of this one key is refused because it has no usable key.
fn is_unusable(jwk: &Value) -> bool {
    matches!(parse(std::slice::from_ref(jwk)), Err(InvalidKeySet::NoUsableKey))
}

fn parse(keys: &[Value]) -> Result<KeySet, InvalidKeySet> {
    KeySet::parse(key_set(keys).as_bytes())
}

fn numbered(count: usize) -> Vec<Value> {
    let jwk = TestKey::generate("key").jwk();
    (0..count).map(|number| with(jwk.clone(), &[("kid", json!(number.to_string()))])).collect()
}

/// A text of `count` characters that is base64url of as many bytes as fit.
fn base64(count: usize) -> Value {
    json!("A".repeat(count))
}

#[test]
fn a_member_that_need_not_be_there_may_be_absent() {
    let jwk = TestKey::generate("first").jwk();
    assert!(!is_unusable(&jwk));
    for name in ["alg", "kid", "use"] {
        assert!(!is_unusable(&without(jwk.clone(), name)), "{name}");
    }
    for (name, value) in [
        ("key_ops", json!(["verify"])),
        ("key_ops", json!(["sign", "verify"])),
        ("x5t", json!("whatever")),
        ("nbf", json!(1)),
    ] {
        assert!(!is_unusable(&with(jwk.clone(), &[(name, value.clone())])), "{name}: {value}");
    }
}

#[test]
fn a_key_that_is_not_for_es256_signatures_is_left_out() {
    let jwk = TestKey::generate("first").jwk();
    for (name, value) in [
        ("kty", json!("RSA")),
        ("kty", json!("oct")),
        ("kty", json!("OKP")),
        ("kty", json!("ec")),
        ("kty", json!("")),
        ("crv", json!("P-384")),
        ("crv", json!("secp256k1")),
        ("crv", json!("p-256")),
        ("crv", Value::Null),
        ("alg", json!("ES384")),
        ("alg", json!("HS256")),
        ("alg", json!("")),
        ("use", json!("enc")),
        ("use", json!("")),
        ("key_ops", json!([])),
        ("key_ops", json!(["sign"])),
        ("key_ops", json!(["encrypt", "wrapKey"])),
        ("kid", json!("")),
        ("d", base64(43)),
        ("d", json!("")),
    ] {
        assert!(is_unusable(&with(jwk.clone(), &[(name, value.clone())])), "{name}: {value}");
    }
    for name in ["crv", "x", "y"] {
        assert!(is_unusable(&without(jwk.clone(), name)), "{name}");
    }
}

#[test]
fn a_point_off_the_curve_is_no_key() {
    let (jwk, other) = (TestKey::generate("first").jwk(), TestKey::generate("second").jwk());
    for (name, value) in [("x", other["x"].clone()), ("y", other["y"].clone()), ("y", base64(43))] {
        assert!(is_unusable(&with(jwk.clone(), &[(name, value.clone())])), "{name}: {value}");
    }
}

#[test]
fn a_coordinate_has_32_bytes() {
    let jwk = TestKey::generate("first").jwk();
    for name in ["x", "y"] {
        let good = jwk[name].as_str().unwrap();
        for wrong in [
            json!(""),
            base64(42),
            base64(44),
            base64(64),
            base64(86),
            json!(format!("{good}=")),
            json!(format!("{good}A")),
            json!(format!(" {good}")),
            json!(format!("{}/", &good[..42])),
            json!("é".repeat(22)),
            Value::Null,
        ] {
            assert!(is_unusable(&with(jwk.clone(), &[(name, wrong.clone())])), "{name}: {wrong}");
        }
    }
}

#[test]
fn a_point_beside_the_curve_verifies_nothing() {
    let key = TestKey::generate("first");
    for (x, y) in [(base64(43), base64(43)), (base64(43), key.jwk()["y"].clone())] {
        let jwk = with(key.jwk(), &[("x", x), ("y", y)]);
        let Ok(_) = parse(std::slice::from_ref(&jwk)) else { continue };
        let token = key.sign(&key.header(), &claims());
        assert_eq!(verdict(&verifier(&key_set(&[jwk])), &token), Invalid);
    }
}

#[test]
fn two_keys_of_one_name_are_refused() {
    let [one, other] = [TestKey::generate("same").jwk(), TestKey::generate("same").jwk()];
    for keys in [[one.clone(), other.clone()], [one.clone(), one.clone()], [other, one]] {
        assert!(matches!(parse(&keys), Err(InvalidKeySet::DuplicateKid)));
    }
}

#[test]
fn a_set_holds_16_keys_at_most() {
    assert!(parse(&numbered(16)).is_ok());
    assert!(matches!(parse(&numbered(17)), Err(InvalidKeySet::TooManyKeys(17))));
    let foreign = with(TestKey::generate("foreign").jwk(), &[("use", json!("enc"))]);
    let with_foreign = [numbered(16), vec![foreign]].concat();
    assert!(matches!(parse(&with_foreign), Err(InvalidKeySet::TooManyKeys(17))));
}

#[test]
fn a_set_without_usable_keys_is_refused() {
    for keys in [&[][..], &[json!("key")], &[Value::Null], &[json!({})]] {
        assert!(matches!(parse(keys), Err(InvalidKeySet::NoUsableKey)), "{keys:?}");
    }
}

#[test]
fn what_is_no_key_set_is_refused() {
    let good = key_set(&numbered(1));
    for bad in [
        "",
        "null",
        "{}",
        "[]",
        "<html>",
        r#"{"keys":null}"#,
        r#"{"keys":{}}"#,
        r#"{"keys":[],"keys":[]}"#,
        &good[..good.len() - 1],
        &format!("{good}x"),
        &"[".repeat(60_000),
    ] {
        let start: String = bad.chars().take(40).collect();
        let parsed = KeySet::parse(bad.as_bytes());
        assert!(matches!(parsed, Err(InvalidKeySet::Json(_))), "{start}");
    }
    assert!(matches!(KeySet::parse(b"\xff\xfe"), Err(InvalidKeySet::Json(_))));
}

#[test]
fn each_key_of_a_set_verifies_its_own_tokens_and_foreign_keys_do_no_harm() {
    let [one, other] = [TestKey::generate("one"), TestKey::generate("other")];
    let stranger = TestKey::generate("one");
    let foreign = [
        json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "one" }),
        json!({ "kty": "OKP", "crv": "Ed25519", "x": "AAAA", "kid": "other" }),
        with(stranger.jwk(), &[("crv", json!("P-384"))]),
        with(stranger.jwk(), &[("d", base64(43))]),
        with(stranger.jwk(), &[("key_ops", json!("verify"))]),
        json!("key"),
        Value::Null,
    ];
    let keys = [&foreign[..2], &[one.jwk(), other.jwk()], &foreign[2..]].concat();
    let verifier = verifier(&key_set(&keys));
    for key in [&one, &other] {
        assert_eq!(verdict(&verifier, &key.sign(&key.header(), &claims())), Good);
    }
    assert_eq!(verdict(&verifier, &stranger.sign(&stranger.header(), &claims())), Invalid);
    // A good signature under the other key's name.
    assert_eq!(verdict(&verifier, &one.sign(&other.header(), &claims())), Invalid);
}
