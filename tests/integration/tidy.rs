//! The project's rules about its own text. Most say what must be absent.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use shared_events::event::Event;

rules! {
    rust_files_keep_to_their_bound,
    the_core_knows_no_io_no_clock_and_no_chance,
    nothing_banned_is_in_the_code,
    every_statement_is_used_and_says_what_it_guarantees,
    statements_name_only_events_that_exist,
    the_services_do_not_know_each_other,
    modules_do_not_import_each_other_in_circles,
    words_are_plain,
    documents_link_to_what_exists,
}

const LINES_MAX: usize = 500;

/// Where code takes values and gives values. So does the `fold.rs` of every view.
const PURE: [&str; 6] = [
    "command-service/inventory/src",
    "query-service/src/integrity/verification",
    "query-service/src/pipeline/checkpoint.rs",
    "query-service/src/pipeline/fact.rs",
    "query-service/src/pipeline/plan.rs",
    "shared-events/src",
];

/// The folder that has a folder for each view.
const VIEWS: &str = "query-service/src/projections";

/// What pure code must not name.
const IMPURE: [&str; 9] = [
    "async fn",
    "tokio::",
    "sqlx::",
    "rdkafka::",
    "std::fs",
    "std::net",
    "Utc::now",
    "Instant::now",
    "rand::",
];

/// All that the core may depend on.
const CORE_DEPENDENCIES: [&str; 6] =
    ["foldhash", "imbl", "serde", "serde_json", "shared-events", "thiserror"];

/// Files whose imports only tests need.
const OF_TESTS: [&str; 4] = ["tests", "spec", "properties", "fixture"];

/// What no Rust file may hold, and why.
const BANNED: [(&str, &str); 9] = [
    ("#[ignore", "a test that is not run proves nothing"),
    ("todo!(", "finish it or leave it out"),
    ("unimplemented!(", "finish it or leave it out"),
    ("dbg!(", "left over from debugging"),
    ("TODO", "finish it or leave it out"),
    ("FIXME", "mend it or leave it out"),
    ("// ---", "a banner; let modules and names give the structure"),
    ("// ===", "a banner; let modules and names give the structure"),
    ("on conflict do nothing", "a lost event must be an error"),
];

/// Words that a colleague would not say aloud, with plain ones.
const NOT_PLAIN: [(&str, &str); 14] = [
    ("foreseen", "expected"),
    ("foresee", "expect"),
    ("foresight", "expectation, estimate"),
    ("anew", "again"),
    ("whoever", "the caller, the reader: say who"),
    ("beside", "next to, besides, in addition to"),
    ("told", "reported, returned, said"),
    ("tells", "says, reports, returns"),
    ("dear", "costly"),
    ("lawful", "valid, allowed"),
    ("of its own", "its own, a separate one"),
    ("of their own", "their own, separate ones"),
    ("for ever", "forever, permanently"),
    ("gone on with", "continued"),
];

/// Published names that contain one of those words: an SQL function of old migrations, a metric and its label.
const PUBLISHED: [&str; 3] = ["append_foreseen", "writer_foreseen_total", "as_foreseen"];

/// A newcomer reads the README to its end.
const README_BYTES_MAX: usize = 8_192;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 6] = ["utils", "util", "common", "helpers", "manager", "misc"];

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace")
}

