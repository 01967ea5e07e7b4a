//! `vision dns ZONE AXFR @SERVER`

use vision_core::Error;
use vision_core::probe::{TransferEnd, ZoneTransfer};

use super::words::Words;
use super::{Place, addressed, next};
use crate::args::DnsArgs;
use crate::command::Ended;
use crate::context::Context;
use crate::exit::Outcome;
use crate::output::human::dns::{Answered, write_record};

/// Fetches a zone and writes its records as they come.
pub fn run(args: &DnsArgs, words: &Words<'_>, place: &Place<'_>, context: &mut Context) -> Ended {
    let query = addressed(args, words, place, context)?;
    let mut transfer = ZoneTransfer::new(query).start(place.target)?;
    loop {
        match next(&mut transfer, place) {
            Ok(Some(records)) => {
                for record in records {
                    context.out.held_event(&record, |out, _| write_record(&record, out))?;
                }
            }
            Ok(None) | Err(Error::Elapsed | Error::Cancelled) => break,
            Err(error) => return Err(error.into()),
        }
    }
    let report = transfer.finish();
    context.out.summary(&Answered { report: &report, short: args.short }, None)?;
    Ok(match report.end {
        TransferEnd::Complete => Outcome::Yes,
        TransferEnd::Unfinished => Outcome::Unknown,
        _ => Outcome::No,
    })
}
