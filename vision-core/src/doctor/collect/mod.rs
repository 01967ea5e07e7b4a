//! All the input and output of the doctor: fills a case file step by step.

mod around;
mod beyond;
mod examine;
mod follow;
mod forgetful;
mod full_size;
mod handed;
mod legacy;
mod neighbours;
mod past;
mod probes;
mod segment;
mod services;
mod survey;
mod traffic;
mod train;
mod unresolved;
mod walk;
mod walls;
mod wire;

use std::time::{Duration, Instant};

use self::around::Around;
use self::survey::Survey;
use super::case::{CaseFile, Overflowed, Round, Vantage, VantageRole};
use super::engine::judge;
use super::plan::{Step, plan};
use super::report::Diagnosis;
use super::traffic::{Throttled, Traffic};
use super::train::QueueRecord;
use crate::base::{Budget, Error, Result};
use crate::inventory::{Inventory, NeighTable, Qdisc, Route, RouteKind, Sections, Snapshot};
use crate::netns::Target;
use crate::netns::cpu::{self, CpuGroup};

/// Where the doctor may look from.
#[derive(Debug, Clone)]
pub struct Vantages {
    target: Target,
    name: String,
}

impl Vantages {
    /// Looks from one target, and from the namespaces of this machine that its packets pass.
    pub fn of(target: &Target) -> Self {
        Self { target: target.clone(), name: target.to_string() }
    }

    /// Calls the target by a friendlier name in findings.
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }
}

/// Finds out what is wrong: plans, collects and judges until the case is clear.
///
/// Everything that an ordinary user of the namespace may read is used; `CAP_NET_RAW` adds live
/// neighbour solicitation, `CAP_SYS_ADMIN` and `CAP_SYS_PTRACE` add the other namespaces of the
/// machine. What could not be looked at is in the diagnosis.
///
/// ```no_run
/// use std::time::Duration;
/// use vision_core::doctor::{CaseFile, Vantages, diagnose};
/// use vision_core::{Budget, Selector, Target};
///
/// let target = Target::resolve(&Selector::Pid(4242), &Budget::unbounded())?;
/// let case = CaseFile::new("10.0.0.5:443".parse()?);
/// let budget = Budget::within(Duration::from_secs(10));
/// let (case, diagnosis) = diagnose(case, &Vantages::of(&target), &budget)?;
/// for finding in &diagnosis.findings {
///     println!("{}: {}", finding.cause, finding.summary);
/// }
/// # drop(case);
/// # Ok::<(), vision_core::Error>(())
/// ```
///
/// # Errors
/// What keeps the target from being looked at at all: [`Error::Permission`],
/// [`Error::TargetExited`], [`Error::NotFound`].
pub fn diagnose(
    mut case: CaseFile,
    vantages: &Vantages,
    budget: &Budget,
) -> Result<(CaseFile, Diagnosis)> {
    loop {
        let steps = plan(&case);
        if steps.is_empty() {
            break;
        }
        match collect(&mut case, &steps, vantages, budget) {
            Ok(()) => {}
            // With something in hand, an end of time is the end of asking, not of judging.
            Err(Error::Elapsed | Error::Cancelled) if !case.vantages.is_empty() => break,
            Err(e) => return Err(e),
        }
    }
    let diagnosis = judge(&case);
    Ok((case, diagnosis))
}

/// Carries steps out as one round: a look at the tables, the probes, another look.
///
/// # Errors
/// As [`diagnose`]; a spent budget leaves the round as far as it came.
pub fn collect(
    case: &mut CaseFile,
    steps: &[Step],
    vantages: &Vantages,
    budget: &Budget,
) -> Result<()> {
    let started = Instant::now();
    let result = run(case, steps, vantages, budget);
    case.elapsed += started.elapsed();
    result
}

/// What every look at a namespace takes in.
const TABLES: Sections = Sections::LINKS
    .union(Sections::ADDRS)
    .union(Sections::ROUTES)
    .union(Sections::RULES)
    .union(Sections::NEIGHBOURS)
    .union(Sections::SOCKETS)
    .union(Sections::COUNTERS)
    .union(Sections::SYSCTLS);

/// What moves by itself while probes are under way.
const MOVING: Sections = Sections::ADDRS.union(Sections::NEIGHBOURS).union(Sections::COUNTERS);

