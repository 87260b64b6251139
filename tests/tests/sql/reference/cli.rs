//! `docs/reference/cli.md`: the sidecar's command line, from its own `--help`.

use std::collections::BTreeSet;
use std::process::Command;

use webhooks_tests::environment::sidecar_program;

use super::markdown::{head, line, prose};
use super::{code, file};
use crate::golden::assert_golden;

const INTRODUCTION: &str = "\
# Command line of the sidecar

<!-- Made from `webhooks-sidecar run --help` and `health --help`: `cargo xtask docs` renews it. -->

`webhooks-sidecar run` delivers until SIGTERM or SIGINT. `webhooks-sidecar health` asks a sidecar on the same machine
whether it is ready, and exits with 0 if it is, else with 1. `webhooks-sidecar doctor` takes the options of `run`, and
`--json`; [Monitor deliveries](../how-to/monitor.md#ask-the-doctor-from-where-the-sidecar-runs) describes what it prints and
its exit status. `webhooks-sidecar --version` prints the version.

Each option can also be given by its environment variable. An option on the command line wins over the variable.
[Connection to the database](database-connection.md) describes connection strings, libpq's variables and the
[exit codes](database-connection.md#exit-codes).

";

/// An option as the help describes it.
#[derive(Debug, Default, PartialEq)]
struct Setting {
    /// With its value: `--lease SECONDS`.
    option: String,
    variable: String,
    default: String,
    meaning: String,
}

#[test]
fn the_cli_reference_is_the_golden_one() {
    let mut document = INTRODUCTION.to_owned();
    document += "## run\n\n";
    document += &options("run");
    document += "\n## health\n\n";
    document += &options("health");
    assert_golden(&file("cli.md"), &document);
}

/// The options of a command.
fn options(command: &str) -> String {
    let help = Command::new(sidecar_program().unwrap())
        .args([command, "--help"])
        .env_clear()
        .output()
        .unwrap();
    let mut table = head(&["option", "environment variable", "default", "meaning"]);
    let code_if_any = |text: &str| match text {
        "" => String::new(),
        text => code(text),
    };
    for setting in settings(&String::from_utf8(help.stdout).unwrap()) {
        let (variable, default) = (
            code_if_any(&setting.variable),
            code_if_any(&setting.default),
        );
        table += &line(&[code(&setting.option), variable, default, setting.meaning]);
    }
    table
}

/// The options with a variable: all but `--help`.
fn settings(help: &str) -> Vec<Setting> {
    help.split("\n      --").skip(1).map(setting).collect()
}

fn setting(description: &str) -> Setting {
    let description = description.split("\n  -h, --help").next();
    let mut lines = description.unwrap_or_default().lines().map(str::trim);
    let option = lines.next().unwrap_or_default().replace(['<', '>'], "");
    let mut setting = Setting {
        option: format!("--{option}"),
        ..Setting::default()
    };
    let mut sentences = Vec::new();
    for line in lines.filter(|line| !line.is_empty() && *line != "Possible values:") {
        let bracket = |name: &str| line.strip_prefix(name)?.strip_suffix(']');
        if let Some(variable) = bracket("[env: ") {
            variable
                .trim_end_matches('=')
                .clone_into(&mut setting.variable);
        } else if let Some(default) = bracket("[default: ") {
            default.trim_matches('"').clone_into(&mut setting.default);
        } else if let Some((value, meaning)) =
            line.strip_prefix("- ").and_then(|l| l.split_once(": "))
        {
            sentences.push(format!("{}: {meaning}.", code(value)));
        } else {
            // clap drops the last full stop.
            let line = format!("{}.", line.trim_end_matches('.'));
            sentences.push(prose(&line, &BTreeSet::new(), ""));
        }
    }
    setting.meaning = sentences.join(" ");
    setting
}

#[test]
fn the_help_becomes_settings() {
    let help = "Options:
      --lease <SECONDS>
          How long others wait, in seconds

          [env: WEBHOOKS_LEASE=]
          [default: 15]

      --log-format <LOG_FORMAT>
          How log lines look

          Possible values:
          - text: One line of text per message
          - json: One JSON object per line

          [env: WEBHOOKS_LOG_FORMAT=]
          [default: text]

  -h, --help
          Print help
";
    let expected = Setting {
        option: "--log-format LOG_FORMAT".to_owned(),
        variable: "WEBHOOKS_LOG_FORMAT".to_owned(),
        default: "text".to_owned(),
        meaning: "How log lines look. `text`: One line of text per message. `json`: One JSON object per line.".to_owned(),
    };
    let settings = settings(help);
    assert_eq!(settings[1], expected);
    assert_eq!(settings[0].meaning, "How long others wait, in seconds.");
}
