//! Watches the routes of a target and says which ones went, those included that the kernel takes
//! away without a word.
//!
//! ```sh
//! cargo run -p vision-examples --example route_guard -- [TARGET]
//! ```
//!
//! TARGET is as for `vision --in`: `pid:4242`, `ctr:web`, `netns:blue`; needs the rights to enter
//! it. Ends with the target, or after ten minutes.

use std::time::Duration;

use vision_core::watch::{Change, Happening, Learned, Row, Table, Watch};
use vision_core::{Budget, Error, EventSource, Result, Selector, Target};

fn main() -> Result<()> {
    let text = std::env::args().nth(1).unwrap_or_else(|| "self".to_owned());
    let budget = Budget::within(Duration::from_secs(600));
    let target = Target::resolve(&text.parse::<Selector>()?, &budget)?;
    let mut watcher = Watch::of(&[Table::Route]).start(&target)?;
    let mut gone = 0;
    for event in watcher.events(&budget) {
        let event = match event {
            Ok(event) => event,
            Err(Error::Elapsed) => break,
            Err(e) => return Err(e),
        };
        match event.what {
            Happening::Row(row) if row.change == Change::Removed => {
                let Row::Route(route) = &row.row else { continue };
                let dev = row.dev.map(|dev| format!(" dev {}", dev.escaped())).unwrap_or_default();
                let how = match row.learned {
                    Learned::Silent => " (without a word from the kernel)",
                    _ => "",
                };
                println!("{} lost its route to {}{dev}{how}", target, route.dst);
                gone += 1;
            }
            Happening::Overrun(overrun) => {
                println!("events were lost; {} differences follow", overrun.found);
            }
            Happening::TargetEnded => println!("{target} ended"),
            _ => {}
        }
    }
    println!("{gone} routes went");
    Ok(())
}
