//! containerd as a Kubernetes node runs it: pods by its CRI plugin, their networks by CNI plugins.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use vision_core::netns::Lookup;
use vision_lab::{Lab, Node, Proc};

use super::client::{Message, call, first_text, info};
use crate::containers::{root_with_sleep, scratch, sh};

const IMAGE: &str = "vision.test/sleep:1";

/// The engine in a network namespace of its own; everything it started goes with the test.
pub struct Cri {
    pub node: Node,
    daemon: Option<Proc>,
    pub dir: PathBuf,
    run: PathBuf,
    pods: Vec<Pod>,
}

/// What was asked for, and what it became.
#[derive(Clone)]
pub struct Pod {
    pub id: String,
    pub uid: String,
    config: Message,
}

impl Cri {
    pub fn start(lab: &Lab) -> Self {
        let dir = scratch("cri");
        let run = PathBuf::from(format!("/run/vision-k{}", std::process::id()));
        fs::create_dir_all(&run).expect("made");
        fs::create_dir_all(dir.join("cni")).expect("made");
        let at = dir.display();
        fs::write(dir.join("config.toml"), config(&dir, &run)).expect("written");
        fs::write(dir.join("cni/10-pods.conflist"), network(&dir)).expect("written");
        let node = lab.node("cri").expect("a node");
        let log = format!("containerd -c {at}/config.toml >{at}/log 2>&1");
        let daemon = Some(node.spawn(&log));
        let this = Self { node, daemon, dir, run, pods: Vec::new() };
        let ready_by = Instant::now() + Duration::from_secs(30);
        while let Err(e) = call(&this.socket(), "Version", &Message::default()) {
            let log = || fs::read_to_string(this.dir.join("log")).unwrap_or_default();
            assert!(Instant::now() < ready_by, "containerd does not answer: {e}\n{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
        this.import();
        this
    }

    pub fn socket(&self) -> PathBuf {
        self.run.join("sock")
    }

    /// An image without a registry: one layer with `sleep`, for pods and containers alike.
    fn import(&self) {
        root_with_sleep(&self.dir.join("rootfs"));
        sh(&format!(
            r#"cd {0}; tar -C rootfs -cf layer.tar .
            sum=$(sha256sum layer.tar | cut -d' ' -f1)
            echo '{{"architecture":"'$(dpkg --print-architecture)'","os":"linux","config":{{"Cmd":["/bin/sleep","1000"]}},"rootfs":{{"type":"layers","diff_ids":["sha256:'$sum'"]}}}}' >config.json
            echo '[{{"Config":"config.json","RepoTags":["{IMAGE}"],"Layers":["layer.tar"]}}]' >manifest.json
            tar -cf image.tar manifest.json config.json layer.tar
            ctr -a {1} -n k8s.io images import --snapshotter native image.tar"#,
            self.dir.display(),
            self.socket().display()
        ));
    }

    pub fn ask(&self, method: &str, message: &Message) -> Vec<u8> {
        self.try_ask(method, message).unwrap_or_else(|e| {
            let log = fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            let tail: Vec<_> = log.lines().rev().take(8).collect();
            panic!("{e}\n{}", tail.join("\n"))
        })
    }

    fn try_ask(&self, method: &str, message: &Message) -> Result<Vec<u8>, String> {
        call(&self.socket(), method, message)
    }

    /// Runs a pod as the kubelet would; on the machine's own network or on one of its own.
    pub fn pod(&mut self, namespace: &str, name: &str, on_host: bool) -> Pod {
        let uid = format!("{:08x}-0000-4000-8000-{:012x}", std::process::id(), self.pods.len());
        let metadata = Message::default().bytes(1, name).bytes(2, &uid).bytes(3, namespace);
        let options = Message::default().value(1, if on_host { 2 } else { 0 }).value(2, 1);
        let security = Message::default().bytes(1, options);
        let parent = format!("/kubepods/besteffort/pod{uid}");
        let linux = Message::default().bytes(1, parent).bytes(2, security);
        let labels = [
            ("io.kubernetes.pod.name", name),
            ("io.kubernetes.pod.namespace", namespace),
            ("io.kubernetes.pod.uid", &*uid),
        ];
        // The machine's own name cannot be changed by a pod.
        let hostname = if on_host { "" } else { name };
        let config = Message::default().bytes(1, metadata).bytes(2, hostname);
        let config = config.map(6, &labels).bytes(8, linux);
        let answer = self.ask("RunPodSandbox", &Message::default().bytes(1, &config));
        let pod = Pod { id: first_text(&answer), uid, config };
        self.pods.push(pod.clone());
        pod
    }

    /// Creates and starts a container in a pod.
    pub fn container(&self, pod: &Pod, name: &str) -> String {
        let labels = [("io.kubernetes.container.name", name)];
        let config = Message::default()
            .bytes(1, Message::default().bytes(1, name))
            .bytes(2, Message::default().bytes(1, IMAGE))
            .map(9, &labels);
        let create = Message::default().bytes(1, &pod.id).bytes(2, config).bytes(3, &pod.config);
        let id = first_text(&self.ask("CreateContainer", &create));
        self.ask("StartContainer", &Message::default().bytes(1, &id));
        id
    }

    /// What the engine itself says about a pod or a container.
    pub fn info(&self, kind: &str, id: &str) -> serde_json::Value {
        info(&self.ask(kind, &Message::default().bytes(1, id).value(2, 1)))
    }

    pub fn pid(&self, kind: &str, id: &str) -> u32 {
        let pid = self.info(kind, id)["pid"].as_u64().expect("a number");
        u32::try_from(pid).expect("a process")
    }

    /// Without the socket, with it alone, and as everybody looks.
    pub fn ways(&self) -> [Lookup; 3] {
        let empty = self.dir.join("empty");
        fs::create_dir_all(&empty).expect("made");
        let alone = Lookup::default().below(empty).engine(self.socket());
        [Lookup::default().without_engines(), alone, Lookup::default()]
    }

    /// Ends the engine; its containers stay, and so does its socket, stale.
    pub fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = Command::new("kill").args(["-KILL", &daemon.pid().to_string()]).status();
            daemon.wait(Duration::from_secs(10));
        }
    }

