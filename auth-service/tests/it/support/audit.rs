//! The rows of the audit log.

use serde_json::Value;
use sqlx::{Connection as _, PgConnection, raw_sql};
use test_support::eventually;

use super::App;

impl App {
    /// All rows but those about signing keys, in the order in which they were recorded.
    pub(crate) async fn audit_rows(&self) -> Vec<Value> {
        let rows = "select coalesce(json_agg(to_jsonb(row) order by id), '[]')::text
                    from auth.events as row
                    where event not like 'signing_key%'";
        serde_json::from_str(&self.query(rows).await).expect("the rows are JSON")
    }

    /// Waits until there are this many of them.
    pub(crate) async fn eventually_audit_rows(&self, count: usize) -> Vec<Value> {
        let mut rows = Vec::new();
        eventually(&format!("there are {count} rows"), async || {
            rows = self.audit_rows().await;
            rows.len() >= count
        })
        .await;
        assert_eq!(rows.len(), count, "{rows:#?}");
        rows
    }

    /// The number of rows that were lost for this reason.
    pub(crate) async fn audit_rows_lost(&self, reason: &str) -> u64 {
        let series = format!("tandem_auth_audit_rows_lost_total{{reason=\"{reason}\"}}");
        self.service.count(&series).await
    }

    /// Locks `auth.events` for all other connections until the connection is dropped.
    pub(crate) async fn lock_events(&self) -> PgConnection {
        let url = self.database.url();
        let mut connection = PgConnection::connect(url).await.expect("the database is up");
        let lock = raw_sql("begin; lock table auth.events in access exclusive mode");
        lock.execute(&mut connection).await.expect("the table is locked");
        connection
    }
}
