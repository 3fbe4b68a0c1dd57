//! Passes over the [`ir`](super::ir), each one thing, in this order.

mod boxing;
mod fixups;
mod names;

use super::{Error, ir::Model};

/// Runs all passes.
pub fn run(model: &mut Model) -> Result<(), Error> {
    fixups::run(model)?;
    boxing::run(model);
    names::run(model)
}
