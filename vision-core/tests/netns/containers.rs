//! Containers of real engines, found with the engine's socket and without it, compared with what
//! the engine itself says.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use vision_core::netns::{Engine, Lookup};
use vision_core::{Budget, Error, Result, Target};
use vision_lab::{Lab, Node, Proc, require, whole_machine};

use crate::alone;

/// Whether an engine is installed.
pub fn installed(programs: &[&str]) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    let there = |program: &str| {
        path.split(':')
            .chain(["/usr/sbin", "/sbin"])
            .any(|dir| Path::new(dir).join(program).exists())
    };
    let missing: Vec<_> = programs.iter().filter(|program| !there(program)).collect();
    if !missing.is_empty() {
        let forbidden = std::env::var_os("VISION_FORBID_SKIP").is_some_and(|value| value == "1");
        assert!(!forbidden, "may not be skipped: {missing:?} not installed");
        eprintln!("SKIP: {missing:?} not installed");
    }
    missing.is_empty()
}

pub fn scratch(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("vision-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a scratch folder");
    dir
}

/// Puts `sleep` and the libraries it needs into a folder: an image without a registry.
pub fn root_with_sleep(dir: &Path) {
    let script = format!(
        "mkdir -p {0}/proc {0}/dev {0}/sys {0}/tmp {0}/etc; cd /; \
         tar -chf - bin/sleep $(ldd /bin/sleep | grep -o '/lib[^ ]*' | cut -c2-) | tar -C {0} -xf -",
        dir.display()
    );
    sh(&script);
}

pub fn sh(script: &str) -> String {
    let out = Command::new("sh").args(["-ec", script]).output().expect("sh");
    assert!(out.status.success(), "{script}\n{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("text").trim().to_owned()
}

pub fn find(lookup: &Lookup, text: &str) -> Result<Target> {
    let budget = Budget::within(Duration::from_secs(10));
    Target::look_up(&text.parse().expect("a selector"), lookup, &budget)
}

pub fn netns_of(pid: u32) -> u64 {
    std::fs::metadata(format!("/proc/{pid}/ns/net")).expect("alive").ino()
}

const SPEC: &str = r#"{"ociVersion":"1.0.2","hostname":"bundle",
 "process":{"user":{"uid":0,"gid":0},"args":["/bin/sleep","100"],"cwd":"/","env":["PATH=/bin"]},
 "root":{"path":"rootfs"},
 "mounts":[{"destination":"/proc","type":"proc","source":"proc"}],
 "linux":{"namespaces":[{"type":"pid"},{"type":"network"},{"type":"mount"},{"type":"uts"}]}}"#;

/// A container that runc runs, and that goes with the test.
struct Bundle {
    name: String,
    dir: PathBuf,
}

impl Bundle {
    fn start() -> Self {
        let (dir, name) = (scratch("bundle"), format!("vision-test-{}", std::process::id()));
        root_with_sleep(&dir.join("rootfs"));
        std::fs::write(dir.join("config.json"), SPEC).expect("written");
        let this = Self { name, dir };
        sh(&format!(
            "runc run -d --bundle {} {} </dev/null >/dev/null 2>&1",
            this.dir.display(),
            this.name
        ));
        this
    }

