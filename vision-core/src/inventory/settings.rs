//! Settings of a namespace by their names, as `sysctl` has them.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Inventory;
use crate::base::{Budget, Error, Result, Untrusted};

/// One setting below `/proc/sys/net`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Setting {
    /// Its name, as sysctl(8) writes it: a dot inside of an interface's name is a slash.
    pub name: Untrusted,
    /// Its value; tabs between numbers stay. `None` when it may not be read.
    pub value: Option<Untrusted>,
}

impl Inventory {
    /// Returns the settings of the namespace whose names begin with `prefix`, by name:
    /// `net`, `net.ipv4`, `net.ipv4.conf.eth0.rp_filter`.
    ///
    /// Those that can only be written (`flush`) are left out.
    ///
    /// # Errors
    /// [`Error::Invalid`] for names outside of `net`, which do not belong to a network namespace,
    /// [`Error::NotFound`] when there is none of that name.
    pub fn settings(&mut self, prefix: &str, budget: &Budget) -> Result<Vec<Setting>> {
        let below = below(prefix)?;
        let read = self.netns().run(|| {
            let mut found = Vec::new();
            collect(&Path::new(ROOT).join(&below), budget, &mut found)?;
            found.sort();
            Ok::<_, Error>(found)
        })?;
        match read? {
            found if found.is_empty() => Err(Error::NotFound(format!("setting `{prefix}`"))),
            found => Ok(found),
        }
    }
}

/// The path of a name below `/proc/sys`.
fn below(prefix: &str) -> Result<PathBuf> {
    let other = |why: &str| Error::invalid("setting", format!("`{prefix}` {why}"));
    let name = prefix.trim_end_matches('.');
    if name != "net" && !name.starts_with("net.") {
        return Err(other("is not below net, which is all that belongs to a network namespace"));
    }
    let swapped = name.chars().map(|c| match c {
        '.' => '/',
        '/' => '.',
        c => c,
    });
    let path = PathBuf::from(swapped.collect::<String>());
    let plain = |part: std::path::Component<'_>| matches!(part, std::path::Component::Normal(_));
    match path.components().all(plain) {
        true => Ok(path),
        false => Err(other("is no name of a setting")),
    }
}

fn collect(path: &Path, budget: &Budget, found: &mut Vec<Setting>) -> Result<()> {
    budget.remaining()?;
    // Gone meanwhile, with its interface.
    let Ok(meta) = fs::symlink_metadata(path) else { return Ok(()) };
    if meta.is_dir() {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        return entries.into_iter().try_for_each(|entry| collect(&entry.path(), budget, found));
    }
    use std::os::unix::fs::PermissionsExt;
    if !meta.is_file() || meta.permissions().mode() & 0o444 == 0 {
        return Ok(());
    }
    let value = match fs::read(path) {
        Ok(mut bytes) => {
            if bytes.last() == Some(&b'\n') {
                bytes.pop();
            }
            Some(Untrusted::from(bytes))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        // `stable_secret` that was never set says EIO.
        Err(_) => None,
    };
    found.push(Setting { name: name(path), value });
    Ok(())
}

fn name(path: &Path) -> Untrusted {
    let below = path.strip_prefix(ROOT).unwrap_or(path);
    let swap = |byte: &u8| match byte {
        b'/' => b'.',
        b'.' => b'/',
        byte => *byte,
    };
    Untrusted::from(below.as_os_str().as_bytes().iter().map(swap).collect::<Vec<u8>>())
}

const ROOT: &str = "/proc/sys";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_paths_with_dots_and_slashes_swapped() {
        let path = below("net.ipv4.conf.eth0/5.rp_filter").expect("a name");
        assert_eq!(path, Path::new("net/ipv4/conf/eth0.5/rp_filter"));
        let full = Path::new(ROOT).join(path);
        assert_eq!(name(&full), *"net.ipv4.conf.eth0/5.rp_filter");
    }

    #[test]
    fn nothing_outside_of_the_namespaces_own_is_read() {
        for bad in ["", "kernel.hostname", "netx", "net.//.kernel", "net.ipv4.//.//.//.etc", "/etc"]
        {
            let error = below(bad).expect_err(bad).to_string();
            assert!(error.contains(bad), "{error}");
        }
        assert!(below("net.").is_ok() && below("net").is_ok());
    }
}
