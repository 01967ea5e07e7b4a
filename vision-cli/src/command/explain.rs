//! `vision explain`

use vision_core::doctor::{Cause, explain};

use super::Ended;
use crate::args::ExplainArgs;
use crate::context::Context;
use crate::exit::Outcome;
use crate::output::human::explain::{Causes, Explained};

/// Says what is known about a cause, or lists them all.
pub fn run(args: &ExplainArgs, context: &mut Context) -> Ended {
    match &args.cause {
        None => context.out.report(&Causes { causes: Cause::ALL })?,
        Some(slug) => {
            let cause: Cause = slug.parse()?;
            context.out.report(&Explained { cause, text: explain(cause) })?;
        }
    }
    Ok(Outcome::Yes)
}
