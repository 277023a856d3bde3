//! The `vks` program: see the library.

fn main() {}
