use std::io::{self, Write};

use serde::Serialize;
use vision_core::Capability;

use super::table::table;
use crate::output::{Human, Style};

/// What this process may do.
#[derive(Debug, Serialize)]
pub struct CapsReport {
    /// Capabilities in force.
    pub effective: Vec<Capability>,
    /// Capabilities that some verb asks for and that are not in force.
    pub missing: Vec<Capability>,
    /// Whether they hold for namespaces made inside a user namespace only.
    pub user_namespace: bool,
    /// What is possible, verb by verb.
    pub verbs: Vec<Ability>,
    /// Where to grant what is missing.
    pub grants: Vec<Grant>,
}

/// Whether some verbs work.
#[derive(Debug, Serialize)]
pub struct Ability {
    /// The verbs, or what is to be done.
    pub verbs: &'static str,
    /// What it takes.
    pub needs: &'static [Capability],
    /// Whether it is possible now.
    pub possible: bool,
    /// What is lacking.
    pub missing: Vec<Capability>,
    /// The setting that makes it possible without.
    pub without: Option<&'static str>,
}

/// Where a capability is granted.
#[derive(Debug, Serialize)]
pub struct Grant {
    /// Which.
    pub capability: Capability,
    /// The line in a pod's container.
    pub pod: String,
    /// The flag of `docker run`.
    pub docker: String,
}

impl Human for CapsReport {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let Style { bold, warn, .. } = style;
        writeln!(out, "{bold}in force{bold:#}  {}", names(&self.effective))?;
        if self.user_namespace {
            writeln!(
                out,
                "{warn}note{warn:#}      inside a user namespace: this holds for network \
                 namespaces made in it only"
            )?;
        }
        let rows = self.verbs.iter().map(Ability::row);
        writeln!(out, "\n{}", table(&["CAN", "WHAT", "NEEDS"], rows))?;
        if !self.grants.is_empty() {
            let row = |g: &Grant| vec![g.capability.to_string(), g.pod.clone(), g.docker.clone()];
            let head = ["MISSING", "IN A POD", "FOR DOCKER"];
            writeln!(out, "\n{}", table(&head, self.grants.iter().map(row)))?;
        }
        Ok(())
    }
}

impl Ability {
    fn row(&self) -> Vec<String> {
        let can = if self.possible { "yes" } else { "no" };
        let needs = match self.without {
            Some(setting) => format!("nothing: {setting}"),
            None => names(self.needs),
        };
        vec![can.to_owned(), self.verbs.to_owned(), needs]
    }
}

fn names(capabilities: &[Capability]) -> String {
    match capabilities {
        [] => "nothing".to_owned(),
        some => some.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
    }
}
