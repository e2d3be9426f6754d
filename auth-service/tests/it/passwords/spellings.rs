//! The same password in other bytes (RFC 8265), and hashes from before passwords were prepared.

use std::time::Instant;

use test_support::refusal;

use crate::support::{App, PASSWORD, credentials_invalid};

/// As typed on Windows: composed, with a space.
const COMPOSED: &str = "vingt-cinq \u{e9}toiles d'\u{e9}t\u{e9}";
/// As typed on macOS: decomposed, with a no-break space.
const DECOMPOSED: &str = "vingt-cinq\u{a0}e\u{301}toiles d'e\u{301}te\u{301}";

fn hash(password: &str) -> String {
    bcrypt::non_truncating_hash(password, 4).expect("the password is short")
}

impl App {
    async fn password_hash(&self) -> String {
        self.query("select password_hash from auth.users").await
    }
}

#[tokio::test]
async fn a_password_matches_however_its_characters_are_encoded() {
    let app = App::start().await;
    for (name, chosen) in [("ada", COMPOSED), ("bob", DECOMPOSED)] {
        app.try_register(name, chosen).await.unwrap();
        for typed in [COMPOSED, DECOMPOSED] {
            app.try_log_in(name, typed).await.unwrap();
        }
        let other = COMPOSED.replace('\u{e9}', "e");
        assert_eq!(refusal(app.try_log_in(name, &other).await), credentials_invalid());
    }
}

#[tokio::test]
async fn the_password_of_a_change_is_prepared_too() {
    let app = App::start().await;
    let login = app.new_login("ada").await;
    login.change_password(PASSWORD, DECOMPOSED).await.unwrap();
    app.try_log_in("ada", COMPOSED).await.unwrap();
    login.change_password(COMPOSED, PASSWORD).await.unwrap();
    app.log_in("ada").await;
}

#[tokio::test]
async fn a_hash_of_the_bytes_as_typed_still_matches_and_is_replaced() {
    let app = App::start().await;
    app.register("ada").await;
    let old = hash(DECOMPOSED);
    app.store_password_hash(&old).await;
    assert_eq!(refusal(app.try_log_in("ada", COMPOSED).await), credentials_invalid());
    app.try_log_in("ada", DECOMPOSED).await.unwrap();
    let new = app.password_hash().await;
    assert!(bcrypt::non_truncating_verify(COMPOSED, &new).unwrap(), "{new}");
    for typed in [COMPOSED, DECOMPOSED] {
        app.try_log_in("ada", typed).await.unwrap();
    }
    assert_eq!(app.password_hash().await, new, "it is replaced once");
}

#[tokio::test]
async fn an_old_password_that_normalisation_makes_too_long_still_matches() {
    let app = App::start().await;
    app.register("ada").await;
    // U+0958 has 3 bytes, and 6 in NFC.
    let long = "\u{958}".repeat(20);
    let old = hash(&long);
    app.store_password_hash(&old).await;
    app.try_log_in("ada", &long).await.unwrap();
    assert_eq!(app.password_hash().await, old);
}

#[tokio::test]
async fn a_password_with_nul_never_matches() {
    let app = App::start().await;
    app.register("ada").await;
    for typed in [
        format!("{PASSWORD}\0{PASSWORD}"),
        format!("{PASSWORD}\0{PASSWORD}\0{PASSWORD}"),
        format!("{PASSWORD}\0"),
    ] {
        assert_eq!(refusal(app.try_log_in("ada", &typed).await), credentials_invalid());
    }
    // An account cannot have such a password, whatever its hash says.
    let stored = format!("{DECOMPOSED}\0x");
    app.store_password_hash(&hash(&stored)).await;
    assert_eq!(refusal(app.try_log_in("ada", &stored).await), credentials_invalid());
}

#[tokio::test]
async fn a_wrong_password_takes_as_long_for_an_unknown_name_in_either_form() {
    let app = App::with(&["--bcrypt-cost", "8"]).await;
    app.register("ada").await;
    let time = async |name, typed| {
        let begun = Instant::now();
        app.try_log_in(name, typed).await.unwrap_err();
        begun.elapsed().as_secs_f64()
    };
    for typed in [COMPOSED, DECOMPOSED] {
        // In turns, since other tests share the machine.
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for _ in 0..15 {
            known.push(time("ada", typed).await);
            unknown.push(time("bob", typed).await);
        }
        let [known, unknown] = [known, unknown].map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        });
        // A second hash would double the time.
        let ratio = unknown / known;
        assert!((0.6..1.6).contains(&ratio), "{typed:?}: {ratio} times as long");
    }
}
