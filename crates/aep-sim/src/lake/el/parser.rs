//! From tokens to a tree, by precedence climbing.

use serde_json::{Map, Value, json};

use super::lexer::{Token, tokens};

/// One node of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    /// A constant.
    Literal(Value),
    /// A field of the source, as a path.
    Field(String),
    /// A function call; `a.equals(b)` is `equals(a, b)`.
    Call(String, Vec<Node>),
    /// An operator with one operand.
    Unary(&'static str, Box<Node>),
    /// An operator with two operands.
    Binary(&'static str, Box<Node>, Box<Node>),
    /// `condition ? then : otherwise`.
    Choice(Box<Node>, Box<Node>, Box<Node>),
    /// An array literal.
    Array(Vec<Node>),
    /// An object literal.
    Object(Vec<(String, Node)>),
}

/// Deeper nesting is refused, so that no expression can exhaust the stack.
const MAX_DEPTH: usize = 64;

/// A chain of operators nests too, to the left.
const MAX_OPERATORS: usize = 256;

/// Words that are no field names unless wrapped.
const RESERVED: [&str; 25] = [
    "new", "mod", "or", "break", "var", "lt", "for", "false", "while", "eq", "gt", "div", "not", "null",
    "continue", "else", "and", "ne", "true", "le", "if", "ge", "return", "function", "do",
];

/// Parses a whole expression.
pub(super) fn parse(source: &str) -> Result<Node, String> {
    let tokens = tokens(source)?;
    if tokens.is_empty() {
        return Err("the expression is empty".to_owned());
    }
    let mut parser = Parser { tokens, at: 0, depth: 0, operators: 0 };
    let node = parser.choice()?;
    match parser.peek() {
        None => Ok(node),
        Some(extra) => Err(format!("unexpected {} after the expression", show(extra))),
    }
}

/// Calls a function on every node, parents first.
pub(super) fn visit<'n>(node: &'n Node, seen: &mut impl FnMut(&'n Node)) {
    seen(node);
    match node {
        Node::Literal(_) | Node::Field(_) => {}
        Node::Call(_, nodes) | Node::Array(nodes) => nodes.iter().for_each(|node| visit(node, seen)),
        Node::Unary(_, node) => visit(node, seen),
        Node::Binary(_, left, right) => [left, right].into_iter().for_each(|node| visit(node, seen)),
        Node::Choice(a, b, c) => [a, b, c].into_iter().for_each(|node| visit(node, seen)),
        Node::Object(members) => members.iter().for_each(|(_, node)| visit(node, seen)),
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    operators: usize,
}

fn show(token: &Token) -> String {
    match token {
        Token::Text(text) => format!("text {text:?}"),
        Token::Integer(number) => number.to_string(),
        Token::Decimal(number) => number.to_string(),
        Token::Word(word) | Token::Wrapped(word) => word.clone(),
        Token::Symbol(symbol) => (*symbol).to_owned(),
    }
}

/// Binary operators by spelling: canonical name and precedence.
fn binary(token: &Token) -> Option<(&'static str, u8)> {
    let spelling = match token {
        Token::Symbol(symbol) => symbol,
        Token::Word(word) => word.as_str(),
        _ => return None,
    };
    Some(match spelling {
        "||" | "or" => ("||", 1),
        "&&" | "and" => ("&&", 2),
        "|" => ("|", 3),
        "^" => ("^", 4),
        "&" => ("&", 5),
        "==" | "eq" => ("==", 6),
        "!=" | "ne" => ("!=", 6),
        "=~" => ("=~", 6),
        "!~" => ("!~", 6),
        "<" | "lt" => ("<", 7),
        ">" | "gt" => (">", 7),
        "<=" | "le" => ("<=", 7),
        ">=" | "ge" => (">=", 7),
        "+" => ("+", 8),
        "-" => ("-", 8),
        "*" => ("*", 9),
        "/" | "div" => ("/", 9),
        "%" | "mod" => ("%", 9),
        _ => return None,
    })
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Symbol(is)) if *is == symbol);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), String> {
        if self.take_symbol(symbol) {
            return Ok(());
        }
        let found = self.peek().map_or_else(|| "the end".to_owned(), show);
        Err(format!("expected {symbol}, found {found}"))
    }

    fn choice(&mut self) -> Result<Node, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("the expression is nested too deeply".to_owned());
        }
        let condition = self.operators(0)?;
        let node = if self.take_symbol("?:") || self.take_symbol("??") {
            Node::Call("coalesce".to_owned(), vec![condition, self.choice()?])
        } else if self.take_symbol("?") {
            let then = self.choice()?;
            self.expect(":")?;
            Node::Choice(Box::new(condition), Box::new(then), Box::new(self.choice()?))
        } else {
            condition
        };
        self.depth -= 1;
        Ok(node)
    }

    fn operators(&mut self, above: u8) -> Result<Node, String> {
        let mut left = self.unary()?;
        while let Some((operator, precedence)) =
            self.peek().and_then(binary).filter(|(_, level)| *level > above)
        {
            self.at += 1;
            self.operators += 1;
            if self.operators > MAX_OPERATORS {
                return Err("the expression has too many operators".to_owned());
            }
            let right = self.operators(precedence)?;
            left = Node::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Node, String> {
        let operator = match self.peek() {
            Some(Token::Symbol("!")) => "!",
            Some(Token::Word(word)) if word == "not" => "!",
            Some(Token::Symbol("-")) => "-",
            Some(Token::Symbol("~")) => "~",
            _ => return self.postfix(),
        };
        self.at += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("the expression is nested too deeply".to_owned());
        }
        let operand = self.unary()?;
        self.depth -= 1;
        Ok(Node::Unary(operator, Box::new(operand)))
    }

    /// A value and the method calls after it.
    fn postfix(&mut self) -> Result<Node, String> {
        let mut node = self.primary()?;
        while self.take_symbol(".") {
            let Some(Token::Word(name)) = self.peek().cloned() else {
                return Err("expected a name after the dot".to_owned());
            };
            self.at += 1;
            self.expect("(")?;
            let mut arguments = vec![node];
            arguments.extend(self.list(")")?);
            node = Node::Call(name, arguments);
        }
        Ok(node)
    }

    fn primary(&mut self) -> Result<Node, String> {
        let token = self.peek().cloned().ok_or("the expression ends too early")?;
        self.at += 1;
        match token {
            Token::Text(text) => Ok(Node::Literal(json!(text))),
            Token::Integer(number) => Ok(Node::Literal(json!(number))),
            Token::Decimal(number) => Ok(Node::Literal(json!(number))),
            Token::Symbol("(") => {
                let inner = self.choice()?;
                self.expect(")")?;
                Ok(inner)
            }
            Token::Symbol("[") => Ok(Node::Array(self.list("]")?)),
            Token::Symbol("{") => self.object(),
            Token::Symbol(symbol) => Err(format!("unexpected {symbol}")),
            Token::Wrapped(name) => self.field(name),
            Token::Word(word) => self.word(word),
        }
    }

    fn word(&mut self, word: String) -> Result<Node, String> {
        match word.as_str() {
            "true" => return Ok(Node::Literal(json!(true))),
            "false" => return Ok(Node::Literal(json!(false))),
            "null" => return Ok(Node::Literal(Value::Null)),
            _ => {}
        }
        if self.take_symbol("(") {
            return Ok(Node::Call(word, self.list(")")?));
        }
        if RESERVED.contains(&word.as_str()) {
            return Err(format!("{word} is a reserved word"));
        }
        self.field(word)
    }

    /// Names and indices up to a method call.
    fn field(&mut self, first: String) -> Result<Node, String> {
        let mut path = first;
        loop {
            if matches!(self.peek(), Some(Token::Symbol("["))) {
                path.push_str(&self.index()?);
                continue;
            }
            let next = (self.tokens.get(self.at), self.tokens.get(self.at + 1), self.tokens.get(self.at + 2));
            match next {
                (_, _, Some(Token::Symbol("("))) => break,
                (Some(Token::Symbol(".")), Some(Token::Word(name) | Token::Wrapped(name)), _) => {
                    path.push('.');
                    path.push_str(name);
                    self.at += 2;
                }
                _ => break,
            }
        }
        crate::lake::path::parse(&path)?;
        Ok(Node::Field(path))
    }

    fn index(&mut self) -> Result<String, String> {
        self.expect("[")?;
        let inside = match self.peek() {
            Some(Token::Integer(number)) => number.to_string(),
            Some(Token::Symbol("*")) => "*".to_owned(),
            Some(Token::Symbol("]")) => {
                self.at += 1;
                return Ok("[*]".to_owned());
            }
            _ => return Err("expected an index".to_owned()),
        };
        self.at += 1;
        self.expect("]")?;
        Ok(format!("[{inside}]"))
    }

    fn list(&mut self, end: &str) -> Result<Vec<Node>, String> {
        let mut nodes = Vec::new();
        if self.take_symbol(end) {
            return Ok(nodes);
        }
        loop {
            nodes.push(self.choice()?);
            if self.take_symbol(end) {
                return Ok(nodes);
            }
            self.expect(",")?;
        }
    }

    fn object(&mut self) -> Result<Node, String> {
        let mut members = Vec::new();
        if self.take_symbol("}") {
            return Ok(Node::Literal(Value::Object(Map::new())));
        }
        loop {
            let Some(Token::Text(name) | Token::Word(name)) = self.peek().cloned() else {
                return Err("expected the name of a member".to_owned());
            };
            self.at += 1;
            self.expect(":")?;
            members.push((name, self.choice()?));
            if self.take_symbol("}") {
                return Ok(Node::Object(members));
            }
            self.expect(",")?;
        }
    }
}
