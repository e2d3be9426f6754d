//! Headers: one algorithm, one type, one known key, and nothing that brings a key along.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use test_support::TestKey;

use crate::support::{
    Trust,
    Verdict::{Good, Invalid},
    claims, fault, key_set, verifier, with, without,
};

fn encode(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

#[test]
fn the_algorithm_is_es256() {
    let trust = Trust::new();
    for wrong in ["none", "None", "NONE", "HS256", "ES384", "RS256", "PS256", "EdDSA", "es256", ""]
    {
        let header = with(trust.key.header(), &[("alg", json!(wrong))]);
        assert_eq!(trust.verdict_of_header(&header), Invalid, "{wrong}");
    }
    for wrong in [Value::Null, json!(["ES256"]), json!(1)] {
        let header = with(trust.key.header(), &[("alg", wrong)]);
        assert_eq!(trust.verdict_of_header(&header), Invalid);
    }
    assert_eq!(trust.verdict_of_header(&without(trust.key.header(), "alg")), Invalid);
}

#[test]
fn a_token_without_a_signature_is_refused() {
    let trust = Trust::new();
    for alg in ["none", "ES256"] {
        let header = with(trust.key.header(), &[("alg", json!(alg))]);
        let message = format!("{}.{}", encode(&header), encode(&claims()));
        for token in [message.clone(), format!("{message}.")] {
            assert_eq!(trust.verdict(&token), Invalid, "{alg}");
        }
    }
}

#[test]
fn the_public_key_is_no_shared_secret() {
    let trust = Trust::new();
    let jwk = trust.key.jwk();
    let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    let (x, y) = (coordinate("x"), coordinate("y"));
    let secrets = [
        [vec![4], x.clone(), y.clone()].concat(),
        [x.clone(), y].concat(),
        x,
        jwk.to_string().into_bytes(),
        Vec::new(),
    ];
    for alg in ["HS256", "ES256"] {
        let header = with(trust.key.header(), &[("alg", json!(alg))]);
        let message = format!("{}.{}", encode(&header), encode(&claims()));
        for secret in &secrets {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            let tag = hmac::sign(&key, message.as_bytes());
            let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag));
            assert_eq!(trust.verdict(&token), Invalid, "{alg}");
        }
    }
}

#[test]
fn the_type_is_that_of_an_access_token() {
    let trust = Trust::new();
    for (typ, expected) in [
        (json!("at+jwt"), Good),
        (json!("AT+JWT"), Good),
        (json!("application/at+jwt"), Good),
        (json!("Application/At+Jwt"), Good),
        (json!("JWT"), Invalid),
        (json!("at+jwt "), Invalid),
        (json!("text/at+jwt"), Invalid),
        (json!("application/application/at+jwt"), Invalid),
        (json!("logout+jwt"), Invalid),
        (json!(""), Invalid),
        (Value::Null, Invalid),
        (json!(["at+jwt"]), Invalid),
    ] {
        let header = with(trust.key.header(), &[("typ", typ.clone())]);
        assert_eq!(trust.verdict_of_header(&header), expected, "{typ}");
    }
    assert_eq!(trust.verdict_of_header(&without(trust.key.header(), "typ")), Invalid);
}

#[test]
fn the_key_is_named_and_known() {
    let trust = Trust::new();
    for wrong in
        [json!("second"), json!("First"), json!(""), json!("first\0"), json!(1), Value::Null]
    {
        let header = with(trust.key.header(), &[("kid", wrong.clone())]);
        assert_eq!(trust.fault_of_header(&header), Some("kid"), "{wrong}");
    }
}

#[test]
fn a_token_that_names_no_key_is_of_the_only_one() {
    let [key, other] = [TestKey::generate("first"), TestKey::generate("second")];
    let nameless = || without(key.header(), "kid");
    let token = key.sign(&nameless(), &claims());
    let nameless_jwk = without(key.jwk(), "kid");
    for (keys, expected) in [
        (&[key.jwk()][..], None),
        (std::slice::from_ref(&nameless_jwk), None),
        (&[other.jwk()], Some("signature")),
        (&[key.jwk(), other.jwk()], Some("kid")),
        (&[nameless_jwk.clone(), other.jwk()], Some("kid")),
    ] {
        assert_eq!(fault(&verifier(&key_set(keys)), &token), expected, "{keys:?}");
    }
    let named = key.sign(&key.header(), &claims());
    assert_eq!(fault(&verifier(&key_set(&[nameless_jwk])), &named), Some("kid"));
}

#[test]
fn an_extension_that_must_be_understood_is_refused() {
    let trust = Trust::new();
    for crit in [json!(["exp"]), json!(["b64"]), json!([]), json!("exp"), json!({}), Value::Null] {
        let header = with(trust.key.header(), &[("crit", crit.clone()), ("b64", json!(true))]);
        assert_eq!(trust.fault_of_header(&header), Some("crit"), "{crit}");
    }
}

#[test]
fn a_key_that_the_token_brings_along_is_never_used() {
    let trust = Trust::new();
    let attacker = TestKey::generate("first");
    let jwk = attacker.jwk();
    let url = json!("http://127.0.0.1:1/jwks.json");
    for members in [
        vec![],
        vec![("jwk", jwk.clone())],
        vec![("jku", url.clone())],
        vec![("x5u", url)],
        vec![("x5c", json!([jwk["x"]]))],
        vec![("jwk", jwk), ("kid", json!("attacker"))],
    ] {
        let header = with(attacker.header(), &members);
        assert_eq!(trust.verdict(&attacker.sign(&header, &claims())), Invalid, "{members:?}");
    }
}

#[test]
fn a_header_that_is_no_object_is_refused() {
    let trust = Trust::new();
    for header in [json!([]), json!(["at+jwt", "ES256"]), json!(null), json!("ES256"), json!({})] {
        assert_eq!(trust.verdict_of_header(&header), Invalid, "{header}");
    }
}