/// What a local look may take once the budget is gone.
const GRACE: Duration = Duration::from_millis(300);

fn run(case: &mut CaseFile, steps: &[Step], vantages: &Vantages, budget: &Budget) -> Result<()> {
    for step in steps {
        if let Step::Again { after } = step {
            budget.wait(&[], Instant::now().checked_add(*after))?;
        }
    }
    let mut here = Site::open(&vantages.target)?;
    let round = here.begin(TABLES.union(Sections::RESOLVER).union(Sections::HOSTS), budget)?;
    here.meter(budget);
    if case.vantages.is_empty() {
        case.vantages.push(Vantage {
            role: VantageRole::Target,
            name: place_name(&vantages.name),
            netns: here.inventory.netns_id(),
            rounds: Vec::new(),
        });
    }
    push_round(case, 0, round);
    let mut survey = None;
    for step in steps {
        if let Step::Follow { dst } = step {
            let survey = survey.get_or_insert_with(|| Survey::take(&vantages.target, budget));
            follow::follow(case, survey, *dst, budget)?;
        }
    }
    let asked = examine::ask(case, steps, &mut here, budget);
    if steps.contains(&Step::Examine) && forgetful::has_connected(case) {
        case.forgetful = forgetful::all(budget);
    }
    look_again(case, &mut here, survey.as_mut(), budget);
    asked
}

/// Calls the own namespace by words.
fn place_name(name: &str) -> String {
    match name {
        "self" => "this namespace".to_owned(),
        other => other.to_owned(),
    }
}

fn push_round(case: &mut CaseFile, vantage: usize, round: Round) {
    if let Some(vantage) = case.vantages.get_mut(vantage) {
        vantage.rounds.push(round);
    }
}

/// Takes the second look everywhere; also after a budget has ended, for the tables are local.
fn look_again(case: &mut CaseFile, here: &mut Site, survey: Option<&mut Survey>, budget: &Budget) {
    let grace = match budget.remaining() {
        Ok(_) => budget.clone(),
        Err(_) => Budget::within(GRACE),
    };
    let suspect = |target| full_size::is_swallowed(target) || train::is_lossy(target);
    let closer = case.target().is_some_and(suspect);
    let moving = if closer { MOVING.union(Sections::LINKS) } else { MOVING };
    let (mut packets, around) = (walls::probed(case), Around::of(case));
    let after = here.inventory.snapshot(moving, &grace).ok();
    let first = case.vantages.first();
    let filters = first.and_then(|v| walls::after(here, v, &mut packets, &around, &grace));
    let asked = traffic::Asked::of(case);
    let (overflowed, queues) = (here.overflowed(&grace), here.queues_since(&grace));
    let sockets = case.vantages.first().and_then(|v| traffic::after(asked, here, v, &grace));
    let throttled = here.throttled(sockets.as_ref(), &grace);
    if let Some(round) = case.vantages.first_mut().and_then(|v| v.rounds.last_mut()) {
        (round.after, round.walls, round.traffic) = (after, filters, sockets);
        (round.overflowed, round.queues, round.throttled) = (overflowed, queues, throttled);
    }
    // Without time or rights to ask, what is not known stays so.
    let _ = past::ask(case, 0, here, &grace);
    let Some(survey) = survey else { return };
    for vantage in case.vantages.iter_mut().skip(1) {
        let Some(site) = survey.site(vantage.netns, &grace) else { continue };
        let after = site.inventory.snapshot(moving, &grace).ok();
        let filters = walls::after(site, vantage, &mut packets, &around, &grace);
        let (overflowed, queues) = (site.overflowed(&grace), site.queues_since(&grace));
        let sockets = traffic::after(asked, site, vantage, &grace);
        let throttled = site.throttled(sockets.as_ref(), &grace);
        if let Some(round) = vantage.rounds.last_mut() {
            (round.after, round.walls, round.traffic) = (after, filters, sockets);
            (round.overflowed, round.queues, round.throttled) = (overflowed, queues, throttled);
        }
    }
    let places: Vec<_> = case.vantages.iter().map(|vantage| vantage.netns).enumerate().collect();
    for (index, id) in places.into_iter().skip(1) {
        if let Some(site) = survey.site(id, &grace) {
            let _ = past::ask(case, index, site, &grace);
        }
    }
}