/// Every file of the project with this ending, as paths from the root.
pub(crate) fn files(ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the project can be read") {
            let path = entry.expect("a folder entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if !matches!(name.as_str(), "target" | ".git" | "node_modules") {
                    folders.push(path);
                }
            } else if name.ends_with(ending) {
                found.push(path.strip_prefix(root()).expect("below the root").to_path_buf());
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no file ends with {ending}");
    found
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

/// Fails with all findings at once.
pub(crate) fn assert_none(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

fn rust_files_keep_to_their_bound() {
    let mut findings = Vec::new();
    for path in files(".rs") {
        let lines = read(&path).lines().count();
        if lines > LINES_MAX {
            findings.push(format!("{}: {lines} lines, at most {LINES_MAX}", path.display()));
        }
    }
    assert_none(&findings);
}

fn the_core_knows_no_io_no_clock_and_no_chance() {
    let mut findings = Vec::new();
    let manifest = read(Path::new("command-service/inventory/Cargo.toml"));
    let (_, dependencies) =
        manifest.split_once("\n[dependencies]\n").expect("it depends on crates");
    for line in dependencies.lines().take_while(|line| !line.starts_with('[')) {
        let name = line.split(['.', ' ']).next().unwrap_or_default();
        if !name.is_empty() && !CORE_DEPENDENCIES.contains(&name) {
            findings.push(format!("the core depends on {name}"));
        }
    }
    let sources = files(".rs");
    let in_views = sources.iter().filter_map(|path| path.strip_prefix(VIEWS).ok()?.parent());
    let views: BTreeSet<_> = in_views.filter_map(|folder| folder.iter().next()).collect();
    let folds: Vec<PathBuf> =
        views.iter().map(|view| Path::new(VIEWS).join(view).join("fold.rs")).collect();
    for fold in folds.iter().filter(|fold| !sources.contains(fold)) {
        findings.push(format!("{}: a view has its fold there", fold.display()));
    }
    for path in &sources {
        if !folds.contains(path) && !PURE.iter().any(|place| path.starts_with(place)) {
            continue;
        }
        let text = read(path);
        for word in IMPURE.iter().filter(|word| text.contains(**word)) {
            findings.push(format!("{}: names {word}", path.display()));
        }
    }
    assert_none(&findings);
}

fn nothing_banned_is_in_the_code() {
    let mut findings = Vec::new();
    let this = Path::new(file!()).file_name();
    for path in files(".rs").iter().chain(&files(".sql")) {
        let text = read(path);
        for (word, reason) in BANNED {
            if path.file_name() != this && text.contains(word) {
                findings.push(format!("{}: {word}: {reason}", path.display()));
            }
        }
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        if stem == "mod" || EMPTY_NAMES.contains(&stem.as_ref()) {
            findings.push(format!("{}: a name that says nothing", path.display()));
        }
    }
    assert_none(&findings);
}

fn every_statement_is_used_and_says_what_it_guarantees() {
    let rust: Vec<String> = files(".rs").iter().map(|path| read(path)).collect();
    let mut findings = Vec::new();
    for path in files(".sql") {
        let text = read(&path);
        let shown = path.display();
        if !text.starts_with("-- ") {
            findings.push(format!("{shown}: does not open with what it guarantees"));
        }
        // The statements of a view stand next to its code.
        let is_of_view = path.starts_with(VIEWS);
        if is_of_view || path.parent().is_some_and(|folder| folder.ends_with("queries")) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let quoted = if is_of_view { format!("{name}\"") } else { format!("queries/{name}\"") };
            if !rust.iter().any(|text| text.contains(&quoted)) {
                findings.push(format!("{shown}: is not used"));
            }
            // What stands between dollar quotes is one text to SQL.
            let text: String = text.split("$$").step_by(2).collect();
            let code: String = text.lines().filter(|line| !line.trim().starts_with("--")).collect();
            if code.contains(';') {
                findings.push(format!("{shown}: more than one statement"));
            }
        }
    }
    assert_none(&findings);
}

fn statements_name_only_events_that_exist() {
    let mut findings = Vec::new();
    for path in files(".sql") {
        // A published migration is never edited.
        if path.parent().is_some_and(|folder| folder.ends_with("migrations")) {
            continue;
        }
        let text = read(&path);
        let code = text.lines().filter(|line| !line.trim_start().starts_with("--"));
        for quoted in code.collect::<String>().split('\'').skip(1).step_by(2) {
            let is_type = quoted.starts_with(char::is_uppercase)
                && quoted.chars().all(char::is_alphanumeric)
                && quoted.contains(char::is_lowercase);
            if is_type && !Event::TYPES.iter().any(|(name, _)| *name == quoted) {
                findings.push(format!("{}: no event is a {quoted}", path.display()));
            }
        }
    }
    assert_none(&findings);
}

fn the_services_do_not_know_each_other() {
    let mut findings = Vec::new();
    for (service, other) in
        [("command-service", "query-service"), ("query-service", "command-service")]
    {
        let manifest = read(&Path::new(service).join("Cargo.toml"));
        // The simulation, a unit test, has both.
        let shipped = manifest.split("[dev-dependencies]").next().unwrap_or_default();
        if shipped.contains(other) {
            findings.push(format!("{service} depends on {other}"));
        }
    }
    let edge = read(Path::new("service-edge/Cargo.toml"));
    if edge.contains("shared-events") {
        findings.push("service-edge knows of events".to_owned());
    }
    let contract = read(Path::new("shared-events/Cargo.toml"));
    for client in ["tokio", "sqlx", "rdkafka", "axum"] {
        if contract.contains(client) {
            findings.push(format!("shared-events depends on {client}"));
        }
    }
    assert_none(&findings);
}

/// Among the modules at the top of a crate; what only tests import does not count.
fn modules_do_not_import_each_other_in_circles() {
    let mut imports: BTreeSet<(String, String, String)> = BTreeSet::new();
    for path in files(".rs") {
        let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
        let Some(source) = parts.iter().position(|part| part == "src") else { continue };
        let module = parts[source + 1].trim_end_matches(".rs");
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        if ["lib", "main"].contains(&module) || OF_TESTS.contains(&stem.as_ref()) {
            continue;
        }
        let text = read(&path);
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        let code = code.map(|line| match parts.len() - source {
            2 => line.replace("super::", "crate::"),
            _ => line.to_owned(),
        });
        let code: String = code.collect::<Vec<_>>().join(" ");
        let named = code.split("crate::").skip(1).flat_map(|named| match named.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or_default().split(',').collect(),
            None => vec![named],
        });
        for named in named {
            let named = named.trim_start().split(|one: char| !one.is_alphanumeric() && one != '_');
            let other = named.into_iter().next().unwrap_or_default();
            if other != module {
                let of = parts[..source].join("/");
                imports.insert((of, module.to_owned(), other.to_owned()));
            }
        }
    }
    // What imports nothing, or is imported by nothing, is in no circle.
    loop {
        let before = imports.len();
        let all = imports.clone();
        imports.retain(|(of, module, other)| {
            let is = |one: &String, name: &String, with: &String| one == with && name == of;
            all.iter().any(|(name, importer, _)| is(importer, name, other))
                && all.iter().any(|(name, _, imported)| is(imported, name, module))
        });
        if imports.len() == before {
            break;
        }
    }
    let circles = imports.iter().map(|(of, module, other)| format!("{of}: {module} -> {other}"));
    assert_none(&circles.collect::<Vec<_>>());
}

