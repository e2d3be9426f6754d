//! Encoding: three parts of base64url without padding, and JSON that means one thing.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tandem_verifier::Verifier;

use crate::support::{
    Trust,
    Verdict::{self, Good, Invalid},
    claims, fault, key_set, verdict, verifier, verifier_of, with,
};

const HEADER: &str = r#"{"alg":"ES256","typ":"at+jwt","kid":"first"}"#;

/// Signs texts that no JSON library writes.
struct Pen {
    pair: EcdsaKeyPair,
    jwk: Value,
    verifier: Verifier,
}

impl Pen {
    fn new() -> Self {
        let pair =
            EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("there is randomness");
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let jwk = json!({ "kty": "EC", "crv": "P-256", "kid": "first", "x": x, "y": y });
        Self { verifier: verifier(&key_set(std::slice::from_ref(&jwk))), jwk, pair }
    }

    fn verdict(&self, header: &[u8], claims: &[u8]) -> Verdict {
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
        self.verdict_of_parts(&header, &claims)
    }

    fn fault(&self, header: &[u8], claims: &[u8]) -> Option<&'static str> {
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
        fault(&self.verifier, &self.sign(&header, &claims))
    }

    fn verdict_of_parts(&self, header: &str, claims: &str) -> Verdict {
        verdict(&self.verifier, &self.sign(header, claims))
    }

    fn sign(&self, header: &str, claims: &str) -> String {
        let message = format!("{header}.{claims}");
        let signature =
            self.pair.sign(&SystemRandom::new(), message.as_bytes()).expect("P-256 signs anything");
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

#[test]
fn a_token_has_three_parts_and_nothing_around_them() {
    let trust = Trust::new();
    let token = trust.token();
    let parts: Vec<_> = token.split('.').collect();
    let &[header, claims, signature] = parts.as_slice() else { panic!("{token}") };
    for changed in [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        format!("{header}.{claims}"),
        format!("{header}.{claims}."),
        format!("{header}..{signature}"),
        format!(".{claims}.{signature}"),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{signature}"),
        format!("{token}.x.y"),
        format!("{header}.{header}.{signature}"),
        format!("{claims}.{claims}.{signature}"),
        format!("{token} "),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{token}\0"),
        format!("{token}{token}"),
        format!("{token},{token}"),
    ] {
        assert_eq!(trust.verdict(&changed), Invalid, "{changed:?}");
    }
    assert_eq!(trust.verdict(&token), Good);
}

#[test]
fn a_signature_of_another_length_is_refused() {
    let trust = Trust::new();
    let token = trust.token();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    for changed in [
        signature[..63].to_vec(),
        signature[..32].to_vec(),
        signature[..1].to_vec(),
        [&signature[..], &[0]].concat(),
        [&[0], &signature[..]].concat(),
        [&signature[..], &signature].concat(),
        vec![0; 64],
        vec![0xff; 64],
        [&[0; 32], &signature[32..]].concat(),
        [&signature[..32], &[0; 32]].concat(),
        [&signature[32..], &signature[..32]].concat(),
        vec![0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00],
    ] {
        let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(&changed));
        assert_eq!(trust.verdict(&token), Invalid, "{changed:02x?}");
    }
}

#[test]
fn base64_is_of_the_one_kind_and_without_padding() {
    let pen = Pen::new();
    // One white space more or less: each of the three lengths that base64 treats differently.
    for spaces in 0..3 {
        let claims = format!("{}{}", claims(), " ".repeat(spaces));
        let (header, claims) = (URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(claims));
        assert_eq!(pen.verdict_of_parts(&header, &claims), Good);
        for end in ["=", "==", "===", "A", "!", "\n", " ", "\0", "é"] {
            let longer = format!("{claims}{end}");
            assert_eq!(pen.verdict_of_parts(&header, &longer), Invalid, "{end:?}");
            let longer = format!("{header}{end}");
            assert_eq!(pen.verdict_of_parts(&longer, &claims), Invalid, "{end:?}");
        }
    }
}

