//! Groups and who is in them.

use axum::http::StatusCode;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Value, json};

use super::failure::{Failure, Problem};
use super::store::{Condition, Listed, Page, Store, key, list};

impl Store {
    pub(super) fn group(&self, id: i64) -> Result<Value, Failure> {
        group(&self.connection(), id)
    }

    pub(super) fn all_groups(&self) -> rusqlite::Result<Vec<Value>> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT * FROM groups ORDER BY id")?;
        statement.query_map([], shown)?.collect()
    }

    pub(super) fn groups(&self, conditions: Vec<Condition>, page: Page) -> rusqlite::Result<Listed> {
        list(&self.connection(), "*", "groups", conditions, page, shown)
    }

    pub(super) fn groups_of_user(&self, user: i64, page: Page) -> Result<Listed, Failure> {
        self.user(user)?;
        let from = "(SELECT groups.*, user_id FROM groups JOIN memberships ON group_id = groups.id)";
        let conditions = vec![("user_id", Sql::Integer(user))];
        Ok(list(&self.connection(), "*", from, conditions, page, shown)?)
    }

    pub(super) fn create_group(&self, name: &str, external_id: Option<&str>) -> Result<Value, Failure> {
        let connection = self.connection();
        refuse_taken(&connection, name, None)?;
        let sql = "INSERT INTO groups (name, name_key, external_id) VALUES (?, ?, ?)";
        connection.execute(sql, params![name, key(name), external_id])?;
        group(&connection, connection.last_insert_rowid())
    }

    pub(super) fn rename_group(&self, id: i64, name: &str) -> Result<Value, Failure> {
        let connection = self.connection();
        group(&connection, id)?;
        refuse_taken(&connection, name, Some(id))?;
        let sql = "UPDATE groups SET name = ?, name_key = ?, updated_at = unixepoch() WHERE id = ?";
        connection.execute(sql, params![name, key(name), id])?;
        group(&connection, id)
    }

    pub(super) fn set_external_id(&self, id: i64, external_id: Option<&str>) -> Result<Value, Failure> {
        let connection = self.connection();
        let sql = "UPDATE groups SET external_id = ?, updated_at = unixepoch() WHERE id = ?";
        connection.execute(sql, params![external_id, id])?;
        group(&connection, id)
    }

    pub(super) fn delete_group(&self, id: i64) -> Result<(), Failure> {
        match self.connection().execute("DELETE FROM groups WHERE id = ?", [id])? {
            0 => Err(Failure::not_found("group")),
            _ => Ok(()),
        }
    }

    pub(super) fn memberships(&self, group_id: i64, user: Option<i64>, page: Page) -> Result<Listed, Failure> {
        let connection = self.connection();
        group(&connection, group_id)?;
        let mut conditions = vec![("group_id", Sql::Integer(group_id))];
        conditions.extend(user.map(|user| ("user_id", Sql::Integer(user))));
        Ok(list(&connection, "id, user_id", "memberships", conditions, page, |row| {
            Ok(json!({ "id": row.get::<_, i64>(0)?, "user_id": row.get::<_, i64>(1)? }))
        })?)
    }

    pub(super) fn members(&self, group_id: i64) -> rusqlite::Result<Vec<i64>> {
        let connection = self.connection();
        let sql = "SELECT user_id FROM memberships WHERE group_id = ? ORDER BY user_id";
        let mut statement = connection.prepare_cached(sql)?;
        statement.query_map([group_id], |row| row.get(0))?.collect()
    }

    pub(super) fn add_member(&self, group_id: i64, user: i64) -> Result<Value, Failure> {
        let connection = self.connection();
        group(&connection, group_id)?;
        let known = connection.prepare_cached("SELECT 1 FROM users WHERE id = ?")?.exists([user])?;
        if !known {
            return Err(Problem::new("not_found", "user_id", "is not the id of a user").into());
        }
        let added = connection
            .prepare_cached("INSERT OR IGNORE INTO memberships (group_id, user_id) VALUES (?, ?)")?
            .execute([group_id, user])?;
        if added == 0 {
            let message = format!("user {user} is a member already");
            return Err(Failure::Status(StatusCode::CONFLICT, "already_member", message));
        }
        Ok(json!({ "id": connection.last_insert_rowid(), "user_id": user }))
    }

    pub(super) fn remove_member(&self, group_id: i64, membership: i64) -> Result<(), Failure> {
        let sql = "DELETE FROM memberships WHERE group_id = ? AND id = ?";
        match self.connection().execute(sql, [group_id, membership])? {
            0 => Err(Failure::not_found("membership")),
            _ => Ok(()),
        }
    }

    pub(super) fn seed_group(&self, name: &str, members: &[i64]) -> rusqlite::Result<i64> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        transaction.execute("INSERT INTO groups (name, name_key) VALUES (?, ?)", params![name, key(name)])?;
        let id = transaction.last_insert_rowid();
        {
            let mut statement = transaction.prepare("INSERT INTO memberships (group_id, user_id) VALUES (?, ?)")?;
            for member in members {
                statement.execute([id, *member])?;
            }
        }
        transaction.commit()?;
        Ok(id)
    }
}

fn group(connection: &Connection, id: i64) -> Result<Value, Failure> {
    connection
        .prepare_cached("SELECT * FROM groups WHERE id = ?")?
        .query_row([id], shown)
        .optional()?
        .ok_or_else(|| Failure::not_found("group"))
}

fn refuse_taken(connection: &Connection, name: &str, own: Option<i64>) -> Result<(), Failure> {
    let owner: Option<i64> = connection
        .prepare_cached("SELECT id FROM groups WHERE name_key = ?")?
        .query_row([key(name)], |row| row.get(0))
        .optional()?;
    if owner.is_some() && owner != own { Err(Problem::taken("name").into()) } else { Ok(()) }
}

fn shown(row: &Row<'_>) -> rusqlite::Result<Value> {
    Ok(json!({
        "id": row.get::<_, i64>("id")?,
        "name": row.get::<_, String>("name")?,
        "external_id": row.get::<_, Option<String>>("external_id")?,
        "created_at": row.get::<_, i64>("created_at")?,
        "updated_at": row.get::<_, i64>("updated_at")?,
    }))
}