    fn pid(&self) -> u32 {
        let state = sh(&format!("runc state {}", self.name));
        let state: serde_json::Value = serde_json::from_str(&state).expect("JSON");
        state["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("a number")
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        let _ = Command::new("runc").args(["delete", "-f", &self.name]).output();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

#[test]
fn a_bundle_of_runc_is_found_by_its_name() {
    let _alone = alone();
    let Some(_lab) = require(Lab::new()) else { return };
    if !installed(&["runc"]) {
        return;
    }
    let bundle = Bundle::start();
    let lookup = Lookup::default().without_engines();
    let target = find(&lookup, &format!("ctr:{}", bundle.name)).expect("running");
    assert_eq!(target.pid(), Some(bundle.pid()));
    assert_eq!(target.id().ino, netns_of(bundle.pid()));
    assert_eq!(target.container().map(|c| c.engine), Some(Engine::Oci));
    assert_eq!(target.open().expect("alive").id(), target.id());
    sh(&format!("runc kill {} KILL", bundle.name));
    let gone_by = Instant::now() + Duration::from_secs(2);
    while target.open().is_ok() {
        assert!(Instant::now() < gone_by, "still there");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(matches!(target.open(), Err(Error::TargetExited(_))));
    let stopped = find(&lookup, &format!("ctr:{}", bundle.name));
    assert!(matches!(stopped, Err(Error::TargetExited(_))), "{stopped:?}");
}

/// Docker in a network namespace of its own; everything it started goes with the test.
struct Docker {
    node: Node,
    daemon: Option<Proc>,
    dir: PathBuf,
    run: PathBuf,
}

impl Docker {
    fn start(lab: &Lab) -> Self {
        let (dir, run) =
            (scratch("docker"), PathBuf::from(format!("/run/vision-{}", std::process::id())));
        std::fs::create_dir_all(&run).expect("made");
        let node = lab.node("docker").expect("a node");
        let (at, to) = (dir.display(), run.display());
        let command = format!(
            "dockerd --data-root {at}/data --exec-root {to}/exec -p {to}/pid -H unix://{to}/docker.sock \
             --iptables=false --ip6tables=false --bridge=none"
        );
        let daemon = Some(node.spawn(&command));
        let this = Self { node, daemon, dir, run };
        let ready_by = Instant::now() + Duration::from_secs(30);
        while this.try_docker("version").is_err() {
            assert!(Instant::now() < ready_by, "dockerd does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        root_with_sleep(&this.dir.join("rootfs"));
        let import = "import --change 'CMD [\"/bin/sleep\",\"100\"]' - vision.test/sleep:1";
        sh(&format!("tar -C {}/rootfs -c . | {} {import}", this.dir.display(), this.client()));
        this
    }

    fn client(&self) -> String {
        format!("docker -H unix://{}/docker.sock", self.run.display())
    }

    fn try_docker(&self, args: &str) -> Result<String, String> {
        let out = Command::new("sh").args(["-ec", &format!("{} {args}", self.client())]).output();
        let out = out.expect("sh");
        match out.status.success() {
            true => Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned()),
            false => Err(String::from_utf8_lossy(&out.stderr).into_owned()),
        }
    }

    fn docker(&self, args: &str) -> String {
        self.try_docker(args).unwrap_or_else(|error| panic!("docker {args}: {error}"))
    }

    fn run(&self, args: &str) -> String {
        self.docker(&format!("run -d {args} vision.test/sleep:1"))
    }

    fn inspect(&self, name: &str, what: &str) -> String {
        self.docker(&format!("inspect -f '{{{{{what}}}}}' {name}"))
    }

    fn pid(&self, name: &str) -> u32 {
        self.inspect(name, ".State.Pid").parse().expect("a number")
    }

    /// Without the socket, and without the files.
    fn ways(&self) -> [Lookup; 2] {
        let empty = self.dir.join("empty");
        std::fs::create_dir_all(&empty).expect("made");
        let socket = self.run.join("docker.sock");
        [Lookup::default().without_engines(), Lookup::default().below(empty).engine(socket)]
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let all = self.try_docker("ps -aq").unwrap_or_default();
        for id in all.split_whitespace() {
            let _ = self.try_docker(&format!("rm -f {id}"));
        }
        if let Some(mut daemon) = self.daemon.take() {
            let _ = Command::new("kill").args(["-TERM", &daemon.pid().to_string()]).status();
            daemon.wait(Duration::from_secs(10));
        }
        let netns = self.run.join("exec/netns/default");
        let _ = Command::new("umount").arg(netns).output();
        let _ = std::fs::remove_dir_all(&self.run);
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

#[test]
fn dockers_containers_are_found_with_its_socket_and_without() {
    if require(whole_machine()).is_none() {
        return;
    }
    let _alone = alone();
    let Some(lab) = require(Lab::new()) else { return };
    if !installed(&["dockerd", "docker", "containerd", "runc"]) {
        return;
    }
    let docker = Docker::start(&lab);
    // Names that nothing else on this machine has.
    let name = |what: &str| format!("vision-{what}-{}", std::process::id());
    let (web, side, host, old) = (name("web"), name("side"), name("host"), name("old"));
    let id = docker.run(&format!("--name {web} --net none"));
    docker.run(&format!("--name {side} --net container:{web}"));
    docker.run(&format!("--name {host} --net host"));
    docker.docker(&format!("create --name {old} vision.test/sleep:1"));
    for lookup in docker.ways() {
        for (text, of) in
            [(&web, &web), (&id[..12].to_owned(), &web), (&side, &side), (&host, &host)]
        {
            let target = find(&lookup, &format!("ctr:{text}")).expect(text);
            assert_eq!(target.pid(), Some(docker.pid(of)), "{text} by {lookup:?}");
            assert_eq!(target.id().ino, netns_of(docker.pid(of)));
            let container = target.container().expect("remembered");
            assert_eq!(container.engine, Engine::Docker);
            assert_eq!(container.image.as_deref(), Some("vision.test/sleep:1"));
        }
        let web = find(&lookup, &format!("ctr:{web}")).expect("running").id();
        let key = std::fs::metadata(docker.inspect(&id, ".NetworkSettings.SandboxKey"));
        assert_eq!(web.ino, key.expect("a namespace file").ino());
        assert_eq!(find(&lookup, &format!("ctr:{side}")).expect("running").id(), web);
        let own = find(&lookup, &format!("ctr:{host}")).expect("running").id();
        assert_eq!(own.ino, docker.node.inode());
        let stopped = find(&lookup, &format!("ctr:{old}"));
        assert!(matches!(stopped, Err(Error::TargetExited(_))), "{stopped:?}");
    }
    let all = Lookup::default().containers(&Budget::within(Duration::from_secs(10)));
    let all = all.expect("listed");
    let owner = all.of_process(docker.pid(&side)).expect("in a container");
    assert_eq!(owner.name.as_deref(), Some(&*side));
    assert!(all.of_process(std::process::id()).is_none_or(|own| own.id != owner.id));
    // The engine starts it anew: what was found before is gone, the name leads to the new one.
    let lookup = Lookup::default().without_engines();
    let before = find(&lookup, &format!("ctr:{web}")).expect("running");
    docker.docker(&format!("restart -t 0 {web}"));
    assert!(matches!(before.open(), Err(Error::TargetExited(_))));
    let after = find(&lookup, &format!("ctr:{web}")).expect("running again");
    assert_eq!(after.pid(), Some(docker.pid(&web)));
}

/// containerd with its state where nobody looks by default; only its shims say where.
struct Containerd {
    daemon: Option<Proc>,
    dir: PathBuf,
    run: PathBuf,
}

impl Containerd {
    fn start(lab: &Lab) -> Self {
        let (dir, run) =
            (scratch("ctd"), PathBuf::from(format!("/run/vision-c{}", std::process::id())));
        std::fs::create_dir_all(&run).expect("made");
        let (at, to) = (dir.display(), run.display());
        let config = format!(
            "version = 2\nroot = \"{at}/root\"\nstate = \"{to}/state\"\n\
             disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\n  address = \"{to}/sock\"\n"
        );
        std::fs::write(dir.join("config.toml"), config).expect("written");
        let node = lab.node("containerd").expect("a node");
        let daemon = Some(node.spawn(&format!("containerd -c {at}/config.toml")));
        let this = Self { daemon, dir, run };
        let ready_by = Instant::now() + Duration::from_secs(30);
        while this.try_ctr("version").is_none() {
            assert!(Instant::now() < ready_by, "containerd does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        root_with_sleep(&this.dir.join("rootfs"));
        this
    }

    fn try_ctr(&self, args: &str) -> Option<String> {
        let script = format!("ctr -a {}/sock -n k8s.io {args}", self.run.display());
        let out = Command::new("sh").args(["-ec", &script]).output().expect("sh");
        out.status.success().then(|| String::from_utf8_lossy(&out.stdout).into_owned())
    }

    /// Runs a container with the annotations that the CRI plugin would write.
    fn run(&self, id: &str, more: &str, labels: &[(&str, &str)]) {
        let labels: Vec<_> = labels
            .iter()
            .map(|(key, value)| format!("--annotation io.kubernetes.cri.{key}={value}"))
            .collect();
        let (labels, root) = (labels.join(" "), self.dir.join("rootfs"));
        let args =
            format!("run -d {more} {labels} --rootfs {} {id} /bin/sleep 100", root.display());
        self.try_ctr(&args).unwrap_or_else(|| panic!("ctr {args}"));
    }

    fn pid(&self, id: &str) -> u32 {
        let tasks = self.try_ctr("tasks ls").expect("tasks");
        let row = tasks.lines().find(|line| line.starts_with(id)).expect("a row");
        row.split_whitespace().nth(1).and_then(|pid| pid.parse().ok()).expect("a number")
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        for id in self.try_ctr("tasks ls -q").unwrap_or_default().lines() {
            let _ = self.try_ctr(&format!("tasks rm -f {id}"));
            let _ = self.try_ctr(&format!("containers rm {id}"));
        }
        if let Some(mut daemon) = self.daemon.take() {
            let _ = Command::new("kill").args(["-TERM", &daemon.pid().to_string()]).status();
            daemon.wait(Duration::from_secs(10));
        }
        let _ = std::fs::remove_dir_all(&self.run);
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

#[test]
fn containerds_pods_are_found_wherever_it_keeps_its_state() {
    if require(whole_machine()).is_none() {
        return;
    }
    let _alone = alone();
    let Some(lab) = require(Lab::new()) else { return };
    if !installed(&["containerd", "ctr", "runc"]) {
        return;
    }
    let ctd = Containerd::start(&lab);
    let (pod, me) = (format!("cart-{}", std::process::id()), std::process::id());
    let of = |kind| {
        vec![("container-type", kind), ("sandbox-name", &*pod), ("sandbox-namespace", "shop")]
    };
    let (pause, app) = (format!("pause-{me}"), format!("app-{me}"));
    ctd.run(&pause, "", &of("sandbox"));
    let netns = format!("--with-ns network:/proc/{}/ns/net", ctd.pid(&pause));
    let labels = [of("container"), vec![("container-name", "app"), ("image-name", "shop/cart:1")]];
    ctd.run(&app, &netns, &labels.concat());
    let lookup = Lookup::default().without_engines();
    for text in [format!("pod:shop/{pod}"), format!("pod:{pod}"), pod.clone()] {
        let target = find(&lookup, &text).expect(&text);
        assert_eq!(target.pid(), Some(ctd.pid(&pause)), "{text}");
        assert_eq!(target.id().ino, netns_of(ctd.pid(&pause)));
    }
    let target = find(&lookup, &format!("ctr:{app}")).expect("running");
    assert_eq!(target.pid(), Some(ctd.pid(&app)));
    assert_eq!(target.id().ino, netns_of(ctd.pid(&pause)));
    let container = target.container().expect("remembered");
    assert_eq!((container.engine, container.name.as_deref()), (Engine::Containerd, Some("app")));
    assert_eq!(container.label(), format!("shop/{pod} (app)"));
    // Its socket is there, but nobody behind it speaks of pods.
    let asked = Lookup::default().engine(ctd.run.join("sock"));
    let asked = asked.containers(&Budget::within(Duration::from_secs(10))).expect("listed");
    assert!(asked.containers.iter().any(|one| one.name.as_deref() == Some("app")));
    let gap = asked.gaps.iter().find(|gap| gap.what.ends_with("/sock")).expect("said so");
    let part = if cfg!(feature = "cri") { "is its CRI plugin disabled?" } else { "no HTTP" };
    assert!(gap.why.contains(part), "{}", gap.why);
    // A container that ends in the middle takes its target with it.
    ctd.try_ctr(&format!("tasks kill -s KILL {app}")).expect("killed");
    let gone_by = Instant::now() + Duration::from_secs(2);
    while target.open().is_ok() {
        assert!(Instant::now() < gone_by, "still there");
        std::thread::sleep(Duration::from_millis(10));
    }
    let again = find(&lookup, &format!("ctr:{app}"));
    assert!(matches!(again, Err(Error::TargetExited(_) | Error::NotFound(_))), "{again:?}");
}
