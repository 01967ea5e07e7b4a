//! The programs that stand beside containers: their command lines say where engines keep state.

use std::io;

use super::root::Root;

/// What an engine's process says about where its containers are.
#[derive(Debug)]
pub(super) struct Watcher {
    pub(super) pid: u32,
    /// The file system as that process sees it: its paths hold there.
    pub(super) root: Root,
    /// Whether root or the caller runs it. What others run may lead to a file system of theirs
    /// that never answers, so only its command line counts.
    pub(super) trusted: bool,
    pub(super) says: Says,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// containerd's shim; its working directory is the bundle. The socket is that of its
    /// containerd, unless that serves Docker, which asks for no pods.
    Shim { pid: u32, socket: Option<String> },
    /// Podman's and CRI-O's, one for each container.
    Conmon { id: String, name: Option<String>, bundle: String, pid_file: Option<String> },
    /// Docker's daemon.
    Docker { data: String, sockets: Vec<String> },
    /// Podman's service.
    Podman { socket: String },
    /// containerd or CRI-O, told where to listen.
    Cri { socket: String },
    /// systemd-nspawn and the machine it runs.
    Nspawn { machine: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Shim,
    Conmon,
    Docker,
    Podman,
    Cri,
    Nspawn,
}

/// Tells by its name what a process watches; names are cut to 15 bytes (proc_pid_comm(5)).
pub(super) fn kind(comm: &[u8]) -> Option<Kind> {
    Some(match comm {
        b"conmon" => Kind::Conmon,
        b"dockerd" => Kind::Docker,
        b"podman" => Kind::Podman,
        b"containerd" | b"crio" => Kind::Cri,
        b"systemd-nspawn" => Kind::Nspawn,
        name if name.starts_with(b"containerd-shim") => Kind::Shim,
        _ => return None,
    })
}

/// Reads the command line of a watcher.
pub(super) fn read(
    kind: Kind,
    pid: u32,
    line: &[u8],
    trusted: bool,
    root: impl FnOnce() -> io::Result<Root>,
) -> Option<Watcher> {
    let args: Vec<&str> =
        line.split(|byte| *byte == 0).filter_map(|arg| str::from_utf8(arg).ok()).collect();
    let says = says(kind, pid, &args)?;
    Some(Watcher { pid, root: root().ok()?, trusted, says })
}

fn says(kind: Kind, pid: u32, args: &[&str]) -> Option<Says> {
    match kind {
        Kind::Shim => {
            let socket = value(args, &["-address"]).filter(|path| path.starts_with('/'));
            let pods = value(args, &["-namespace"]) != Some("moby");
            Some(Says::Shim { pid, socket: socket.filter(|_| pods).map(str::to_owned) })
        }
        Kind::Cri => {
            let socket = value(args, &["-a", "--address", "-address", "--listen"])?;
            let socket = socket.strip_prefix("unix://").unwrap_or(socket);
            socket.starts_with('/').then(|| Says::Cri { socket: socket.to_owned() })
        }
        Kind::Conmon => Some(Says::Conmon {
            id: value(args, &["-c", "--cid"])?.to_owned(),
            name: value(args, &["-n", "--name"]).map(str::to_owned),
            bundle: value(args, &["-b", "--bundle"])?.to_owned(),
            pid_file: value(args, &["-p", "--container-pidfile"]).map(str::to_owned),
        }),
        Kind::Docker => {
            let data = value(args, &["--data-root", "-g", "--graph"]);
            let sockets = values(args, &["-H", "--host"]).filter_map(unix).collect();
            Some(Says::Docker { data: data.unwrap_or("/var/lib/docker").to_owned(), sockets })
        }
        Kind::Podman => {
            let mut words = args.iter().skip_while(|arg| **arg != "system").skip(1);
            (words.next() == Some(&"service")).then_some(())?;
            let socket = words.find_map(|arg| unix(arg))?;
            Some(Says::Podman { socket })
        }
        Kind::Nspawn => {
            let named = value(args, &["-M", "--machine"]);
            let folder =
                || value(args, &["-D", "--directory"])?.rsplit('/').find(|p| !p.is_empty());
            Some(Says::Nspawn { machine: named.or_else(folder)?.to_owned() })
        }
    }
}

fn value<'a>(args: &[&'a str], names: &'a [&str]) -> Option<&'a str> {
    values(args, names).next()
}

