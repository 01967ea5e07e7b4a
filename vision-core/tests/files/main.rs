//! Capture files: what is read of them, what is written, and what is refused.
#![cfg(feature = "capture")]

mod corpus;
mod damage;
mod follow;
mod packed;
mod peer;
mod pieces;
mod storage;
mod write;

use std::fs;
use std::path::PathBuf;

/// A folder of one test, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vision-files-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
