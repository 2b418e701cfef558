//! Settings that are read, and settings that are refused.

use super::*;

const DATABASE: &str = "--read-database-url=postgres://stockbook_query:secret@localhost/read";
const BROKERS: &str = "--kafka-brokers=localhost:9092";

fn read(arguments: &[&str]) -> Result<Config, clap::Error> {
    let program = std::iter::once(OsString::from("query-service"));
    Config::read(program.chain(arguments.iter().map(OsString::from)))
}

#[test]
fn the_definition_is_sound() {
    Config::command().debug_assert();
}

#[test]
fn serve_is_the_default_command() {
    let config = read(&[DATABASE, BROKERS]).expect("settings");
    assert!(matches!(config.action, Action::Serve(_)), "{config:?}");
}

#[test]
fn several_command_services_are_separated_by_commas() {
    let urls = "--command-url=http://localhost:8080,http://localhost:8090";
    let config = read(&[DATABASE, BROKERS, urls]).expect("settings");
    let Action::Serve(serve) = config.action else { panic!("not serve") };
    assert_eq!(serve.log.command_url.len(), 2);
}

#[test]
fn settings_out_of_range_are_refused() {
    for bad in ["--listen=8081", "--requests-max=0", "--heads-interval-ms=0", "--command-url=x"] {
        assert!(read(&[DATABASE, BROKERS, bad]).is_err(), "{bad}");
    }
}

#[test]
fn flags_of_a_rebuild_exclude_each_other_and_a_skip_needs_a_reason() {
    const OWNER: &str = "--migrate-database-url=postgres://owner:secret@localhost/read";
    let step = |flags: &[&str]| {
        let config = read(&[&["rebuild", "low_stock", OWNER], flags].concat()).ok()?;
        let Action::Rebuild(rebuild) = config.action else { panic!("not rebuild") };
        Some(rebuild.step())
    };
    assert_eq!(step(&[]), Some(RebuildStep::Swap));
    assert_eq!(step(&["--compare"]), Some(RebuildStep::Compare));
    assert_eq!(step(&["--back"]), Some(RebuildStep::Back));
    assert_eq!(step(&["--drop"]), Some(RebuildStep::Drop));
    assert_eq!(step(&["--back", "--drop"]), None);
    assert!(read(&["rebuild", "prices", OWNER]).is_err());
    let skip = ["skip", "--lane=3", "--position=7", OWNER];
    assert!(read(&skip).is_err(), "without a reason");
    assert!(read(&[&skip[..], &["--reason=double"]].concat()).is_ok());
}
