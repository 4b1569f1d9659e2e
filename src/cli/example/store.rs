//! The database: its schema, and the users. Groups are in [`memberships`](super::memberships).

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::failure::{Failure, Problem};
use super::fields::Changes;

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA foreign_keys = ON;
    CREATE TABLE IF NOT EXISTS users (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        login TEXT NOT NULL,
        login_key TEXT NOT NULL UNIQUE,
        email TEXT,
        email_key TEXT UNIQUE,
        first_name TEXT,
        last_name TEXT,
        display_name TEXT,
        title TEXT,
        phone TEXT,
        locale TEXT,
        external_id TEXT,
        status TEXT NOT NULL DEFAULT 'ACTIVE',
        dept_name TEXT,
        dept_code TEXT,
        password TEXT,
        api_token TEXT NOT NULL DEFAULT (lower(hex(randomblob(20)))),
        created_at INTEGER NOT NULL DEFAULT (unixepoch()),
        updated_at INTEGER NOT NULL DEFAULT (unixepoch())
    );
    CREATE INDEX IF NOT EXISTS users_external_id ON users (external_id);
    CREATE INDEX IF NOT EXISTS users_status ON users (status);
    CREATE TABLE IF NOT EXISTS groups (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL,
        name_key TEXT NOT NULL UNIQUE,
        external_id TEXT,
        created_at INTEGER NOT NULL DEFAULT (unixepoch()),
        updated_at INTEGER NOT NULL DEFAULT (unixepoch())
    );
    INSERT INTO sqlite_sequence (name, seq)
        SELECT 'groups', 1000000 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'groups');
    CREATE TABLE IF NOT EXISTS memberships (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        group_id INTEGER NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
        user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        UNIQUE (group_id, user_id)
    );
    CREATE INDEX IF NOT EXISTS memberships_group ON memberships (group_id, id);
    CREATE INDEX IF NOT EXISTS memberships_user ON memberships (user_id);
";

const DEPARTMENTS: [&str; 4] = ["Engineering", "Finance", "Sales", "Support"];

/// Which part of a list to answer; both at least 1.
#[derive(Clone, Copy)]
pub(super) struct Page {
    pub(super) number: i64,
    pub(super) size: i64,
}

/// A page of rows and how many there are in all.
pub(super) struct Listed {
    pub(super) rows: Vec<Value>,
    pub(super) total: i64,
}

/// Narrows a list: a column and the value that it must have.
pub(super) type Condition = (&'static str, Sql);

/// The form in which values are compared that differ by case only.
pub(super) fn key(text: &str) -> String {
    text.to_lowercase()
}

pub(super) struct Store(Mutex<Connection>);

impl Store {
    /// Opens the file, or a database in memory, and makes what is missing.
    pub(super) fn open(path: Option<&Path>) -> rusqlite::Result<Store> {
        let connection = match path {
            Some(path) => Connection::open(path)?,
            None => Connection::open_in_memory()?,
        };
        connection.execute_batch(SCHEMA)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Store(Mutex::new(connection)))
    }

    pub(super) fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic while the lock was held rolls its transaction back: the database is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn user(&self, id: i64) -> Result<Value, Failure> {
        user(&self.connection(), id)
    }

    pub(super) fn user_by_login(&self, login: &str) -> rusqlite::Result<Option<Value>> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT * FROM users WHERE login_key = ?")?;
        statement.query_row([key(login)], shown).optional()
    }

    pub(super) fn all_users(&self) -> rusqlite::Result<Vec<Value>> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT * FROM users ORDER BY id")?;
        statement.query_map([], shown)?.collect()
    }

    pub(super) fn users(&self, conditions: Vec<Condition>, page: Page) -> rusqlite::Result<Listed> {
        list(&self.connection(), "*", "users", conditions, page, shown)
    }

    pub(super) fn create_user(&self, changes: Changes) -> Result<Value, Failure> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        refuse_taken(&transaction, &changes, None)?;
        let (columns, values) = keyed(changes);
        let marks = vec!["?"; columns.len()].join(", ");
        transaction
            .prepare_cached(&format!("INSERT INTO users ({}) VALUES ({marks})", columns.join(", ")))?
            .execute(params_from_iter(values))?;
        let created = user(&transaction, transaction.last_insert_rowid())?;
        transaction.commit()?;
        Ok(created)
    }

    pub(super) fn update_user(&self, id: i64, changes: Changes) -> Result<Value, Failure> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        user(&transaction, id)?;
        refuse_taken(&transaction, &changes, Some(id))?;
        if !changes.is_empty() {
            let (columns, mut values) = keyed(changes);
            values.push(Sql::Integer(id));
            let set: Vec<String> = columns.iter().map(|column| format!("{column} = ?")).collect();
            let set = set.join(", ");
            transaction
                .prepare_cached(&format!("UPDATE users SET {set}, updated_at = unixepoch() WHERE id = ?"))?
                .execute(params_from_iter(values))?;
        }
        let updated = user(&transaction, id)?;
        transaction.commit()?;
        Ok(updated)
    }

    pub(super) fn delete_user(&self, id: i64) -> Result<(), Failure> {
        match self.connection().execute("DELETE FROM users WHERE id = ?", [id])? {
            0 => Err(Failure::not_found("user")),
            _ => Ok(()),
        }
    }

    /// Sets a password, kept as a salted SHA-256: enough for an example, too fast for a real application.
    pub(super) fn set_password(&self, id: i64, password: &str) -> Result<(), Failure> {
        let connection = self.connection();
        let salt: String = connection.query_row("SELECT hex(randomblob(16))", [], |row| row.get(0))?;
        let hashed = hashed(&salt, password);
        let sql = "UPDATE users SET password = ?, updated_at = unixepoch() WHERE id = ?";
        match connection.execute(sql, params![hashed, id])? {
            0 => Err(Failure::not_found("user")),
            _ => Ok(()),
        }
    }

    pub(super) fn password_is(&self, id: i64, password: &str) -> rusqlite::Result<bool> {
        let stored: Option<Option<String>> = self
            .connection()
            .query_row("SELECT password FROM users WHERE id = ?", [id], |row| row.get(0))
            .optional()?;
        Ok(stored
            .flatten()
            .and_then(|stored| stored.split_once('$').map(|(salt, _)| stored == hashed(salt, password)))
            .unwrap_or(false))
    }

    pub(super) fn seed_users(&self, count: usize) -> rusqlite::Result<Vec<i64>> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let mut ids = Vec::with_capacity(count);
        {
            let last = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'users'";
            let mut id: i64 = transaction.query_row(last, [], |row| row.get(0))?;
            let mut statement = transaction.prepare(
                "INSERT INTO users (id, login, login_key, email, email_key, first_name, last_name, status, dept_name)
                 VALUES (?1, ?2, ?2, ?3, ?3, 'User', ?4, ?5, ?6)",
            )?;
            for department in DEPARTMENTS.iter().cycle().take(count) {
                id += 1;
                let login = format!("user{id:06}");
                let status = if id % 10 == 0 { "SUSPENDED" } else { "ACTIVE" };
                let email = format!("{login}@example.com");
                statement.execute(params![id, login, email, format!("{id:06}"), status, department])?;
                ids.push(id);
            }
        }
        transaction.commit()?;
        Ok(ids)
    }
}

