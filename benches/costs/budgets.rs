//! What was promised, and what came out.

use std::fmt::Write as _;

use crate::table::Table;

#[derive(Default)]
pub(crate) struct Budgets {
    lines: Vec<[String; 4]>,
}

impl Budgets {
    /// A figure that may be so much.
    pub(crate) fn at_most(&mut self, what: &str, found: f64, most: f64, unit: &str) {
        let number = |value: f64| {
            let mut text = String::new();
            let digits = if value < 100.0 { 2 } else { 0 };
            let _ = write!(text, "{value:.digits$} {unit}");
            text
        };
        let met = if found <= most { "met" } else { "missed" };
        self.lines.push([what.to_owned(), number(found), number(most), met.to_owned()]);
    }

    pub(crate) fn table(self) -> Table {
        let mut table = Table::new("Budgets", ["", "found", "at most", ""]);
        for line in self.lines {
            table.row(line);
        }
        table
    }
}
