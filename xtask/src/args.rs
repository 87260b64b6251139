//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Result, bail};
use lexopt::prelude::*;

/// Printed by `cargo xtask --help`.
pub const HELP: &str = include_str!("help.txt");

/// A command with its options.
#[derive(Debug, PartialEq)]
pub enum Command {
    /// Print [`HELP`].
    Help,
    /// See `program`.
    Demo(ProgramOptions),
    /// See `program`.
    Crash(ProgramOptions),
    /// See `program`.
    Bench(ProgramOptions),
    /// See `test`.
    Test(TestOptions),
    /// See `docs`.
    Docs(DocsOptions),
    /// See `sql`.
    Sql,
    /// See `install`.
    Install(InstallOptions),
    /// See `package`.
    Package(PackageOptions),
}

/// Options of `demo`, `crash` and `bench`.
#[derive(Debug, Default, PartialEq)]
pub struct ProgramOptions {
    /// Which PostgreSQL.
    pub pg_config: Option<PathBuf>,
    /// As root: the user that runs PostgreSQL.
    pub run_as: Option<String>,
    /// Arguments for the program itself.
    pub rest: Vec<OsString>,
}

/// Options of `test`.
#[derive(Debug, Default, PartialEq)]
pub struct TestOptions {
    /// Which PostgreSQL, instead of the tested majors.
    pub pg_config: Option<PathBuf>,
    /// As root: the user that runs PostgreSQL.
    pub run_as: Option<String>,
    /// Which majors.
    pub majors: Vec<u16>,
    /// Integration tests with this in their name, and nothing else.
    pub only: Option<String>,
    /// Further arguments for the integration tests.
    pub rest: Vec<OsString>,
}

/// Options of `docs`.
#[derive(Debug, Default, PartialEq)]
pub struct DocsOptions {
    /// Which PostgreSQL.
    pub pg_config: Option<PathBuf>,
    /// As root: the user that runs PostgreSQL.
    pub run_as: Option<String>,
    /// Compare the documents instead of writing them.
    pub check: bool,
}

/// Options of `install`.
#[derive(Debug, Default, PartialEq)]
pub struct InstallOptions {
    /// Which PostgreSQL.
    pub pg_config: Option<PathBuf>,
    /// Copy the files with sudo.
    pub sudo: bool,
}

/// Options of `package`.
#[derive(Debug, Default, PartialEq)]
pub struct PackageOptions {
    /// Which PostgreSQL.
    pub pg_config: Option<PathBuf>,
}

/// Parses the arguments after the program's name.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command> {
    let mut all = Vec::from_iter(args);
    let rest = match all.iter().position(|arg| arg == "--") {
        Some(at) => {
            let rest = all.split_off(at + 1);
            all.truncate(at);
            rest
        }
        None => Vec::new(),
    };
    let mut parser = lexopt::Parser::from_args(all);
    let name = match parser.next()? {
        None | Some(Short('h') | Long("help")) => return Ok(Command::Help),
        Some(Value(name)) => name.string()?,
        Some(other) => return Err(other.unexpected().into()),
    };
    let mut given = Given::default();
    while let Some(arg) = parser.next()? {
        let option = match &arg {
            Short('h') | Long("help") => return Ok(Command::Help),
            Long(option) => (*option).to_owned(),
            _ => return Err(arg.unexpected().into()),
        };
        let allowed: &[&str] = match name.as_str() {
            "demo" => &["pg-config", "run-as", "once"],
            "crash" => &["pg-config", "run-as", "minutes", "seed"],
            "bench" => &["pg-config", "run-as"],
            "test" => &["pg-config", "run-as", "pg", "only"],
            "docs" => &["pg-config", "run-as", "check"],
            "install" => &["pg-config", "sudo"],
            "package" => &["pg-config"],
            _ => &[],
        };
        if !allowed.contains(&option.as_str()) {
            return Err(arg.unexpected().into());
        }
        match option.as_str() {
            "pg-config" => given.pg_config = Some(parser.value()?.into()),
            "run-as" => given.run_as = Some(parser.value()?.string()?),
            "pg" => given.majors.push(parser.value()?.parse()?),
            "only" => given.only = Some(parser.value()?.string()?),
            "check" => given.check = true,
            "once" => given.rest.push("--once".into()),
            "minutes" => given.pass_on("--minutes", &parser.value()?.parse::<f64>()?),
            "seed" => given.pass_on("--seed", &parser.value()?.parse::<u64>()?),
            _ => given.sudo = true,
        }
    }
    if !rest.is_empty() && !["demo", "crash", "bench", "test"].contains(&name.as_str()) {
        bail!("`{name}` takes nothing after `--`");
    }
    given.rest.extend(rest);
    given.command(&name)
}

