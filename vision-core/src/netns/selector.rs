use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::base::{Error, Result};

/// What a person writes to name a target; parses and prints the same text.
///
/// ```
/// use vision_core::Selector;
///
/// let selector: Selector = "pid:4242".parse()?;
/// assert_eq!(selector, Selector::Pid(4242));
/// assert_eq!(selector.to_string(), "pid:4242");
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Selector {
    /// `self`: the namespace of the calling thread.
    #[default]
    Current,
    /// `host`: the namespace of process 1, from the initial pid namespace only.
    Host,
    /// `pid:N`: the namespace of a process.
    Pid(u32),
    /// `netns:NAME`: a namespace that `ip netns` knows.
    Name(String),
    /// `path:FILE`: a namespace file.
    Path(PathBuf),
    /// `ctr:NAME` or `ctr:ID`: a container, by its name or the first digits of its number.
    Container(String),
    /// `pod:NAME`, `pod:NAMESPACE/NAME` or `pod:UID`: the network of a pod.
    Pod {
        /// The Kubernetes namespace; `None` for any.
        namespace: Option<String>,
        /// The pod's name or unique number.
        name: String,
    },
    /// A bare word: whatever single thing has that name.
    Bare(String),
}

impl FromStr for Selector {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let Some((kind, rest)) = text.split_once(':') else {
            return bare(text);
        };
        match kind {
            _ if rest.is_empty() => Err(bad(text, "has nothing after the colon")),
            "pid" => match rest.parse() {
                Ok(pid) if pid > 0 => Ok(Self::Pid(pid)),
                _ => Err(bad(text, "needs a process number after `pid:`")),
            },
            "netns" if rest.contains('/') => Err(bad(text, "is a path: write path:FILE")),
            "netns" => Ok(Self::Name(rest.to_owned())),
            "path" => Ok(Self::Path(rest.into())),
            "ctr" => Ok(Self::Container(rest.to_owned())),
            "pod" => pod(text, rest),
            _ if text.starts_with(['/', '.']) => Ok(Self::Path(text.into())),
            _ => Err(bad(
                text,
                "is of no known kind: use self, host, pid:N, netns:NAME, path:FILE, ctr:NAME or \
                 pod:[NS/]NAME",
            )),
        }
    }
}

fn pod(text: &str, rest: &str) -> Result<Selector> {
    let (namespace, name) = match rest.split_once('/') {
        None => (None, rest),
        Some((namespace, name)) => (Some(namespace), name),
    };
    if name.is_empty() || name.contains('/') || namespace == Some("") {
        return Err(bad(text, "names no pod: write pod:NAME or pod:NAMESPACE/NAME"));
    }
    Ok(Selector::Pod { namespace: namespace.map(str::to_owned), name: name.to_owned() })
}

fn bare(text: &str) -> Result<Selector> {
    match text {
        "" => Err(bad(text, "is empty")),
        "self" => Ok(Selector::Current),
        "host" => Ok(Selector::Host),
        path if path.starts_with(['/', '.']) => Ok(Selector::Path(path.into())),
        name if name.contains('/') => Ok(Selector::Path(name.into())),
        name => Ok(Selector::Bare(name.to_owned())),
    }
}

fn bad(text: &str, why: &str) -> Error {
    Error::invalid("target", format!("`{text}` {why}"))
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Current => f.write_str("self"),
            Self::Host => f.write_str("host"),
            Self::Pid(pid) => write!(f, "pid:{pid}"),
            Self::Name(name) => write!(f, "netns:{name}"),
            Self::Path(path) => write!(f, "path:{}", path.display()),
            Self::Container(name) => write!(f, "ctr:{name}"),
            Self::Pod { namespace: None, name } => write!(f, "pod:{name}"),
            Self::Pod { namespace: Some(namespace), name } => write!(f, "pod:{namespace}/{name}"),
            Self::Bare(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_parses_back() {
        let plain = ["self", "host", "pid:7", "netns:blue", "path:/proc/1/ns/net", "blue"];
        for text in plain.into_iter().chain(["ctr:web", "pod:cart", "pod:shop/cart-7d9"]) {
            let selector: Selector = text.parse().expect(text);
            assert_eq!(selector.to_string(), text);
        }
        assert_eq!("/x:y".parse::<Selector>().expect("a path"), Selector::Path("/x:y".into()));
    }

    #[test]
    fn refusals_name_the_input_and_the_choices() {
        for (text, part) in [
            ("pid:x", "`pid:x` needs a process number"),
            ("pid:0", "`pid:0`"),
            ("netns:", "nothing after the colon"),
            ("netns:a/b", "path:FILE"),
            ("box:web", "use self, host, pid:N, netns:NAME, path:FILE, ctr:NAME or pod:[NS/]NAME"),
            ("ctr:", "nothing after the colon"),
            ("pod:shop/", "pod:NAMESPACE/NAME"),
            ("pod:/cart", "pod:NAMESPACE/NAME"),
            ("pod:a/b/c", "pod:NAMESPACE/NAME"),
            ("", "is empty"),
        ] {
            let error = text.parse::<Selector>().expect_err(text).to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
