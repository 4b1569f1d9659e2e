//! What the native calls that write carry.

use serde_json::{Map, Value};

use super::language::Send;
use super::pointer::Pointer;
use super::template::{Scope, Slot, Unfit};
use super::translate::Attributes;
use super::{Body, Operation, Resource, Row, Update};
use crate::exchange::Request;
use crate::scim::Error;

impl Resource {
    /// The places of the native fields of these rows, as a list of texts.
    pub fn native_places(&self, rows: &[usize]) -> Value {
        let natives = rows.iter().filter_map(|index| self.rows.get(*index)?.native.as_ref());
        let mut places: Vec<Value> = Vec::new();
        for place in natives.map(|at| Value::from(at.to_string())) {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        places.into()
    }

    /// The native values of all rows, for the placeholders of templates.
    pub fn native_values(&self, attributes: &Attributes) -> Result<Vec<Option<Value>>, Error> {
        self.rows.iter().map(|row| row.native_value(attributes)).collect()
    }

    /// The body of a create.
    pub fn create_body(&self, desired: &Attributes, body: &Body, scope: &Scope) -> Result<Value, Error> {
        let mut native = Value::Object(Map::new());
        let given = self.rows.iter().filter(|row| row.in_create() && row.place.get(desired).is_some());
        self.write_all(given, desired, &mut native, true)?;
        Ok(body.finish(native, scope)?)
    }

    /// The body of an update that brings `rows` to what `desired` says, `current` being the native object.
    pub fn update_body(
        &self,
        rows: &[usize],
        desired: &Attributes,
        current: &Value,
        update: &Update,
        scope: &Scope,
    ) -> Result<Value, Error> {
        let mut native = update.begun(current);
        let rows_of_it = || rows.iter().filter_map(|index| self.rows.get(*index));
        rows_of_it().filter_map(|row| row.native.as_ref()).for_each(|at| update.seed(at, &mut native, current));
        self.write_all(rows_of_it(), desired, &mut native, update.whole_lists)?;
        let natives = rows_of_it().filter_map(|row| row.native.as_ref());
        natives.filter(|_| !update.whole_lists).for_each(|at| at.keep_changed(&mut native, current));
        Ok(update.body.finish(native, scope)?)
    }

    /// Writes the desired values of rows into a native object.
    fn write_all<'r>(
        &self,
        rows: impl Iterator<Item = &'r Row>,
        desired: &Attributes,
        native: &mut Value,
        whole_lists: bool,
    ) -> Result<(), Error> {
        let is_wanted = |row: &Row| row.place.get(desired).is_some();
        let beside = |row: &Row, at: &Pointer| row.native.as_ref().is_some_and(|it| it != at && it.shares_element(at));
        // An element that other rows have values in stays, without this one's.
        let stays = |at: &Pointer| at.item().is_none() && self.rows.iter().any(|row| beside(row, at) && is_wanted(row));
        // The last items of a list first: those before them stay where they are.
        let mut removed: Vec<&Pointer> = Vec::new();
        for row in rows {
            let Some(at) = &row.native else { continue };
            match self.written(row, at, desired)? {
                // Nothing in an element that is chosen by a field is that there is no such element.
                None if whole_lists && at.is_in_element() && !stays(at) => {
                    let place = removed.partition_point(|other| other.item() >= at.item());
                    removed.insert(place, at);
                }
                value => at.set(native, value.unwrap_or_default()),
            }
        }
        for at in removed {
            at.remove_element(native);
        }
        Ok(())
    }

    /// What is written for one row at its place; `None`: nothing is to be there.
    fn written(&self, row: &Row, at: &Pointer, desired: &Attributes) -> Result<Option<Value>, Error> {
        if row.part.is_some() {
            return Ok(Some(self.parts(at, desired).into()));
        }
        match row.native_value(desired)? {
            Some(value) => Ok(Some(value).filter(|value| !value.is_null())),
            None => Ok(row.clear.clone()),
        }
    }
}

impl Update {
    /// Whether anything but the body's own fields needs the resource as it is.
    pub fn needs_current(&self) -> bool {
        let of_it = |slot: &Slot| matches!(slot, Slot::Row(_) | Slot::Native(_));
        self.send == Send::Full
            || self.whole_objects
            || self.operation.call.any(&of_it)
            || self.body.set.iter().any(|(_, it)| it.any(&of_it))
    }

    /// The object that changes are written into.
    fn begun(&self, current: &Value) -> Value {
        match self.send {
            Send::Changed => Value::Object(Map::new()),
            Send::Full => current.clone(),
        }
    }

    /// Puts what must be sent with a change at this place beside it.
    fn seed(&self, at: &Pointer, body: &mut Value, current: &Value) {
        if self.whole_objects {
            at.seed_object(body, current);
        }
        at.seed_list(body, current);
    }

    /// The body of an update that puts one native value at `at`.
    pub fn field_body(&self, at: &Pointer, value: Value, current: &Value, scope: &Scope) -> Result<Value, Unfit> {
        let mut native = self.begun(current);
        self.seed(at, &mut native, current);
        at.set(&mut native, value);
        self.body.finish(native, scope)
    }
}

impl Operation {
    /// Whether it has a field of the resource's native object, so that this has to be read first.
    pub fn needs_native(&self) -> bool {
        let mut fixed = self.fixed.iter().flat_map(|body| &body.set);
        self.call.needs_native() || fixed.any(|(_, value)| value.needs_native())
    }

    /// The request of a call that carries no attributes.
    pub fn request(&self, scope: &Scope) -> Result<Request, Unfit> {
        match &self.fixed {
            Some(body) => self.call.render_with(scope, &[], Some(body.finish(Value::Object(Map::new()), scope)?)),
            None => self.call.render(scope),
        }
    }
}

impl Body {
    /// The whole body around a native object: fixed fields set, unwanted ones taken away, wrapped.
    fn finish(&self, mut native: Value, scope: &Scope) -> Result<Value, Unfit> {
        for at in &self.omit {
            at.remove(&mut native);
        }
        if self.wrap.is_root() {
            self.set_fields(&mut native, scope)?;
            return Ok(native);
        }
        let mut whole = Value::Object(Map::new());
        self.wrap.set(&mut whole, native);
        self.set_fields(&mut whole, scope)?;
        Ok(whole)
    }

    fn set_fields(&self, whole: &mut Value, scope: &Scope) -> Result<(), Unfit> {
        for (at, value) in &self.set {
            value.fits(scope)?;
            at.merge(whole, value.render(scope));
        }
        Ok(())
    }
}
