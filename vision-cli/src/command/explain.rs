//! `vision explain`

use vision_core::doctor::Cause;

use super::Ended;
use crate::args::ExplainArgs;
use crate::context::Context;
use crate::exit::Outcome;
use crate::output::human::explain::Causes;

/// Lists the causes.
pub fn run(args: &ExplainArgs, context: &mut Context) -> Ended {
    if let Some(slug) = &args.cause {
        let _: Cause = slug.parse()?;
    }
    context.out.report(&Causes { causes: Cause::ALL })?;
    Ok(Outcome::Yes)
}
