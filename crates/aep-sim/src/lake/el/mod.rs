//! The expression language of calculated fields: a parser for the documented syntax and an evaluator.
//!
//! Every documented function name is known, so that validation agrees with Adobe's; functions that make no sense for
//! payment data (hashing, user agents, URLs) parse, but fail when they are evaluated.

pub(crate) mod dates;
mod eval;
mod functions;
mod lexer;
mod parser;
mod text;
mod value;

use serde_json::Value;

pub(crate) use functions::catalogue;
pub(crate) use parser::Node;

/// The longest expression Data Prep takes.
const MAX_LENGTH: usize = 4096;

/// A checked expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expression {
    root: Node,
}

impl Expression {
    /// Parses an expression and checks its function calls; the error says what is wrong.
    pub(crate) fn parse(source: &str) -> Result<Self, String> {
        if source.chars().count() > MAX_LENGTH {
            return Err(format!("the expression is longer than {MAX_LENGTH} characters"));
        }
        let root = parser::parse(source)?;
        functions::check(&root)?;
        Ok(Self { root })
    }

    /// The value for one record.
    pub(crate) fn evaluate(&self, record: &Value, now_ms: i64) -> Result<Value, String> {
        eval::evaluate(&self.root, &eval::Scope { record, now_ms }).map(value::Val::into_json)
    }

    /// Source fields that it reads.
    pub(crate) fn attributes(&self) -> Vec<String> {
        let mut found = Vec::new();
        parser::visit(&self.root, &mut |node| {
            if let Node::Field(path) = node
                && !found.contains(path)
            {
                found.push(path.clone());
            }
        });
        found
    }

    /// The JSON type of the result, where the expression alone tells it.
    pub(crate) fn result_type(&self) -> Option<&'static str> {
        functions::result_type(&self.root)
    }

    /// The value of an expression that reads no field and no clock.
    pub(crate) fn constant(&self) -> Option<Value> {
        match &self.root {
            Node::Literal(value) => Some(value.clone()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
