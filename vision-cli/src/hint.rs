//! The next step after an error: which capability is missing and where to grant it, where to look.

use vision_core::base::Op;
use vision_core::{Capability, Error};

/// Says what to do about an error, where something can be done.
pub fn of(error: &Error) -> Option<String> {
    match error {
        Error::Permission { op, needs } => Some(grant(*op, *needs)),
        Error::NotFound(what) => not_found(what).map(str::to_owned),
        Error::Ambiguous(_, choices) => {
            let first = choices.first()?;
            // Behind the selector stands what tells it from the others.
            let first = first.split(' ').next()?;
            Some(format!("write one of them in full, as in `--in {first}`"))
        }
        Error::TargetExited(what) if what.contains("not running") => {
            Some("start it, or take one that `vision ns ls` lists".to_owned())
        }
        Error::TargetExited(_) => Some("name a live process; `vision ns ls` lists them".to_owned()),
        Error::Elapsed => Some("allow more time with --budget".to_owned()),
        Error::Sys { source, .. } => descriptors(source).map(str::to_owned),
        _ => None,
    }
}

/// Where a capability is granted.
pub fn grants(needs: Capability) -> (String, String) {
    let pod = format!("securityContext: {{capabilities: {{add: [{}]}}}}", needs.name());
    (pod, format!("--cap-add {}", needs.name()))
}

fn grant(op: Op, needs: Capability) -> String {
    let (pod, docker) = grants(needs);
    let base = format!("grant it with `{pod}` in the pod or `{docker}` for docker");
    match (op, needs) {
        (Op::OpenEcho, _) => {
            format!("{base}, or let the sysctl net.ipv4.ping_group_range cover this group")
        }
        (Op::OpenNamespace | Op::EnterNamespace, _) => {
            "run as root on the node, or add [SYS_ADMIN, SYS_PTRACE] and `hostPID: true` to the \
             pod (docker: `--cap-add SYS_ADMIN --cap-add SYS_PTRACE --pid host`)"
                .to_owned()
        }
        _ => base,
    }
}

fn not_found(what: &str) -> Option<&'static str> {
    let starts = |word: &str| what.starts_with(word);
    if starts("container `") || starts("pod `") {
        return Some("list containers and pods with `vision ns ls`");
    }
    if starts("namespace `") || starts("target `") || starts("process ") || starts("/") {
        return Some("list them with `vision ns ls`");
    }
    if starts("interface ") {
        return Some("list them with `vision link`");
    }
    if starts("source address ") || starts("source ") {
        return Some("list this namespace's addresses with `vision link`");
    }
    if starts("cause ") {
        return Some("list them with `vision explain`");
    }
    None
}

fn descriptors(source: &std::io::Error) -> Option<&'static str> {
    match source.raw_os_error() {
        Some(nix::libc::EMFILE) => Some("raise the limit of open files with `ulimit -n`"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_capability_comes_with_the_line_that_grants_it() {
        let error = Error::Permission { op: Op::OpenPacket, needs: Capability::NetRaw };
        let text = of(&error).expect("a hint");
        assert!(text.contains("capabilities: {add: [NET_RAW]}"), "{text}");
        assert!(text.contains("--cap-add NET_RAW"), "{text}");
    }
}
