//! Faults injected into the database, which make calls slow, stuck or wrong.

use sqlx::{Connection as _, PgConnection, raw_sql};
use test_support::eventually;

use super::App;

impl App {
    /// Runs these PL/pgSQL statements before each insert into `auth.users`.
    pub(crate) async fn before_each_new_user(&self, statements: &str) {
        let sql = format!(
            "create function sabotage() returns trigger language plpgsql
             as $$ begin {statements}; return new; end $$;
             create trigger sabotage before insert on auth.users
             for each row execute function sabotage()"
        );
        self.database.execute(sql).await;
    }

    /// Sets the stored password hash of every user.
    pub(crate) async fn store_password_hash(&self, hash: &str) {
        self.database.execute(format!("update auth.users set password_hash = '{hash}'")).await;
    }

    /// Locks `auth.users` for all other connections.
    pub(crate) async fn lock_users(&self) -> UsersLock {
        let url = self.database.url();
        let mut connection = PgConnection::connect(url).await.expect("the database is up");
        let lock = raw_sql("begin; lock table auth.users in access exclusive mode");
        lock.execute(&mut connection).await.expect("the table is locked");
        UsersLock(connection)
    }

    /// Locks each row of `auth.users` against changes by other connections.
    pub(crate) async fn lock_each_user(&self) -> RowLocks {
        let url = self.database.url();
        let mut connection = PgConnection::connect(url).await.expect("the database is up");
        let lock = raw_sql("begin; select from auth.users for update");
        lock.execute(&mut connection).await.expect("the rows are locked");
        RowLocks(connection)
    }

    /// Kills every database connection of the service.
    pub(crate) async fn kill_backends(&self) {
        let kill = "select pg_terminate_backend(pid) from pg_stat_activity
                    where datname = current_database() and application_name = 'auth-service'";
        self.database.execute(kill).await;
    }
}

/// An exclusive lock on `auth.users`.
pub(crate) struct UsersLock(PgConnection);

impl UsersLock {
    /// Waits until this many statements wait for the lock.
    pub(crate) async fn eventually_blocks(&mut self, statements: i64) {
        let blocked = "select count(*) from pg_locks join pg_database on pg_database.oid = database
                       where datname = current_database()
                       and not granted and relation = 'auth.users'::regclass";
        eventually("statements wait for the lock", async || {
            let count = sqlx::query_scalar::<_, i64>(blocked).fetch_one(&mut self.0).await;
            count.expect("the locks can be read") == statements
        })
        .await;
    }

    pub(crate) async fn release(self) {
        self.0.close().await.expect("the connection closes");
    }
}

/// Locks of the rows of `auth.users`.
pub(crate) struct RowLocks(PgConnection);

impl RowLocks {
    /// Waits until this many statements, whose snapshots are taken by then, wait for a row.
    pub(crate) async fn eventually_block(&mut self, statements: i64) {
        // The first waits for our transaction, the others for their turn at the row.
        let blocked = "select count(*) from pg_locks
                       where not granted
                       and (transactionid = pg_current_xact_id()::xid
                           or locktype = 'tuple' and relation = 'auth.users'::regclass
                           and database = (select oid from pg_database
                                           where datname = current_database()))";
        eventually("statements wait for a row", async || {
            // PostgreSQL keeps the first answer until the transaction ends.
            let clear = raw_sql("select pg_stat_clear_snapshot()").execute(&mut self.0).await;
            clear.expect("the snapshot is cleared");
            let count = sqlx::query_scalar::<_, i64>(blocked).fetch_one(&mut self.0).await;
            count.expect("the activity can be read") == statements
        })
        .await;
    }

    pub(crate) async fn release(mut self) {
        raw_sql("commit").execute(&mut self.0).await.expect("the transaction ends");
    }
}