#[test]
fn the_other_alphabet_is_refused() {
    let pen = Pen::new();
    let claims = claims().to_string().replace('{', r#"{"x":"???>>>","#);
    let encoded = URL_SAFE_NO_PAD.encode(claims);
    assert!(encoded.contains('_') || encoded.contains('-'), "{encoded}");
    let header = URL_SAFE_NO_PAD.encode(HEADER);
    assert_eq!(pen.verdict_of_parts(&header, &encoded), Good);
    let other = encoded.replace('_', "/").replace('-', "+");
    assert_eq!(pen.verdict_of_parts(&header, &other), Invalid);
}

#[test]
fn a_member_that_is_there_twice_is_refused() {
    let pen = Pen::new();
    let claims = claims();
    for (name, value) in claims.as_object().unwrap() {
        let twice = claims.to_string().replacen('{', &format!("{{\"{name}\":{value},"), 1);
        assert_eq!(pen.fault(HEADER.as_bytes(), twice.as_bytes()), Some(name.as_str()));
    }
    let unknown = claims.to_string().replacen('{', r#"{"scope":"a","scope":"a","#, 1);
    assert_eq!(pen.fault(HEADER.as_bytes(), unknown.as_bytes()), None);
    for member in [r#""alg":"ES256""#, r#""typ":"at+jwt""#, r#""kid":"first""#] {
        let twice = HEADER.replacen('{', &format!("{{{member},"), 1);
        let claims = claims.to_string();
        assert_eq!(pen.verdict(twice.as_bytes(), claims.as_bytes()), Invalid, "{member}");
    }
}

#[test]
fn equal_texts_may_be_escaped_differently() {
    let issuer = "https://bücher.example/日本/🔑";
    let pen = Pen::new();
    let verifier = verifier_of(&pen.jwk, issuer);
    let claims = with(claims(), &[("iss", json!(issuer))]).to_string();
    let escaped = claims
        .replace('/', r"\/")
        .replace('ü', r"\u00fc")
        .replace('日', r"\u65E5")
        .replace('🔑', r"\ud83d\udd11");
    for claims in [&claims, &escaped] {
        let [header, claims] = [HEADER, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
        assert_eq!(fault(&verifier, &pen.sign(&header, &claims)), None);
    }
    let decomposed = claims.replace('ü', "u\u{308}");
    let [header, claims] = [HEADER, &decomposed].map(|part| URL_SAFE_NO_PAD.encode(part));
    assert_eq!(fault(&verifier, &pen.sign(&header, &claims)), Some("iss"));
}

#[test]
fn numbers_are_written_in_any_form_of_json() {
    let pen = Pen::new();
    let claims = claims().to_string();
    for (exp, expected) in [
        ("1800000600.0", None),
        ("1.8000006e9", None),
        ("18000006E+02", None),
        ("1800000600.000000000000000000000000000001", None),
        ("1e400", Some("claims")),
        ("99999999999999999999999999999999", Some("exp")),
        ("0x6b49d458", Some("claims")),
        ("01800000600", Some("claims")),
        ("+1800000600", Some("claims")),
        ("NaN", Some("claims")),
    ] {
        let claims = claims.replace("1800000600", exp);
        assert_eq!(pen.fault(HEADER.as_bytes(), claims.as_bytes()), expected, "{exp}");
    }
}

#[test]
fn text_that_is_no_json_is_refused() {
    let pen = Pen::new();
    let claims = claims().to_string();
    let header = HEADER.as_bytes();
    assert_eq!(pen.verdict(header, claims.as_bytes()), Good);
    for bad in [
        String::new(),
        "x".into(),
        claims[1..].into(),
        claims[..claims.len() - 1].into(),
        format!("{claims}{claims}"),
        format!("{claims}x"),
        format!("{claims}\0"),
        format!("\u{feff}{claims}"),
        format!("/**/{claims}"),
        claims.replace('"', "'"),
        claims.replacen('}', ",}", 1),
        "[".repeat(100_000),
        "{\"a\":".repeat(100_000),
    ] {
        let start: String = bad.chars().take(40).collect();
        assert_eq!(pen.verdict(header, bad.as_bytes()), Invalid, "{start}");
        assert_eq!(pen.verdict(bad.as_bytes(), claims.as_bytes()), Invalid, "{start}");
    }
    assert_eq!(pen.verdict(header, &[claims.as_bytes(), b"\xff"].concat()), Invalid);
    let not_utf8 = claims.replacen("jti\":\"", "jti\":\"?", 1).replace('?', "\u{1}");
    assert_eq!(pen.verdict(header, not_utf8.as_bytes()), Invalid, "a raw control character");
}