/// A namespace held open for the length of one round.
pub(super) struct Site {
    target: Target,
    inventory: Inventory,
    /// The packet filter as it was before the probes.
    walls: Option<walls::Before>,
    /// The machine's neighbour tables as they were before the probes.
    tables: Vec<NeighTable>,
    /// The queues of its links as they were before the probes.
    queues: Vec<Qdisc>,
    /// The control groups of its processes that may have only so much processor time.
    groups: Vec<CpuGroup>,
}

/// More rows than this are cut down to those that matter for a case.
const MANY: usize = 2000;

impl Site {
    fn open(target: &Target) -> Result<Self> {
        Ok(Self {
            target: target.clone(),
            inventory: Inventory::open(target)?,
            walls: None,
            tables: Vec::new(),
            queues: Vec::new(),
            groups: Vec::new(),
        })
    }

    fn neighbour_tables(&mut self, budget: &Budget) -> Vec<NeighTable> {
        self.inventory.neighbour_tables(budget).map(|dump| dump.items).unwrap_or_default()
    }

    fn queues(&mut self, budget: &Budget) -> Vec<Qdisc> {
        self.inventory.qdiscs(budget).map(|dump| dump.items).unwrap_or_default()
    }

    /// The queues that dropped packets since the first look, or hold some.
    fn queues_since(&mut self, budget: &Budget) -> Vec<QueueRecord> {
        let (old, new) = (std::mem::take(&mut self.queues), self.queues(budget));
        QueueRecord::of(&old, new)
    }

    /// Begins to watch who has to wait for processor time; a look at all processes, for where the service may be.
    fn meter(&mut self, budget: &Budget) {
        self.groups = cpu::groups(self.inventory.netns_id(), budget);
    }

    /// The control groups that used up their processor time since then.
    fn throttled(&mut self, traffic: Option<&Traffic>, budget: &Budget) -> Vec<Throttled> {
        let waited = |group: CpuGroup| {
            let moved = group.now()?.since(group.stat);
            let (pid, comm) = group.process;
            (moved.throttled > 0).then(|| Throttled {
                group: group.path.as_str().into(),
                serves: None,
                pid,
                comm,
                quota: group.quota,
                period: group.period,
                periods: moved.periods,
                throttled: moved.throttled,
                waited: moved.waited,
            })
        };
        let groups = std::mem::take(&mut self.groups);
        let mut throttled: Vec<_> = groups.into_iter().filter_map(waited).collect();
        traffic::tie(&mut throttled, traffic, self, budget);
        throttled
    }

    /// The neighbour tables that refused entries since the first look.
    fn overflowed(&mut self, budget: &Budget) -> Vec<Overflowed> {
        let (old, new) = (std::mem::take(&mut self.tables), self.neighbour_tables(budget));
        let pair = |before: NeighTable| {
            let after = new.iter().find(|after| after.family == before.family).copied()?;
            (after.overflows > before.overflows).then_some(Overflowed { before, after })
        };
        old.into_iter().filter_map(pair).collect()
    }

    /// Looks at the tables before the probes.
    fn begin(&mut self, what: Sections, budget: &Budget) -> Result<Round> {
        let mut before = self.inventory.snapshot(what, budget)?;
        trim(&mut before);
        let (filters, gap) = walls::Before::read(self, budget);
        self.walls = Some(filters);
        self.tables = self.neighbour_tables(budget);
        self.queues = self.queues(budget);
        let gaps = gap.into_iter().collect();
        Ok(Round {
            before,
            probes: Vec::new(),
            after: None,
            walls: None,
            overflowed: Vec::new(),
            traffic: None,
            queues: Vec::new(),
            throttled: Vec::new(),
            gaps,
        })
    }
}

/// A node may hold hundreds of thousands of rows; a case needs the listeners and the odd routes.
fn trim(snapshot: &mut Snapshot) {
    if let Some(sockets) = &mut snapshot.sockets {
        sockets.items.retain(|sock| sock.is_listening());
    }
    let plain = |route: &Route| route.kind == RouteKind::Unicast && !route.is_default();
    if let Some(routes) = &mut snapshot.routes {
        if routes.items.len() > MANY {
            routes.items.retain(|route| !plain(route));
        }
        routes.items.truncate(MANY);
    }
    if let Some(neighbours) = &mut snapshot.neighbours {
        neighbours.items.truncate(MANY);
    }
}
