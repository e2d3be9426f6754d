//! The signing key in the database: useless to an attacker who reads or changes it there.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::support::{App, OTHER_ROOT_KEY, ROOT_KEY};

/// The error with which a service on the same database, with these flags, ends at its start.
async fn fatal(app: &App, flags: &[&str]) -> String {
    let other = App::launch(&app.database, flags).await;
    other.service.ended().await.expect_err("the service fails to start").causes()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test]
async fn with_a_wrong_root_key_the_service_ends_and_names_the_setting() {
    let app = App::start().await;
    let causes = fatal(&app, &["--root-key", OTHER_ROOT_KEY]).await;
    assert!(causes.contains("AUTH_ROOT_KEY"), "{causes}");
    for key in [ROOT_KEY, OTHER_ROOT_KEY] {
        assert!(!causes.contains(key), "{causes}");
    }
}

#[tokio::test]
async fn with_a_wrong_root_key_the_service_changes_nothing() {
    let app = App::start().await;
    let rows = "select json_agg(k)::text from auth.signing_keys k";
    let before = app.query(rows).await;
    fatal(&app, &["--root-key", OTHER_ROOT_KEY]).await;
    assert_eq!(app.query(rows).await, before);
}

#[tokio::test]
async fn the_stored_key_is_sealed() {
    let app = App::start().await;
    let query = sqlx::query_scalar("select sealed_private_key from auth.signing_keys");
    let sealed: Vec<u8> = query.fetch_one(&app.database.pool().await).await.unwrap();
    // Every PKCS #8 document of a P-256 key contains the curve's id and the public point.
    let curve = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    let x = URL_SAFE_NO_PAD.decode(app.key().await.x).unwrap();
    assert!(sealed.len() > 100, "{} bytes", sealed.len());
    assert!(!contains(&sealed, &curve) && !contains(&sealed, &x));
}

#[tokio::test]
async fn with_a_changed_or_renamed_stored_key_the_service_ends() {
    let key = "sealed_private_key";
    for change in [
        "kid = 'renamed'".to_owned(),
        format!("{key} = set_byte({key}, 0, 255 - get_byte({key}, 0))"),
        format!("{key} = set_byte({key}, 60, 255 - get_byte({key}, 60))"),
        format!("{key} = substring({key} for 40)"),
        format!("{key} = ''"),
    ] {
        let app = App::start().await;
        app.database.execute(format!("update auth.signing_keys set {change}")).await;
        let causes = fatal(&app, &[]).await;
        assert!(causes.contains("AUTH_ROOT_KEY"), "{change}: {causes}");
    }
}
