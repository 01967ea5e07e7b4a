//! `vision filter`

use vision_core::Error;
use vision_core::capture::filter::{Filter, FilterRequest};

use super::Ended;
use crate::args::FilterArgs;
use crate::context::Context;
use crate::exit::Outcome;
use crate::output::human::filter::FilterReport;
use crate::output::point;

/// Compiles a filter and prints the program.
pub fn run(args: &FilterArgs, context: &mut Context) -> Ended {
    let expression = args.filter.join(" ");
    let mut request = Filter::on(args.link);
    if let Some(mask) = args.netmask.0 {
        request = request.netmask(mask);
    }
    if args.live {
        request = request.live();
    }
    if args.unoptimised {
        request = request.unoptimised();
    }
    let filter = compile(&request, &expression)?;
    if !args.check || context.out.is_json() {
        context.out.report(&FilterReport::new(&filter, args.dump))?;
    }
    Ok(Outcome::Yes)
}

/// Compiles, and points at the fault where there is one. Names are those of this system's tables.
///
/// # Errors
/// [`Error::Invalid`] when the filter makes no sense.
pub fn compile(request: &FilterRequest<'_>, expression: &str) -> Result<Filter, Error> {
    request.names_from_files().compile(expression).map_err(|error| {
        point(&error.pointed(expression));
        error.into()
    })
}
