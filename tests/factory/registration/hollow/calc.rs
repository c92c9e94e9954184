//! Doc { of crate
#![deny(warnings)]
use std::collections::HashMap;
use std::fmt::{self, Display};
/* a /* nested { */ comment } */
pub const LIMIT: usize = { 3 + 1 };
macro_rules! twice { ($x:expr) => { $x * 2 }; }
#[derive(Debug, Clone, PartialEq)]
pub struct Point { pub x: [u8; 4], f: fn(u32) -> u32 }
pub enum Shape { Dot, Line { a: u8 } }
pub const fn four() -> usize { 4 }
pub const FOUR: [u8; four()] = [0; four()];
pub fn text<'a>(s: &'a str, c: char) -> &'a str { if c == '{' || c == '\'' { "}" } else { s } }
pub fn raw() -> String { r#"a " } {"#.to_string() }
pub fn evens(n: u32) -> impl Iterator<Item = u32> { (0..n).filter(|x| x % 2 == 0) }
impl<'a> Display for Point { fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "{:?}", self.x) } }
pub trait Area { const N: u8; fn area(&self) -> f64; fn twice(&self) -> f64 { self.area() * 2.0 } }
impl Area for Shape { const N: u8 = 1; fn area(&self) -> f64 { match self { Shape::Dot => 0.0, Shape::Line { a } => f64::from(*a) } } }
pub fn count<T>(all: &[T]) -> HashMap<String, T> where T: Clone { let _ = twice!(3); all.iter().cloned().map(|x| (String::new(), x)).collect() }
pub async fn later() -> Result<(), Box<dyn std::error::Error>> { Ok(()) }
pub mod inner { pub fn deep() -> ! { loop {} } }
