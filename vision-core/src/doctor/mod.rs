//! Finds out why a container's network does not work and names the cause.
//!
//! [`collect`] does all the input and output and fills a [`CaseFile`]; [`plan`], which says what
//! to ask next, and [`judge`], which says what it means, are pure functions of that file.

mod areas;
mod case;
mod cause;
mod collect;
mod engine;
mod fib;
mod flows;
mod forgetful;
mod greeting;
mod plan;
mod question;
mod report;
mod rules;
mod scene;
mod stop;
mod traffic;
mod train;
mod unresolved;
mod walls;
mod wire;

pub use case::{
    CaseFile, Elsewhere, FullSizeRecord, Overflowed, ProbeRecord, Probing, Round, RouteRecord,
    Search, Shared, Vantage, VantageRole,
};
pub use cause::Cause;
pub use collect::{Vantages, collect, diagnose};
pub use engine::judge;
pub use forgetful::Forgetful;
pub use greeting::{ProxyRecord, SmallSegments};
pub use plan::{Step, plan};
pub use question::{Question, Service};
pub use report::{
    Area, AreaState, Class, Confidence, Consequence, Diagnosis, Evidence, Finding, Fix, Risk,
    RuledOut, Severity, Subject, SubjectKind, Unchecked, Verdict,
};
pub use rules::explain;
pub use traffic::{Crowd, Holder, Lingering, Throttled, Traffic};
pub use train::{QueueRecord, TrainRecord};
pub use unresolved::UnresolvedRecord;
pub use walls::{Endpoint, LegacyStop, MetRule, PortPool, Tracking, TrackingCounts, Walls, Way};
pub use wire::{Answering, Wire, WireLink};
