//! Services that may use only so much of the processor.

use std::{
    fs,
    net::TcpStream,
    path::PathBuf,
    process,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use vision_lab::{Lab, Node, Proc};

use super::Built;
use crate::{
    Result,
    score::scenario::{Scenario, Site},
};

const THROTTLED: &str = "latency.cpu-throttled";

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault(THROTTLED, "a tenth of a processor, http", tenth).seen(),
    Scenario::fault(THROTTLED, "its pod has a tenth of a processor, http, v6", pod).seen(),
    Scenario::healthy("all processors, as much work", unlimited).seen(),
    Scenario::healthy("twice a processor, and as much work", enough).seen(),
];

const PORT: u16 = 8080;

/// Answers after 30 ms of work.
const SERVER: &str = "\
import http.server, time
class Works(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        end = time.process_time() + 0.03
        while time.process_time() < end: pass
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_): pass
class Server(http.server.ThreadingHTTPServer):
    address_family = 10
Server((\"::\", 8080), Works).serve_forever()
";

/// A control group and one in it; both go with this, which has to outlive their process.
struct Group {
    outer: PathBuf,
    inner: PathBuf,
}

impl Group {
    /// Makes one that may run for so long in each tenth of a second.
    fn make(quota: Duration) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("vision-exam-{}-{number}", process::id());
        let outer = PathBuf::from("/sys/fs/cgroup/cpu").join(name);
        let group = Self { inner: outer.join("inner"), outer };
        fs::create_dir_all(&group.inner)?;
        fs::write(group.outer.join("cpu.cfs_quota_us"), quota.as_micros().to_string())?;
        Ok(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.inner);
        let _ = fs::remove_dir(&self.outer);
    }
}

/// A service that works for its answers; in a group, once it has started.
fn serve(node: &Node, group: Option<&PathBuf>) -> Result<Proc> {
    let server = node.spawn(&format!("python3 -c '{SERVER}'"));
    let end = Instant::now() + Duration::from_secs(10);
    while node.enter(|| TcpStream::connect(("::1", PORT)).is_err()) {
        if Instant::now() > end {
            return Err("the service does not start".into());
        }
        thread::sleep(Duration::from_millis(20));
    }
    if let Some(group) = group {
        fs::write(group.join("cgroup.procs"), server.pid().to_string())?;
    }
    Ok(server)
}

fn tenth(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let group = Group::make(Duration::from_millis(10))?;
    let server = serve(&b, Some(&group.outer))?;
    Ok(Site::at(&a).keep((server, group)).ask(format!("http://{}:{PORT}/", b.v4())).blame(&b))
}

fn pod(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let group = Group::make(Duration::from_millis(10))?;
    let server = serve(&b, Some(&group.inner))?;
    Ok(Site::at(&a).keep((server, group)).ask(format!("http://[{}]:{PORT}/", b.v6())).blame(&b))
}

fn unlimited(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let server = serve(&b, None)?;
    Ok(Site::at(&a).keep(server).ask(format!("http://{}:{PORT}/", b.v4())))
}

fn enough(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let group = Group::make(Duration::from_millis(200))?;
    let server = serve(&b, Some(&group.inner))?;
    Ok(Site::at(&a).keep((server, group)).ask(format!("http://{}:{PORT}/", b.v4())))
}
