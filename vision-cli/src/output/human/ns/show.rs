use std::io::{self, Write};

use serde::Serialize;
use vision_core::Gap;
use vision_core::base::Untrusted;
use vision_core::inventory::{MappedNamespace, NetworkMap, Setting};
use vision_core::netns::{FileOrigin, TargetFile};

use super::NsOf;
use crate::output::human::map::tree;
use crate::output::{Human, Style, esc};

/// One namespace.
#[derive(Debug, Serialize)]
pub struct NsShow {
    /// Who it is.
    #[serde(flatten)]
    pub identity: NsOf,
    /// Its interfaces and where they lead; absent if it could not be found again.
    pub namespace: Option<MappedNamespace>,
    /// The files asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<ShownFile>,
    /// The settings asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<Setting>,
    /// What could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
    /// The namespaces its interfaces lead to are named after this.
    #[serde(skip)]
    pub map: NetworkMap,
}

/// A file as the target sees it.
#[derive(Debug, Serialize)]
pub struct ShownFile {
    /// Its path inside of the target.
    pub path: String,
    /// Where it was read.
    pub origin: FileOrigin,
    /// What is in it.
    pub text: Untrusted,
    /// The same in hexadecimal if it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_hex: Option<String>,
}

impl ShownFile {
    /// Takes over what was read.
    pub fn new(path: &str, file: &TargetFile) -> Self {
        let text = Untrusted::from(file.bytes.as_slice());
        let text_hex = text.hex_unless_utf8();
        Self { path: path.to_owned(), origin: file.origin.clone(), text, text_hex }
    }
}

impl Human for NsShow {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        self.identity.human(out, style)?;
        if let Some(namespace) = &self.namespace {
            tree(&self.map, namespace, out, style)?;
        }
        let Style { bold, warn, dim, .. } = style;
        for file in &self.files {
            writeln!(out, "\n{bold}{}{bold:#}", esc(&file.path))?;
            for line in file.text.as_bytes().split(|byte| *byte == b'\n') {
                if !line.is_empty() {
                    writeln!(out, "  {}", Untrusted::from(line).escaped())?;
                }
            }
        }
        if !self.settings.is_empty() {
            writeln!(out)?;
        }
        for setting in &self.settings {
            match &setting.value {
                Some(value) => {
                    // Tabs stand between numbers.
                    let value = String::from_utf8_lossy(value.as_bytes()).replace('\t', " ");
                    writeln!(out, "{} = {}", setting.name.escaped(), esc(&value))?;
                }
                None => writeln!(out, "{} {dim}may not be read{dim:#}", setting.name.escaped())?,
            }
        }
        self.gaps
            .iter()
            .try_for_each(|gap| writeln!(out, "{warn}not shown{warn:#}  {}", esc(&gap.to_string())))
    }
}
