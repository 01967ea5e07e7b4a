//! The public items of this crate, as a golden file: a change of the API shows in review.
//!
//! `UPDATE_GOLDEN=1 cargo test -p vision-core --test api` rewrites `tests/data/api.txt`. It is a plain scan of
//! formatted sources: an item counts when its module is public, or when some `pub use` names it.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
};

#[test]
fn the_public_items_are_those_of_the_golden_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    visit(root.join("src/lib.rs"), "vision_core", true, &mut sources);
    let exported: BTreeSet<&str> = sources.iter().flat_map(|s| s.exports()).collect();
    let found: BTreeSet<String> = sources.iter().flat_map(|s| s.items(&exported)).collect();
    let golden = root.join("tests/data/api.txt");
    if env::var_os("UPDATE_GOLDEN").is_some() {
        let lines: String = found.iter().map(|line| format!("{line}\n")).collect();
        fs::write(&golden, lines).expect("a writable golden file");
    }
    let text = fs::read_to_string(&golden).expect("the golden file");
    let wanted: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    let new = found.difference(&wanted).map(|line| format!("+ {line}\n"));
    let gone = wanted.difference(&found).map(|line| format!("- {line}\n"));
    let changes: String = new.chain(gone).collect();
    assert!(changes.is_empty(), "UPDATE_GOLDEN=1 takes this over:\n{changes}");
}

struct Source {
    /// The innermost public module it belongs to.
    module: String,
    /// The module itself is public.
    open: bool,
    text: String,
}

/// Reads a file and those of the modules it declares.
fn visit(file: PathBuf, module: &str, open: bool, sources: &mut Vec<Source>) {
    let text = fs::read_to_string(&file).expect("a source");
    let mut folder = file.parent().expect("a folder").to_path_buf();
    let stem = file.file_stem().expect("a name").to_string_lossy().into_owned();
    if stem != "lib" && stem != "mod" {
        folder.push(stem);
    }
    for line in text.lines() {
        let Some((public, name)) = line.strip_suffix(';').and_then(|line| line.split_once("mod "))
        else {
            continue;
        };
        let children = [folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs")];
        if let Some(child) = children.into_iter().find(|path| path.exists() && name != "tests") {
            let open = open && public == "pub ";
            let inner = if open { format!("{module}::{name}") } else { module.to_owned() };
            visit(child, &inner, open, sources);
        }
    }
    sources.push(Source { module: module.to_owned(), open, text });
}

impl Source {
    /// The names that `pub use` brings up.
    fn exports(&self) -> Vec<&str> {
        let statements =
            self.text.split("\npub use ").skip(1).filter_map(|rest| rest.split(';').next());
        statements.flat_map(words).collect()
    }

    fn items(&self, exported: &BTreeSet<&str>) -> Vec<String> {
        let code = self.text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let mut attribute = 0;
        let mut lines = code.lines().filter(|line| {
            let line = line.trim_start();
            if attribute > 0 || line.starts_with('#') {
                let opened = line.matches(['(', '[']).count() as isize;
                attribute += opened - line.matches([')', ']']).count() as isize;
                return false;
            }
            !line.starts_with('/')
        });
        let mut found = Vec::new();
        while let Some(line) = lines.next() {
            if line.starts_with([' ', '}', ')']) || line.is_empty() {
                continue;
            }
            let head = whole(line, &mut lines);
            let name = name_of(&head).unwrap_or_default();
            let is_macro = head.contains("! {") && !head.starts_with("macro_rules");
            let shown = exported.contains(name) || self.open || is_macro;
            if shown && head.starts_with("pub ") && !head.starts_with("pub(") {
                found.push(head.trim_end_matches([' ', '{', ';']).to_owned());
            }
            while head.ends_with('{') {
                match lines.next() {
                    Some(inner) if !inner.starts_with('}') => {
                        let inner = whole(inner, &mut lines);
                        if shown && (is_macro || counts(&head, &inner)) {
                            let inner = inner.trim_end_matches([' ', '{', ';', ',']);
                            found.push(format!("{name} | {}", inner.trim_start()));
                        }
                    }
                    _ => break,
                }
            }
        }
        found.iter().map(|item| format!("{}: {item}", self.module)).collect()
    }
}

/// The statement that starts with this line, as one line.
fn whole<'a>(first: &str, lines: &mut impl Iterator<Item = &'a str>) -> String {
    let mut whole = first.trim_end().to_owned();
    let count = |text: &str, set: &[char]| text.matches(set).count();
    while !whole.ends_with(['{', '}', ';', ','])
        || count(&whole, &['(', '[']) > count(&whole, &[')', ']'])
        || (whole.starts_with("pub use ") && !whole.ends_with(';'))
    {
        let Some(next) = lines.next() else { break };
        let tight =
            whole.ends_with(['(', '[', '{']) || next.trim().starts_with([')', ']', '}', '.']);
        whole = format!("{whole}{}{}", if tight { "" } else { " " }, next.trim());
    }
    whole.replace(",)", ")").replace(",}", "}").replace(",]", "]")
}

/// Whether a line of a public item's block is part of the API.
fn counts(head: &str, inner: &str) -> bool {
    let indent = inner.len() - inner.trim_start().len();
    match head.split(' ').nth(1) {
        _ if head.starts_with("impl") => {
            !head.contains(" for ") && inner.starts_with("    pub ") && !inner.contains("pub(")
        }
        Some("enum") => inner.trim_start().starts_with(char::is_alphanumeric),
        Some("trait") => {
            indent == 4
                && ["fn ", "type ", "const "].iter().any(|it| inner.trim_start().starts_with(it))
        }
        Some("struct") => inner.starts_with("    pub ") && !inner.contains("pub("),
        _ => false,
    }
}

/// The name an item declares or implements.
fn name_of(head: &str) -> Option<&str> {
    const KEYWORDS: &[&str] = &["struct", "enum", "trait", "fn", "const", "type", "static"];
    if let Some(rest) = head.strip_prefix("impl") {
        let generics = rest.find("> ").filter(|_| rest.starts_with('<')).map_or(0, |end| end + 1);
        return words(&rest[generics..]).next();
    }
    let mut words = words(head);
    let first = words.clone().next();
    words.find(|word| KEYWORDS.contains(word)).and_then(|_| words.next()).or(first)
}

fn words(text: &str) -> impl Iterator<Item = &str> + Clone {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}