/// One page of `from`, which has a column `id` to order by.
pub(super) fn list(
    connection: &Connection,
    columns: &str,
    from: &str,
    conditions: Vec<Condition>,
    page: Page,
    shown: fn(&Row<'_>) -> rusqlite::Result<Value>,
) -> rusqlite::Result<Listed> {
    let mut tests = Vec::new();
    let mut values = Vec::new();
    for (column, value) in conditions {
        tests.push(format!("{column} = ?"));
        values.push(value);
    }
    let narrowed = if tests.is_empty() { String::new() } else { format!(" WHERE {}", tests.join(" AND ")) };
    let total = connection
        .prepare_cached(&format!("SELECT count(*) FROM {from}{narrowed}"))?
        .query_row(params_from_iter(&values), |row| row.get(0))?;
    values.push(Sql::Integer(page.size));
    values.push(Sql::Integer(page.size.saturating_mul(page.number - 1)));
    let rows = connection
        .prepare_cached(&format!("SELECT {columns} FROM {from}{narrowed} ORDER BY id LIMIT ? OFFSET ?"))?
        .query_map(params_from_iter(&values), shown)?
        .collect::<Result<_, _>>()?;
    Ok(Listed { rows, total })
}

fn user(connection: &Connection, id: i64) -> Result<Value, Failure> {
    connection
        .prepare_cached("SELECT * FROM users WHERE id = ?")?
        .query_row([id], shown)
        .optional()?
        .ok_or_else(|| Failure::not_found("user"))
}

fn refuse_taken(connection: &Connection, changes: &Changes, own: Option<i64>) -> Result<(), Failure> {
    let mut problems = Vec::new();
    for field in ["login", "email"] {
        let Some(Some(text)) = changes.get(field) else {
            continue;
        };
        let owner: Option<i64> = connection
            .prepare_cached(&format!("SELECT id FROM users WHERE {field}_key = ?"))?
            .query_row([key(text)], |row| row.get(0))
            .optional()?;
        if owner.is_some() && owner != own {
            problems.push(Problem::taken(field));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Failure::Invalid(problems)) }
}

/// The columns and values to write, the lower-cased keys of unique columns among them.
fn keyed(changes: Changes) -> (Vec<&'static str>, Vec<Sql>) {
    let sql = |text: Option<String>| text.map_or(Sql::Null, Sql::Text);
    let mut pairs = Vec::new();
    for (column, value) in changes {
        let key_column = match column {
            "login" => Some("login_key"),
            "email" => Some("email_key"),
            _ => None,
        };
        if let Some(key_column) = key_column {
            pairs.push((key_column, sql(value.as_deref().map(key))));
        }
        pairs.push((column, sql(value)));
    }
    pairs.into_iter().unzip()
}

fn hashed(salt: &str, password: &str) -> String {
    let digest = Sha256::new().chain_update(salt).chain_update(password).finalize();
    digest.iter().fold(format!("{salt}$"), |text, byte| text + &format!("{byte:02x}"))
}

fn shown(row: &Row<'_>) -> rusqlite::Result<Value> {
    let text = |column: &str| row.get::<_, Option<String>>(column);
    let number = |column: &str| row.get::<_, i64>(column);
    let dept = match (text("dept_name")?, text("dept_code")?) {
        (None, None) => Value::Null,
        (name, code) => json!({ "name": name, "code": code }),
    };
    Ok(json!({
        "id": number("id")?,
        "login": text("login")?,
        "email": text("email")?,
        "first_name": text("first_name")?,
        "last_name": text("last_name")?,
        "display_name": text("display_name")?,
        "title": text("title")?,
        "phone": text("phone")?,
        "locale": text("locale")?,
        "external_id": text("external_id")?,
        "status": text("status")?,
        "dept": dept,
        "api_token": text("api_token")?,
        "created_at": number("created_at")?,
        "updated_at": number("updated_at")?,
    }))
}
