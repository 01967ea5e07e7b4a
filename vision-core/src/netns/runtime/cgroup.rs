//! Which container a process belongs to, by the path of its control group.

use super::Engine;
use super::model::is_number;

/// What the path of a control group says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Membership {
    pub(super) engine: Engine,
    pub(super) id: String,
    pub(super) pod_uid: Option<String>,
}

/// Reads `/proc/PID/cgroup` of either version (cgroups(7)); the innermost container counts.
///
/// With hybrid hierarchies several lines name the same container; the line whose engine is known
/// says the most.
pub(super) fn parse(text: &[u8]) -> Option<Membership> {
    let text = std::str::from_utf8(text).ok()?;
    let mut best: Option<Membership> = None;
    for line in text.lines() {
        let Some(path) = line.splitn(3, ':').nth(2) else { continue };
        let Some(found) = member(path) else { continue };
        if found.engine != Engine::Unknown {
            return Some(found);
        }
        best = best.or(Some(found));
    }
    best
}

fn member(path: &str) -> Option<Membership> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let innermost = parts.iter().enumerate().rev();
    let mut found = innermost.filter_map(|(at, part)| {
        let above = at.checked_sub(1).and_then(|at| parts.get(at)).copied().unwrap_or_default();
        named(part, above)
    });
    let (engine, id) = found.next()?;
    let pod_uid = parts.iter().rev().find_map(|part| pod_uid(part));
    Some(Membership { engine, id, pod_uid })
}

/// What one component names, given the one above it.
fn named(part: &str, above: &str) -> Option<(Engine, String)> {
    let bare = part.strip_suffix(".scope").unwrap_or(part);
    if let Some(machine) = machine(part) {
        return Some((Engine::Nspawn, machine));
    }
    if let Some(name) = part.strip_prefix("lxc.payload.") {
        return Some((Engine::Lxc, name.to_owned()));
    }
    if above == "lxc" {
        return Some((Engine::Lxc, part.to_owned()));
    }
    // `kubepods…slice:cri-containerd:ID` is how runc spells a scope that systemd does not manage.
    let bare = bare.rsplit(':').next().unwrap_or(bare);
    let id = bare.rsplit('-').next().unwrap_or(bare);
    if !is_number(id) {
        return None;
    }
    let prefix = bare.strip_suffix(id).unwrap_or_default().trim_end_matches('-');
    let engine = match (prefix, above) {
        // The engine's own watchers stand beside their containers.
        ("libpod-conmon" | "crio-conmon", _) => return None,
        // A pod of Podman, whose containers are further down.
        ("", "libpod_parent") => return None,
        ("docker", _) | ("", "docker") => Engine::Docker,
        ("cri-containerd", _) => Engine::Containerd,
        ("crio", _) => Engine::CriO,
        ("libpod", _) => Engine::Podman,
        _ if part.contains(":cri-containerd:") => Engine::Containerd,
        _ => Engine::Unknown,
    };
    Some((engine, id.to_owned()))
}

/// `machine-NAME.scope` and `systemd-nspawn@NAME.service`, with systemd's `\x2d` undone.
fn machine(part: &str) -> Option<String> {
    let scope = part.strip_prefix("machine-").and_then(|rest| rest.strip_suffix(".scope"));
    let service = || part.strip_prefix("systemd-nspawn@")?.strip_suffix(".service");
    scope.or_else(service).map(unescape)
}

fn unescape(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, after)) = rest.split_once("\\x") {
        out.push_str(before);
        let byte = after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte.filter(u8::is_ascii) {
            Some(byte) => {
                out.push(byte.into());
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.push_str("\\x");
                rest = after;
            }
        }
    }
    out + rest
}

