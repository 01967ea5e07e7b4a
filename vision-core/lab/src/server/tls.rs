//! TLS servers with certificates of an authority of their own, both by the `openssl` program.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{
    error::{Error, Result},
    node::Node,
    process::Proc,
};

/// An authority that signs certificates, in a directory that is gone with it.
#[derive(Debug)]
pub struct Authority {
    dir: PathBuf,
}

/// What a certificate is like.
// closed: those that tests are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    /// By the authority, for these days.
    Properly,
    /// By the authority, and its time was over in 2021.
    Formerly,
    /// By the authority, and its time comes in 2099.
    TooEarly,
    /// By itself.
    ByItself,
}

/// A certificate and its key.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The certificate, in PEM.
    pub file: PathBuf,
    /// Its key, in PEM.
    pub key: PathBuf,
}

/// A key of a kind that is made in a moment.
const KEY: [&str; 4] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];

/// What `openssl ca` needs to be told to sign with dates of our choice.
const SETTINGS: &str = "[ca]\ndefault_ca=own\n[own]\ndatabase=index\nnew_certs_dir=.\nserial=serial\n\
    default_md=sha256\npolicy=any\ncopy_extensions=copy\nunique_subject=no\n[any]\ncommonName=supplied\n";

impl Authority {
    /// Makes one called `Lab CA`.
    ///
    /// # Errors
    /// What `openssl` says; without it, that it is missing.
    pub fn new() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("vision-ca-{}-{number}", std::process::id()));
        let made = Self { dir };
        fs::create_dir_all(&made.dir).map_err(|e| Error::io("a directory")(e))?;
        for (name, text) in [("settings", SETTINGS), ("index", ""), ("serial", "01\n")] {
            fs::write(made.dir.join(name), text).map_err(|e| Error::io("a file")(e))?;
        }
        let names = ["-nodes", "-days", "9", "-subj", "/CN=Lab CA", "-keyout", "ca.key"];
        made.openssl(&[&["req", "-x509"], &KEY[..], &names, &["-out", "ca.pem"]].concat())?;
        Ok(made)
    }

    /// Its own certificate, in PEM.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// Where everything is.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes a certificate for a common name and alternative ones such as `DNS:db.test,IP:10.0.0.1`.
    ///
    /// # Errors
    /// What `openssl` says.
    pub fn certificate(&self, subject: &str, names: &str, signed: Signed) -> Result<Certificate> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let file = |end: &str| format!("leaf-{number}.{end}");
        let (pem, key, request) = (file("pem"), file("key"), file("csr"));
        let subject = format!("/CN={subject}");
        let names = format!("subjectAltName={names}");
        let common = ["-nodes", "-subj", &subject, "-addext", &names, "-keyout", &key];
        match signed {
            Signed::ByItself => {
                let own = ["-days", "9", "-out", &pem];
                self.openssl(&[&["req", "-x509"], &KEY[..], &common, &own].concat())?;
            }
            Signed::Properly | Signed::Formerly | Signed::TooEarly => {
                self.openssl(&[&["req"], &KEY[..], &common, &["-out", &request]].concat())?;
                let dates: &[&str] = match signed {
                    Signed::Formerly => {
                        &["-startdate", "20200101000000Z", "-enddate", "20210101000000Z"]
                    }
                    Signed::TooEarly => {
                        &["-startdate", "20990101000000Z", "-enddate", "20990201000000Z"]
                    }
                    _ => &["-days", "9"],
                };
                let sign = ["ca", "-batch", "-notext", "-config", "settings", "-cert", "ca.pem"];
                let files = ["-keyfile", "ca.key", "-in", &request, "-out", &pem];
                self.openssl(&[&sign[..], &files, dates].concat())?;
            }
        }
        Ok(Certificate { file: self.dir.join(pem), key: self.dir.join(key) })
    }

    fn openssl(&self, args: &[&str]) -> Result<()> {
        let output = Command::new("openssl").args(args).current_dir(&self.dir).output();
        let output = output.map_err(|e| Error::io("openssl")(e))?;
        match output.status.success() {
            true => Ok(()),
            false => {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                Err(Error::NotReady(format!("openssl {args:?}: {said}")))
            }
        }
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// `openssl s_server` in a node, which answers HTTP with a page about the connection. Stops on drop.
#[derive(Debug)]
pub struct TlsServer {
    _process: Proc,
}

impl TlsServer {
    /// Listens in `node` on a port of both families; more words for the program follow in `options`.
    ///
    /// # Errors
    /// When it does not listen within five seconds.
    pub fn start(node: &Node, port: u16, with: &Certificate, options: &str) -> Result<Self> {
        let (file, key) = (with.file.display(), with.key.display());
        let line =
            format!("openssl s_server -www -accept {port} -cert {file} -key {key} {options}");
        let mut process = node.spawn(&line);
        let end = Instant::now() + Duration::from_secs(5);
        let at = SocketAddr::from(([127, 0, 0, 1], port));
        let listens = || node.enter(|| TcpStream::connect(at).is_ok());
        while !listens() {
            if !process.alive() || Instant::now() > end {
                return Err(Error::NotReady(format!("{line}: it does not listen")));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(Self { _process: process })
    }
}
