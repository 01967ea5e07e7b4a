//! Trees of files as engines leave them, beside processes that are really there.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::scan::Scan;
use super::{Engine, Lookup, Role};
use crate::base::{Budget, Error, Result};
use crate::netns::Target;

/// A folder in the place of `/`.
struct Tree(PathBuf);

impl Tree {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("vision-tree-{}-{name}", std::process::id()));
        fs::create_dir_all(&dir).expect("a scratch folder");
        Self(dir)
    }

    fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
        self
    }

    fn docker(&self, id: &str, name: &str, pid: u32) -> &Self {
        let text = format!(
            r#"{{"ID":"{id}","Name":"/{name}","State":{{"Running":{},"Pid":{pid}}},
                "Config":{{"Image":"shop/{name}:1","Labels":null}},"Unknown":[1,{{}}]}}"#,
            pid > 0
        );
        self.write(&format!("var/lib/docker/containers/{id}/config.v2.json"), &text)
    }

    /// A runtime's state, whose start makes the number believable.
    fn runc(&self, id: &str, pid: u32, start: u64) -> &Self {
        let text = format!(r#"{{"init_process_pid":{pid},"init_process_start":{start}}}"#);
        self.write(&format!("run/runc/{id}/state.json"), &text)
    }

    fn cri(&self, id: &str, process: &Process, labels: &[(&str, &str)]) -> &Self {
        let labels: Vec<_> = labels
            .iter()
            .map(|(key, value)| format!(r#""io.kubernetes.cri.{key}":"{value}""#))
            .collect();
        let task = format!("run/containerd/io.containerd.runtime.v2.task/k8s.io/{id}");
        let text = format!(r#"{{"annotations":{{{}}}}}"#, labels.join(","));
        self.write(&format!("{task}/config.json"), &text);
        self.write(&format!("{task}/init.pid"), &process.pid().to_string());
        self.runc(id, process.pid(), process.start())
    }

    fn lookup(&self) -> Lookup {
        Lookup::default().below(&self.0).without_engines()
    }

    fn find(&self, text: &str) -> Result<Target> {
        let budget = Budget::within(Duration::from_secs(10));
        Target::look_up(&text.parse().expect("a selector"), &self.lookup(), &budget)
    }

    fn refusal(&self, text: &str) -> String {
        self.find(text).expect_err(text).to_string()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A process that stands for a container's.
struct Process(Child);

impl Process {
    fn new() -> Self {
        Self(Command::new("sleep").arg("60").spawn().expect("sleep"))
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn start(&self) -> u64 {
        let scan = Scan::all(&Budget::unbounded()).expect("/proc is mounted");
        scan.start(self.pid()).expect("alive")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn id(digit: char) -> String {
    digit.to_string().repeat(64)
}

#[test]
fn a_container_is_found_by_its_name_and_by_the_first_digits_of_its_number() {
    let (tree, process) = (Tree::new("docker"), Process::new());
    tree.docker(&id('a'), "web", process.pid()).runc(&id('a'), process.pid(), process.start());
    tree.docker(&id('b'), "old", 0);
    for text in ["ctr:web", "ctr:aaaa", &format!("ctr:{}", id('a')), "web"] {
        let target = tree.find(text).expect(text);
        assert_eq!(target.pid(), Some(process.pid()), "{text}");
        let container = target.container().expect("remembered");
        assert_eq!((container.engine, container.label()), (Engine::Docker, "web".to_owned()));
        assert_eq!(container.image.as_deref(), Some("shop/web:1"));
        assert_eq!(container.netns, Some(target.id()));
    }
    assert_eq!(tree.find("web").expect("found").to_string(), "ctr:web");
    let stopped = tree.find("ctr:old");
    assert!(matches!(&stopped, Err(Error::TargetExited(why)) if why.contains("not running")));
    let missing = tree.refusal("ctr:nosuch");
    assert!(missing.starts_with("container `nosuch`") && missing.contains("running:"), "{missing}");
}

#[test]
fn a_number_that_another_process_uses_now_is_not_believed() {
    let (tree, process) = (Tree::new("stale"), Process::new());
    // No control group and no start says that this process is the container's.
    tree.docker(&id('a'), "web", process.pid());
    assert!(tree.refusal("ctr:web").contains("not running"));
    tree.docker(&id('c'), "db", process.pid()).runc(&id('c'), process.pid(), process.start() + 1);
    assert!(tree.refusal("ctr:db").contains("not running"));
    // A process that ended, and process 1, which no container has.
    tree.runc("gone", 4_000_000, 7).runc("init", 1, 1);
    assert!(tree.refusal("ctr:gone").contains("not running"));
    assert!(tree.refusal("ctr:init").contains("not running"));
}

#[test]
fn a_container_that_ends_after_it_was_found_is_said_to_have_ended() {
    let (tree, process) = (Tree::new("dies"), Process::new());
    tree.runc("job", process.pid(), process.start());
    let target = tree.find("ctr:job").expect("running");
    drop(process);
    assert!(matches!(target.open(), Err(Error::TargetExited(_))));
    assert!(matches!(tree.find("ctr:job"), Err(Error::TargetExited(_))));
}

#[test]
fn several_are_listed_with_what_tells_them_apart() {
    let (tree, one, two) = (Tree::new("several"), Process::new(), Process::new());
    tree.docker(&id('a'), "web", one.pid()).runc(&id('a'), one.pid(), one.start());
    tree.runc("web", two.pid(), two.start());
    let Err(Error::Ambiguous(what, choices)) = tree.find("ctr:web") else { panic!("two") };
    assert_eq!(what, "container `web`");
    assert!(choices.iter().any(|c| c.starts_with("ctr:aaaaaaaaaaaa (docker web image shop/web:1")));
    assert!(
        choices.iter().any(|c| c.contains("oci runtime") && c.contains(&two.pid().to_string()))
    );
    assert_eq!(tree.find("ctr:aaaaaaaaaaaa").expect("one").pid(), Some(one.pid()));
}

#[test]
fn a_pod_is_its_sandbox_and_its_files_are_those_of_a_container_that_works() {
    let (tree, pause, app) = (Tree::new("pod"), Process::new(), Process::new());
    let (sandbox, worker, other) = (id('1'), id('2'), id('3'));
    let pod = |kind, ns| {
        vec![("container-type", kind), ("sandbox-name", "cart-7d9"), ("sandbox-namespace", ns)]
    };
    tree.cri(&sandbox, &pause, &pod("sandbox", "shop"));
    let named = [pod("container", "shop"), vec![("container-name", "app"), ("image-name", "c:1")]];
    tree.cri(&worker, &app, &named.concat());
    let target = tree.find("pod:shop/cart-7d9").expect("running");
    assert_eq!(target.pid(), Some(pause.pid()));
    assert_eq!(target.container().map(|c| c.role), Some(Role::Sandbox));
    let file = target.read_file("/etc/passwd", &Budget::unbounded()).expect("readable");
    assert!(!file.bytes.is_empty());
    assert_eq!(tree.find("pod:cart-7d9").expect("the only one").pid(), Some(pause.pid()));
    assert_eq!(tree.find("ctr:app").expect("running").pid(), Some(app.pid()));
    assert!(tree.refusal("pod:test/cart-7d9").contains("not found"));
    let twin = Process::new();
    tree.cri(&other, &twin, &pod("sandbox", "test"));
    let Err(Error::Ambiguous(_, choices)) = tree.find("pod:cart-7d9") else { panic!("two") };
    assert!(choices.iter().all(|c| c.starts_with("pod:shop/") || c.starts_with("pod:test/")));
    assert_eq!(tree.find("pod:test/cart-7d9").expect("running").pid(), Some(twin.pid()));
}

#[test]
fn podmans_storage_has_names_images_and_pods() {
    let (tree, infra, member) = (Tree::new("podman"), Process::new(), Process::new());
    let (a, b) = (id('a'), id('b'));
    let storage = "var/lib/containers/storage/overlay-containers";
    let meta = r#""{\"image-name\":\"img:1\"}""#;
    tree.write(
        &format!("{storage}/containers.json"),
        &format!(
            r#"[{{"id":"{a}","names":["1-infra"]}},{{"id":"{b}","names":["in"],"metadata":{meta}}},
                {{"id":"../../etc","names":["evil"]}}]"#
        ),
    );
    let manager = r#""io.container.manager":"libpod""#;
    tree.write(
        &format!("{storage}/{a}/userdata/config.json"),
        &format!(r#"{{"hostname":"pp","annotations":{{{manager}}}}}"#),
    );
    tree.write(
        &format!("{storage}/{b}/userdata/config.json"),
        &format!(r#"{{"annotations":{{{manager},"io.kubernetes.cri-o.SandboxID":"{a}"}}}}"#),
    );
    tree.runc(&a, infra.pid(), infra.start()).runc(&b, member.pid(), member.start());
    assert_eq!(tree.find("pod:pp").expect("running").pid(), Some(infra.pid()));
    let target = tree.find("ctr:in").expect("running");
    assert_eq!(target.pid(), Some(member.pid()));
    let container = target.container().expect("remembered");
    assert_eq!((container.engine, container.label()), (Engine::Podman, "pp (in)".to_owned()));
    assert_eq!(container.image.as_deref(), Some("img:1"));
    assert!(tree.find("ctr:evil").is_err());
}

#[test]
fn damaged_state_is_a_gap_and_hides_nobody_else() {
    let (tree, process) = (Tree::new("damaged"), Process::new());
    tree.docker(&id('a'), "web", 0).runc("good", process.pid(), process.start());
    let containers = tree.0.join("var/lib/docker/containers");
    tree.write(&format!("var/lib/docker/containers/{}/config.v2.json", id('b')), "{\"Name\":");
    for (digit, what) in [('c', "fifo"), ('d', "huge"), ('e', "link")] {
        let file = containers.join(id(digit)).join("config.v2.json");
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        match what {
            "fifo" => {
                nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
            }
            "huge" => fs::File::create(&file).and_then(|f| f.set_len(1 << 40)).expect("sparse"),
            _ => std::os::unix::fs::symlink("/etc/passwd", &file).expect("a link"),
        }
    }
    let found = tree.lookup().containers(&Budget::unbounded()).expect("listed");
    // The link leads nowhere below this root, so there is no such file.
    assert_eq!(found.gaps.len(), 3, "{:?}", found.gaps);
    assert!(found.gaps.iter().all(|gap| gap.what.ends_with("config.v2.json")));
    assert_eq!(tree.find("ctr:good").expect("running").pid(), Some(process.pid()));
    let missing = tree.refusal("ctr:nosuch");
    assert!(missing.contains("not looked at") && missing.contains("config.v2.json"), "{missing}");
}

#[test]
fn names_from_others_are_escaped_in_errors() {
    let (tree, process) = (Tree::new("hostile"), Process::new());
    tree.runc("plain", process.pid(), process.start());
    let text = r#"{"Name":"/\u001b[31mred\r","State":{"Running":true,"Pid":0}}"#;
    tree.write(&format!("var/lib/docker/containers/{}/config.v2.json", id('f')), text);
    tree.runc(&id('f'), process.pid(), process.start());
    let missing = tree.refusal("ctr:nosuch");
    assert!(missing.contains("\\x1b[31mred\\x0d") && !missing.contains('\x1b'), "{missing}");
}

/// Serves Docker's socket of a tree with one answer for each connection; `None` says nothing.
fn engine(tree: &Tree, answer: Option<String>) -> std::thread::JoinHandle<()> {
    let path = tree.0.join("run/docker.sock");
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    let listener = UnixListener::bind(path).expect("bound");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let _ = stream.read(&mut [0; 1024]);
        if let Some(body) = answer {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all((head + &body).as_bytes());
        }
        // Until the client goes.
        let _ = stream.read(&mut [0; 1]);
    })
}

#[test]
fn an_engine_gives_the_name_that_no_file_has() {
    let (tree, process) = (Tree::new("engine"), Process::new());
    tree.runc(&id('a'), process.pid(), process.start());
    let (a, b) = (id('a'), id('b'));
    // It also claims process 1 for a container that nobody else knows.
    let body = format!(
        r#"[{{"Id":"{a}","Names":["/web"],"Image":"w:2","State":"running"}},
            {{"Id":"{b}","Names":["/host"],"Pid":1,"State":"running"}}]"#
    );
    let server = engine(&tree, Some(body));
    let lookup = Lookup::default().below(&tree.0);
    let budget = Budget::within(Duration::from_secs(10));
    let target = Target::look_up(&"ctr:web".parse().expect("a selector"), &lookup, &budget);
    server.join().expect("served");
    let target = target.expect("named by its engine");
    assert_eq!(target.pid(), Some(process.pid()));
    assert_eq!(target.container().and_then(|c| c.image.clone()).as_deref(), Some("w:2"));
    assert!(tree.find("ctr:host").is_err());
}

#[test]
fn an_engine_that_hangs_costs_a_second_and_is_named() {
    let tree = Tree::new("hangs");
    let server = engine(&tree, None);
    let started = Instant::now();
    let lookup = Lookup::default().below(&tree.0);
    let budget = Budget::within(Duration::from_secs(10));
    let missing = Target::look_up(&"ctr:web".parse().expect("a selector"), &lookup, &budget);
    let why = missing.expect_err("nothing there").to_string();
    assert!(why.contains("/run/docker.sock: does not answer within a second"), "{why}");
    assert!(started.elapsed() < Duration::from_secs(4));
    server.join().expect("let go");
}

#[test]
fn the_callers_own_budget_ends_the_wait_for_an_engine() {
    let tree = Tree::new("budget");
    let server = engine(&tree, None);
    let lookup = Lookup::default().below(&tree.0);
    let budget = Budget::within(Duration::from_millis(400));
    let missing = Target::look_up(&"ctr:web".parse().expect("a selector"), &lookup, &budget);
    assert!(matches!(missing, Err(Error::Elapsed)), "{missing:?}");
    server.join().expect("let go");
}

#[test]
fn the_child_of_a_watcher_is_its_container_where_no_control_group_says_so() {
    use std::os::unix::fs::PermissionsExt;
    let tree = Tree::new("conmon");
    let name = format!("rootless-{}", std::process::id());
    let number = format!("{:064x}", u64::from(std::process::id()) << 20);
    // A script is called by its file's name, as proc_pid_comm(5) has it.
    tree.write("conmon", "#!/bin/sh\nsleep 60 &\necho $!\nwait\n");
    let script = tree.0.join("conmon");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("executable");
    let args = ["-c", &number, "-n", &name, "-b", "/no/such/userdata"];
    let mut command = Command::new(&script);
    let watcher = command.args(args).stdout(std::process::Stdio::piped()).spawn();
    let mut watcher = Process(watcher.expect("started"));
    let mut line = [0; 16];
    let said = watcher.0.stdout.as_mut().expect("a pipe").read(&mut line).expect("its child");
    let child: u32 = str::from_utf8(&line[..said]).expect("text").trim().parse().expect("a number");
    let lookup = Lookup::default().without_engines();
    let text = format!("ctr:{name}").parse().expect("a selector");
    let found = Target::look_up(&text, &lookup, &Budget::within(Duration::from_secs(10)));
    let pid = nix::unistd::Pid::from_raw(child.cast_signed());
    let target = found.map(|target| (target.pid(), target.container().cloned()));
    let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
    let (pid, container) = target.expect("running");
    assert_eq!(pid, Some(child));
    let container = container.expect("remembered");
    assert_eq!((container.engine, container.id), (Engine::Podman, number));
}
