//! A machine with many containers: finding one by its name, and the map of all networks.

use std::{
    fs,
    path::PathBuf,
    process::{self, Child, Command},
    time::Duration,
};

use criterion::{Criterion, criterion_group, criterion_main};
use vision_core::{Budget, Selector, Target, inventory::NetworkMap, netns::Lookup};
use vision_lab::{Lab, Proc};

const CONTAINERS: usize = 500;
const NAMESPACES: usize = 100;

fn budget() -> Budget {
    Budget::within(Duration::from_secs(60))
}

/// Processes, and beside them what a runtime writes about its containers.
struct Machine {
    root: PathBuf,
    processes: Vec<Child>,
}

impl Machine {
    fn new() -> Self {
        let root = std::env::temp_dir().join(format!("vision-bench-{}", process::id()));
        let mut processes = Vec::new();
        for number in 0..CONTAINERS {
            let child = Command::new("sleep").arg("600").spawn().expect("sleep");
            let folder = root.join(format!("run/runc/app-{number}"));
            fs::create_dir_all(&folder).expect("a scratch folder");
            fs::write(folder.join("state.json"), state(child.id())).expect("written");
            processes.push(child);
        }
        Self { root, processes }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        for child in &mut self.processes {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// What runc keeps: the first process and its start (proc_pid_stat(5), field 22).
fn state(pid: u32) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("alive");
    let behind = stat.rsplit(") ").next().expect("fields");
    let start = behind.split(' ').nth(19).expect("a start");
    format!(r#"{{"init_process_pid":{pid},"init_process_start":{start}}}"#)
}

fn names(c: &mut Criterion) {
    let machine = Machine::new();
    let mut group = c.benchmark_group("containers");
    let lookup = Lookup::default().below(&machine.root).without_engines();
    group.bench_function("one of 500 by name", |b| b.iter(|| find(&lookup)));
    group.bench_function("all 500", |b| {
        b.iter(|| lookup.containers(&budget()).expect("listed").containers.len());
    });
    group.finish();
}

fn find(lookup: &Lookup) -> Target {
    let name: Selector = "ctr:app-250".parse().expect("a selector");
    Target::look_up(&name, lookup, &budget()).expect("running")
}

fn map(c: &mut Criterion) {
    let lab = match Lab::new() {
        Ok(lab) => lab,
        Err(skip) => return eprintln!("SKIP map: {skip}"),
    };
    let names: Vec<_> = (0..NAMESPACES).map(|number| format!("c{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let bridge = lab.bridge_with_uplink("host", &names).expect("a bridge");
    let lives = |name: &&str| bridge.container(name).sleeper();
    let lives: Vec<Proc> = names.iter().map(lives).collect();
    let mut group = c.benchmark_group("map");
    group.sample_size(20);
    let lookup = Lookup::default();
    group.bench_function("of 100 namespaces", |b| {
        b.iter(|| {
            let all = lookup.namespaces(&budget()).expect("listed");
            let map = NetworkMap::read(&all, &budget()).expect("a map");
            assert!(map.namespaces.len() > NAMESPACES);
        });
    });
    group.finish();
    drop(lives);
}

criterion_group!(benches, names, map);
criterion_main!(benches);
