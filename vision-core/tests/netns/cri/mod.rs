//! Pods of a real containerd with networks by CNI, found with its socket and without it, compared
//! with what the engine itself says.

mod client;
mod node;

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use vision_core::netns::{Engine, Lookup, Source};
use vision_core::{Budget, Error};
use vision_lab::{Lab, require, whole_machine};

use self::client::Message;
use self::node::Cri;
use crate::alone;
use crate::containers::{find, installed, netns_of};

const PROGRAMS: &[&str] = &["containerd", "ctr", "runc", "/usr/lib/cni/bridge"];
const POD: &str = "PodSandboxStatus";
const CONTAINER: &str = "ContainerStatus";

#[test]
fn pods_of_containerd_are_found_with_its_socket_and_without() {
    if require(whole_machine()).is_none() {
        return;
    }
    let _alone = alone();
    let Some(lab) = require(Lab::new()) else { return };
    if !installed(PROGRAMS) {
        return;
    }
    let mut cri = Cri::start(&lab);
    // Names that nothing else on this machine has.
    let name = |what: &str| format!("{what}-{}", std::process::id());
    let (cart, agent, app, side, old) =
        (name("cart"), name("agent"), name("app"), name("side"), name("old"));
    let shop = cri.pod("shop", &cart, false);
    let test = cri.pod("test", &cart, false);
    let host = cri.pod("kube-system", &agent, true);
    let (app_id, side_id) = (cri.container(&shop, &app), cri.container(&shop, &side));
    let old_id = cri.container(&shop, &old);
    cri.ask("StopContainer", &Message::default().bytes(1, &old_id));
    let pause = cri.pid(POD, &shop.id);
    let path = cri.info(POD, &shop.id)["runtimeSpec"]["linux"]["namespaces"].clone();
    let path = path.as_array().expect("a list").iter().find(|ns| ns["type"] == "network");
    let path = path.and_then(|ns| ns["path"].as_str()).expect("a path").to_owned();
    assert!(path.contains("/netns/cni-"), "{path}");
    let inode = std::fs::metadata(&path).expect("a namespace file").ino();
    // The third way asks nobody, since files say enough.
    let sources = [Source::Files, Source::Engine, Source::Files];
    for (lookup, source) in cri.ways().into_iter().zip(sources) {
        for text in [format!("pod:shop/{cart}"), format!("pod:{}", shop.uid)] {
            let target = find(&lookup, &text).expect(&text);
            assert_eq!(target.pid(), Some(pause), "{text} by {lookup:?}");
            assert_eq!(target.id().ino, inode);
            let container = target.container().expect("remembered");
            assert_eq!(container.engine, Engine::Containerd);
        }
        // Several containers of a pod have one network.
        for (text, id) in [(&app, &app_id), (&side, &side_id), (&app_id, &app_id)] {
            let target = find(&lookup, &format!("ctr:{text}")).expect(text);
            assert_eq!(target.pid(), Some(cri.pid(CONTAINER, id)), "{text} by {lookup:?}");
            assert_eq!(target.id().ino, inode);
            let container = target.container().expect("remembered");
            assert_eq!(container.image.as_deref(), Some("vision.test/sleep:1"));
            assert_eq!(container.source, source, "{text} by {lookup:?}");
            assert!(container.label().starts_with(&format!("shop/{cart} ")));
        }
        let other = find(&lookup, &format!("pod:test/{cart}")).expect("running");
        assert_eq!(other.id().ino, netns_of(cri.pid(POD, &test.id)));
        assert_ne!(other.id().ino, inode);
        let both = find(&lookup, &format!("pod:{cart}")).expect_err("two of them");
        let Error::Ambiguous(_, listed) = &both else { panic!("{both}") };
        for (listed, namespace) in listed.iter().zip(["shop", "test"]) {
            assert!(listed.starts_with(&format!("pod:{namespace}/{cart} (")), "{listed}");
        }
        let own = find(&lookup, &format!("pod:kube-system/{agent}")).expect("running");
        assert_eq!(own.pid(), Some(cri.pid(POD, &host.id)));
        assert_eq!(own.id().ino, cri.node.inode());
    }
    // Only the engine remembers one that has ended.
    let [without, alone, all] = cri.ways();
    for lookup in [alone, all] {
        let stopped = find(&lookup, &format!("ctr:{old}"));
        assert!(matches!(stopped, Err(Error::TargetExited(_))), "{stopped:?}");
    }
    let stopped = find(&without, &format!("ctr:{old}"));
    assert!(matches!(stopped, Err(Error::NotFound(_) | Error::TargetExited(_))), "{stopped:?}");
}

#[test]
fn a_stale_socket_leaves_what_the_files_say() {
    if require(whole_machine()).is_none() {
        return;
    }
    let _alone = alone();
    let Some(lab) = require(Lab::new()) else { return };
    if !installed(PROGRAMS) {
        return;
    }
    let mut cri = Cri::start(&lab);
    let name = format!("stale-{}", std::process::id());
    let pod = cri.pod("shop", &name, false);
    let pid = cri.pid(POD, &pod.id);
    cri.kill();
    let asks = Lookup::default().engine(cri.socket());
    let target = find(&asks, &format!("pod:shop/{name}")).expect("the files know it");
    assert_eq!(target.pid(), Some(pid));
    assert_eq!(target.id().ino, netns_of(pid));
    let started = Instant::now();
    let found = asks.containers(&Budget::within(Duration::from_secs(10))).expect("listed");
    assert!(started.elapsed() < Duration::from_secs(3));
    let one = found.containers.iter().find(|one| one.id == pod.id).expect("listed");
    assert_ne!(one.source, Source::Engine);
    let socket = cri.socket().display().to_string();
    let gap = found.gaps.iter().find(|gap| gap.what == socket).expect("said so");
    assert!(gap.why.contains("refused"), "{}", gap.why);
    cri.revive();
}