    /// Starts it again.
    pub fn revive(&mut self) {
        let at = self.dir.display();
        let command = format!("containerd -c {at}/config.toml >>{at}/log 2>&1");
        self.daemon = Some(self.node.spawn(&command));
        let ready_by = Instant::now() + Duration::from_secs(30);
        while self.try_ask("Version", &Message::default()).is_err() {
            assert!(Instant::now() < ready_by, "containerd does not come back");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Cri {
    fn drop(&mut self) {
        for pod in &self.pods {
            let id = Message::default().bytes(1, &pod.id);
            for method in ["StopPodSandbox", "RemovePodSandbox"] {
                if let Err(e) = self.try_ask(method, &id) {
                    eprintln!("{e}");
                }
            }
        }
        if let Some(mut daemon) = self.daemon.take() {
            let _ = Command::new("kill").args(["-TERM", &daemon.pid().to_string()]).status();
            daemon.wait(Duration::from_secs(10));
        }
        // Control groups of whatever hierarchies the machine has; those of others are not empty.
        for pod in &self.pods {
            let below = format!("kubepods/besteffort/pod{}", pod.uid);
            let _ = Command::new("sh")
                .args(["-c", &format!("rmdir /sys/fs/cgroup/*/{below} /sys/fs/cgroup/{below}")])
                .output();
        }
        let rest = "rmdir /sys/fs/cgroup/*/kubepods/besteffort /sys/fs/cgroup/*/kubepods \
                    /sys/fs/cgroup/kubepods/besteffort /sys/fs/cgroup/kubepods";
        let _ = Command::new("sh").args(["-c", rest]).output();
        let _ = fs::remove_dir_all(&self.run);
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn config(dir: &Path, run: &Path) -> String {
    let (at, to) = (dir.display(), run.display());
    format!(
        r#"version = 2
root = "{at}/root"
state = "{to}/state"
[grpc]
  address = "{to}/sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{IMAGE}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  disable_tcp_service = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{at}/cni"
"#
    )
}

fn network(dir: &Path) -> String {
    format!(
        r#"{{"cniVersion":"1.0.0","name":"vision-pods","plugins":[{{"type":"bridge","bridge":"cni0",
"isGateway":true,"ipam":{{"type":"host-local","dataDir":"{}/ipam",
"ranges":[[{{"subnet":"10.244.0.0/24"}}],[{{"subnet":"fd00:244::/64"}}]]}}}}]}}"#,
        dir.display()
    )
}