fn words_are_plain() {
    let this = Path::new(file!()).file_name();
    let mut findings = Vec::new();
    let sources = [".rs", ".sql", ".md", ".toml", ".yml"].map(files).concat();
    for path in sources.iter().filter(|path| path.file_name() != this) {
        // A published migration is never edited.
        if path.parent().is_some_and(|folder| folder.ends_with("migrations")) {
            continue;
        }
        for (number, line) in read(path).lines().enumerate() {
            let line =
                PUBLISHED.iter().fold(line.to_lowercase(), |line, name| line.replace(name, ""));
            let words = line.split(|one: char| !one.is_alphanumeric());
            let line = format!(" {} ", words.collect::<Vec<_>>().join(" "));
            for (word, plain) in NOT_PLAIN {
                if line.contains(&format!(" {word} ")) {
                    let shown = path.display();
                    findings.push(format!("{shown}:{}: {word}: say {plain}", number + 1));
                }
            }
        }
    }
    assert_none(&findings);
}

fn documents_link_to_what_exists() {
    let mut findings = Vec::new();
    for path in files(".md") {
        let text = read(&path);
        let folder = path.parent().unwrap_or(Path::new(""));
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let linked = if file.is_empty() { path.clone() } else { folder.join(file) };
            let exists = root().join(&linked).exists();
            if !exists || (!anchor.is_empty() && !headings(&read(&linked)).contains(anchor)) {
                findings.push(format!("{}: {target} does not exist", path.display()));
            }
        }
    }
    for path in files(".md") {
        // What is between backticks and starts like a path, or names a source in a folder, is a path
        // from the root.
        for named in read(&path).split('`').skip(1).step_by(2) {
            let starts = ["command-service/", "query-service/", "service-edge/", "shared-events/"];
            let is_source = named.contains('/') && named.ends_with(".rs");
            let is_path = is_source || starts.iter().any(|start| named.starts_with(start));
            if is_path && !root().join(named).exists() {
                findings.push(format!("{}: {named} does not exist", path.display()));
            }
        }
    }
    if read(Path::new("README.md")).len() > README_BYTES_MAX {
        findings.push(format!("README.md: more than {README_BYTES_MAX} bytes"));
    }
    assert_none(&findings);
}

/// The anchors of a document's headings: lower case, spaces as hyphens, other signs left out.
fn headings(text: &str) -> BTreeSet<String> {
    let anchor = |heading: &str| {
        let kept = |one: &char| one.is_alphanumeric() || matches!(one, ' ' | '-' | '_');
        heading.trim().to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
    };
    text.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| anchor(line.trim_start_matches('#')))
        .collect()
}
