//! Reading the settings.

use super::*;

const DATABASE: &str = "--write-database-url=postgres://stockbook_command:secret@localhost/w";

fn read(arguments: &[&str]) -> Result<Config, clap::Error> {
    let program = std::iter::once(OsString::from("command-service"));
    Config::read(program.chain(arguments.iter().map(OsString::from)))
}

#[test]
fn the_definition_is_sound() {
    Config::command().debug_assert();
}

#[test]
fn serve_is_the_default_command() {
    let config = read(&[DATABASE, "--kafka-brokers=localhost:9092"]).expect("settings");
    assert!(matches!(config.action, Action::Serve(_)), "{config:?}");
}

#[test]
fn verify_needs_the_database_and_nothing_else() {
    let config = read(&["verify", DATABASE]).expect("settings");
    assert!(matches!(config.action, Action::Verify(_)), "{config:?}");
}

#[test]
fn a_configuration_hides_its_secret_in_debug() {
    let config = read(&[DATABASE, "--kafka-brokers=localhost:9092"]).expect("settings");
    assert!(!format!("{config:?}").contains("secret"));
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let brokers = "--kafka-brokers=localhost:9092";
    for bad in [
        "--command-deadline-ms=30000",
        "--batch-bytes-max=999999999",
        "--lanes=0",
        "--outcome-retention-days=0",
    ] {
        assert!(read(&[DATABASE, brokers, bad]).is_err(), "{bad}");
    }
    for bad in ["--listen=8080", "--listen=localhost:http", "--write-database-url=mysql://x"] {
        assert!(read(&[DATABASE, brokers, bad]).is_err(), "{bad}");
    }
}

#[test]
fn a_reader_of_the_publication_needs_a_name_and_a_superuser() {
    const ADMIN: &str = "--admin-database-url=postgres://postgres:secret@localhost/w";
    assert!(read(&["publication", ADMIN, "create", "--role=shop_copy"]).is_ok());
    assert!(read(&["publication", ADMIN, "drop"]).is_ok());
    assert!(read(&["publication", ADMIN, "create"]).is_err(), "without a role");
    assert!(read(&["publication", "create", "--role=shop_copy"]).is_err(), "without a superuser");
}