/// `podUID` of the cgroupfs driver and `kubepods-besteffort-podUID.slice` of the systemd driver,
/// which writes the dashes as underscores.
fn pod_uid(part: &str) -> Option<String> {
    let bare = part.split(':').next()?;
    let bare = bare.strip_suffix(".slice").unwrap_or(bare);
    let uid = match bare.strip_prefix("pod") {
        Some(uid) => uid.to_owned(),
        None if bare.starts_with("kubepods") => bare.rsplit_once("-pod")?.1.replace('_', "-"),
        None => return None,
    };
    let digits = uid.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit());
    (uid.len() >= 8 && digits).then_some(uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4fd2a1b03c9e5f60718293a4b5c6d7e8f90123456789abcdef0123456789abcd";
    const OTHER: &str = "00000000000000000000000000000000000000000000000000000000000000aa";
    const UID: &str = "2b0f7e0c-9a52-4a6e-a2e0-1f0c5f7d9a11";

    fn one(path: &str) -> Option<(Engine, String, Option<String>)> {
        let path = path.replace("ID", ID).replace("OTHER", OTHER);
        let found = parse(format!("0::{path}\n").as_bytes())?;
        Some((found.engine, found.id, found.pod_uid))
    }

    #[test]
    fn every_engines_path_names_its_container() {
        let plain = [
            ("/docker/ID", Engine::Docker),
            ("/system.slice/docker-ID.scope", Engine::Docker),
            ("/machine.slice/libpod-ID.scope/container", Engine::Podman),
            ("/libpod_parent/libpod-ID", Engine::Podman),
            (
                "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope",
                Engine::Podman,
            ),
            ("/system.slice/crio-ID.scope", Engine::CriO),
            ("/somewhere/ID", Engine::Unknown),
            ("/../ID", Engine::Unknown),
        ];
        for (path, engine) in plain {
            assert_eq!(one(path), Some((engine, ID.to_owned(), None)), "{path}");
        }
    }

    #[test]
    fn a_pods_unique_number_is_read_from_either_driver() {
        let uid = UID.replace('-', "_");
        for (path, engine) in [
            (format!("/kubepods/besteffort/pod{UID}/ID"), Engine::Unknown),
            (
                format!(
                    "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{uid}.slice/cri-containerd-ID.scope"
                ),
                Engine::Containerd,
            ),
            (format!("/kubepods.slice/kubepods-pod{uid}.slice/crio-ID.scope"), Engine::CriO),
            (
                format!(
                    "/system.slice/containerd.service/kubepods-burstable-pod{uid}.slice:cri-containerd:ID"
                ),
                Engine::Containerd,
            ),
        ] {
            let expected = Some((engine, ID.to_owned(), Some(UID.to_owned())));
            assert_eq!(one(&path), expected, "{path}");
        }
    }

    #[test]
    fn the_innermost_container_counts_and_watchers_do_not() {
        let nested = one("/docker/OTHER/kubelet.slice/cri-containerd-ID.scope");
        assert_eq!(nested, Some((Engine::Containerd, ID.to_owned(), None)));
        let inside = one("/docker/ID/init.scope/more");
        assert_eq!(inside, Some((Engine::Docker, ID.to_owned(), None)));
        for path in [
            "/machine.slice/libpod-conmon-ID.scope",
            "/system.slice/crio-conmon-ID.scope",
            "/libpod_parent/ID/conmon",
        ] {
            assert_eq!(one(path), None, "{path}");
        }
    }

    #[test]
    fn machines_have_names() {
        for (path, engine, name) in [
            ("/machine.slice/machine-my\\x2dbox.scope/payload", Engine::Nspawn, "my-box"),
            ("/machine.slice/systemd-nspawn@web.service/payload", Engine::Nspawn, "web"),
            ("/lxc.payload.c1/system.slice/x.service", Engine::Lxc, "c1"),
            ("/lxc/c2", Engine::Lxc, "c2"),
        ] {
            assert_eq!(one(path), Some((engine, name.to_owned(), None)), "{path}");
        }
        assert_eq!(unescape("a\\x2"), "a\\x2");
        assert_eq!(unescape("a\\xzzb\\x2dc"), "a\\xzzb-c");
    }

    #[test]
    fn hybrid_hierarchies_take_the_line_that_says_most() {
        let text = format!("9:name=systemd:/x/{ID}\n4:memory:/docker/{ID}\n0::/\n");
        assert_eq!(parse(text.as_bytes()).map(|m| m.engine), Some(Engine::Docker));
        assert_eq!(parse(b"0::/\n"), None);
        assert_eq!(parse(b"0::/user.slice/user-0.slice/session-1.scope\n"), None);
        assert_eq!(parse(b"\xff\xfe"), None);
        assert_eq!(parse(b"4:memory:/process_api/5b9adca1ee722ee8841cb53e89ada39b\n"), None);
    }
}