/// The values of an option, in the next word or behind an equals sign.
fn values<'a>(args: &[&'a str], names: &'a [&str]) -> impl Iterator<Item = &'a str> {
    let next = args.iter().skip(1).map(Some).chain([None]);
    let mut found = Vec::new();
    for (arg, next) in args.iter().zip(next) {
        for name in names {
            match (arg.strip_prefix(name), next) {
                (Some(""), Some(next)) => found.push(*next),
                (Some(rest), _) => found.extend(rest.strip_prefix('=')),
                _ => {}
            }
        }
    }
    found.into_iter()
}

fn unix(text: &str) -> Option<String> {
    let path = text.strip_prefix("unix://")?;
    path.starts_with('/').then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(kind: Kind, text: &str) -> Option<Says> {
        says(kind, 7, &text.split(' ').collect::<Vec<_>>())
    }

    #[test]
    fn names_tell_watchers_from_others() {
        assert_eq!(kind(b"containerd-shim"), Some(Kind::Shim));
        assert_eq!(kind(b"conmon"), Some(Kind::Conmon));
        assert_eq!(kind(b"containerd"), Some(Kind::Cri));
        assert_eq!(kind(b"containerd-stress"), None);
        assert_eq!(kind(b"sleep"), None);
    }

    #[test]
    fn options_stand_in_the_next_word_or_behind_an_equals_sign() {
        let docker = |data: &str, sockets: &[&str]| {
            let sockets = sockets.iter().map(ToString::to_string).collect();
            Some(Says::Docker { data: data.into(), sockets })
        };
        let text = "dockerd --data-root /d -H unix:///run/a.sock --host=unix:///run/b.sock";
        assert_eq!(line(Kind::Docker, text), docker("/d", &["/run/a.sock", "/run/b.sock"]));
        assert_eq!(line(Kind::Docker, "dockerd -H fd://"), docker("/var/lib/docker", &[]));
        let text = "dockerd -H tcp://1.2.3.4:2375 -H unix://relative";
        assert_eq!(line(Kind::Docker, text), docker("/var/lib/docker", &[]));
    }

    #[test]
    fn conmon_says_id_name_and_place() {
        let text = "/usr/bin/conmon --api-version 1 -c abc -u abc -r runc -b /s/abc/userdata -p \
                    /r/pidfile -n web --exit-dir /x";
        let expected = Says::Conmon {
            id: "abc".into(),
            name: Some("web".into()),
            bundle: "/s/abc/userdata".into(),
            pid_file: Some("/r/pidfile".into()),
        };
        assert_eq!(line(Kind::Conmon, text), Some(expected));
        assert_eq!(line(Kind::Conmon, "conmon -c"), None);
    }

    #[test]
    fn the_socket_of_an_engine_of_pods_stands_with_it_and_with_its_shims() {
        let cri = |socket: &str| Some(Says::Cri { socket: socket.into() });
        assert_eq!(line(Kind::Cri, "containerd -c /c.toml -a /run/c.sock"), cri("/run/c.sock"));
        assert_eq!(line(Kind::Cri, "crio --listen=unix:///run/o.sock"), cri("/run/o.sock"));
        assert_eq!(line(Kind::Cri, "containerd --address relative"), None);
        assert_eq!(line(Kind::Cri, "containerd"), None);
        let shim = |text| line(Kind::Shim, text);
        let text = "containerd-shim-runc-v2 -namespace k8s.io -id abc -address /run/c.sock";
        let socket = Some("/run/c.sock".to_owned());
        assert_eq!(shim(text), Some(Says::Shim { pid: 7, socket }));
        let text = "containerd-shim-runc-v2 -namespace moby -id abc -address /run/c.sock";
        assert_eq!(shim(text), Some(Says::Shim { pid: 7, socket: None }));
    }

    #[test]
    fn a_machine_is_called_by_its_name_or_its_folder() {
        for text in ["systemd-nspawn -M box -D /x/y", "systemd-nspawn --directory=/srv/box/ -U"] {
            assert_eq!(line(Kind::Nspawn, text), Some(Says::Nspawn { machine: "box".into() }));
        }
        let text = "podman --root /x system service -t 0 unix:///run/p.sock";
        assert_eq!(line(Kind::Podman, text), Some(Says::Podman { socket: "/run/p.sock".into() }));
        assert_eq!(line(Kind::Podman, "podman run -d x unix:///run/p.sock"), None);
    }
}
