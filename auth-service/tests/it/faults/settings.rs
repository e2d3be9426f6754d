//! A database with settings or an encoding that the SQL does not expect.

use std::sync::Arc;

use test_support::TestDatabase;

use crate::support::{App, run};

#[tokio::test]
async fn the_settings_of_a_database_do_not_change_its_sessions() {
    let database = Arc::new(TestDatabase::create().await);
    // A shadowed operator that fails, for types that the statements compare.
    database
        .execute(
            "create function public.fail(text, text) returns boolean language plpgsql as $$
                 begin raise exception 'shadowed'; end
             $$;
             create operator public.= (function = public.fail, leftarg = text, rightarg = text);
             do $$
             declare setting text;
             begin
                 foreach setting in array array[
                     'search_path = public, pg_catalog',
                     'default_transaction_isolation = serializable',
                     'default_transaction_read_only = on',
                     'statement_timeout = 1',
                     'idle_session_timeout = 100'
                 ] loop
                     execute format('alter database %I set ', current_database()) || setting;
                 end loop;
             end $$",
        )
        .await;
    let app = App::launch(&database, &[]).await;
    app.service.eventually_ready().await;
    app.register("ada").await;
    app.log_in("ada").await;
}

#[tokio::test]
async fn a_database_that_is_not_in_utf_8_is_rejected_with_the_remedy() {
    let database = TestDatabase::create().await;
    let name = format!("latin_{}", std::process::id());
    let create = "encoding 'LATIN1' locale 'C' template template0";
    database.execute(format!("create database {name} {create}")).await;
    let mut url: url::Url = database.url().parse().unwrap();
    url.set_path(&name);
    let ended = run(&["migrate"], &[("DATABASE_URL", url.as_str())]).await;
    database.execute(format!("drop database {name}")).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("encoding is LATIN1: create it with"), "{ended:?}");
}