/// Every option of every command.
#[derive(Default)]
struct Given {
    pg_config: Option<PathBuf>,
    run_as: Option<String>,
    majors: Vec<u16>,
    only: Option<String>,
    check: bool,
    sudo: bool,
    rest: Vec<OsString>,
}

impl Given {
    fn command(self, name: &str) -> Result<Command> {
        Ok(match name {
            "help" => Command::Help,
            "demo" => Command::Demo(self.program()),
            "crash" => Command::Crash(self.program()),
            "bench" => Command::Bench(self.program()),
            "test" => Command::Test(TestOptions {
                pg_config: self.pg_config,
                run_as: self.run_as,
                majors: self.majors,
                only: self.only,
                rest: self.rest,
            }),
            "docs" => Command::Docs(DocsOptions {
                pg_config: self.pg_config,
                run_as: self.run_as,
                check: self.check,
            }),
            "sql" => Command::Sql,
            "install" => Command::Install(InstallOptions {
                pg_config: self.pg_config,
                sudo: self.sudo,
            }),
            "package" => Command::Package(PackageOptions {
                pg_config: self.pg_config,
            }),
            _ => bail!("there is no command `{name}`"),
        })
    }

    /// An option of the program itself.
    fn pass_on(&mut self, option: &str, value: &impl ToString) {
        self.rest.push(option.into());
        self.rest.push(value.to_string().into());
    }

    fn program(self) -> ProgramOptions {
        ProgramOptions {
            pg_config: self.pg_config,
            run_as: self.run_as,
            rest: self.rest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn test_takes_several_majors_and_passes_on_what_follows_the_dashes() {
        let expected = TestOptions {
            majors: vec![15, 18],
            only: Some("crash".to_owned()),
            rest: vec!["--test-threads=1".into()],
            ..TestOptions::default()
        };
        let line = "test --pg 15 --pg=18 --only crash -- --test-threads=1";
        assert_eq!(parsed(line).unwrap(), Command::Test(expected));
    }

    #[test]
    fn options_belong_to_their_command() {
        assert!(matches!(parsed("demo --once"), Ok(Command::Demo(o)) if o.rest == ["--once"]));
        let crash = "crash --minutes 1 --seed=7";
        let passed_on = ["--minutes", "1", "--seed", "7"];
        assert!(matches!(parsed(crash), Ok(Command::Crash(o)) if o.rest == passed_on));
        let dashes = "crash -- --minutes 1 --seed 7";
        assert!(matches!(parsed(dashes), Ok(Command::Crash(o)) if o.rest == passed_on));
        assert!(parsed("crash --minutes soon").is_err());
        assert!(matches!(parsed("docs --check"), Ok(Command::Docs(o)) if o.check));
        assert!(parsed("demo --sudo").is_err());
        assert!(parsed("package -- x").is_err());
        assert_eq!(parsed("sql").unwrap(), Command::Sql);
        assert!(parsed("sql --check").is_err());
        assert!(parsed("tset").is_err());
        assert!(parsed("test --pg fifteen").is_err());
        assert_eq!(parsed("").unwrap(), Command::Help);
        assert_eq!(parsed("test --help").unwrap(), Command::Help);
    }
}
