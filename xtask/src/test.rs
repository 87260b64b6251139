//! `cargo xtask test`: everything that must hold before a change is merged.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::account::Account;
use crate::args::TestOptions;
use crate::browser::Browser;
use crate::extension::{Build, Extension, FAILPOINTS};
use crate::libclang::Libclang;
use crate::pg_config::PgConfig;
use crate::process;
use crate::program::describe;
use crate::project::{Project, QUICK};
use crate::scratch::Scratch;
use crate::server::Server;
use crate::spelling;
use crate::steps::Steps;
use crate::wheel;

/// How many tests cargo's test programs run at a time.
const THREADS: &str = "RUST_TEST_THREADS";

/// Integration tests wait for servers, sidecars and receivers for half of their time.
fn threads() -> usize {
    2 * std::thread::available_parallelism().map_or(1, |processors| processors.get())
}

/// Runs the command.
pub fn run(project: &Project, options: &TestOptions) -> Result<ExitCode> {
    run_with(project, options, |_| {})
}

/// Runs the command; `configure` gives the integration tests more of an environment.
pub fn run_with(
    project: &Project,
    options: &TestOptions,
    configure: impl Fn(&mut Command),
) -> Result<ExitCode> {
    let account = Account::for_postgres(options.run_as.as_deref())?;
    let scratch = Scratch::new(account.as_ref())?;
    let chosen = PgConfig::wanted(project, options.pg_config.as_deref())?;
    let majors = majors(project, options, chosen.as_ref())?;
    let everything = options.only.is_none();
    let runs_all = majors.iter().filter(|(_, extent)| *extent == Extent::All);
    let (once, clippies) = if everything {
        (4, runs_all.count())
    } else {
        (1, 0)
    };
    let mut tests = Tests {
        project,
        steps: Steps::new(once + 2 * majors.len() + clippies),
        totals: Totals::default(),
        failed_steps: Vec::new(),
    };

    let found = tests.steps.step(
        "get PostgreSQL, libclang and what tests the console",
        || {
            let servers = majors.iter().map(|(major, extent)| {
                let server = match &chosen {
                    Some(config) => Server::copied(project, config.clone()),
                    None => Server::of_major(project, *major),
                };
                Ok((server?, *extent))
            });
            let servers: Result<Vec<(Server, Extent)>> = servers.collect();
            Ok((servers?, Libclang::find(project)?, Visitors::get(project)?))
        },
    );
    let (servers, libclang, visitors) = found?;
    let newest = majors.iter().map(|(major, _)| *major).max();

    if everything {
        tests.check_formatting()?;
        tests.check("spelling", || spelling::check(project))?;
        tests.run_unit_tests()?;
    }
    for (server, extent) in servers {
        let server = server.for_account(account.as_ref(), &scratch)?;
        let sidecar = project.built(QUICK, "webhooks-sidecar");
        let programs = test_programs(project, Some(server.config.major) == newest)?;
        tests.with_server(
            &server,
            (extent, &programs),
            &libclang,
            options,
            |command| {
                describe(
                    command,
                    project,
                    &server,
                    &sidecar,
                    account.as_ref(),
                    &scratch,
                );
                visitors.describe(command);
                configure(command);
            },
        )?;
    }
    drop(scratch);
    if let Some(text) = &options.only
        && tests.totals == Totals::default()
    {
        bail!("no integration test has `{text}` in its name");
    }
    Ok(tests.report())
}

/// Programs that visit the console in its tests.
struct Visitors {
    schemathesis: PathBuf,
    client_generator: PathBuf,
    /// `None`: this machine has none.
    browser: Option<Browser>,
}

impl Visitors {
    fn get(project: &Project) -> Result<Self> {
        let package = |requirement| wheel::install(project, std::slice::from_ref(requirement));
        Ok(Self {
            schemathesis: package(&project.pins.schemathesis_package)?,
            client_generator: package(&project.pins.client_generator_package)?,
            browser: Browser::find(project)?,
        })
    }

    fn describe(&self, command: &mut Command) {
        command.env("WEBHOOKS_SCHEMATHESIS", &self.schemathesis);
        command.env("WEBHOOKS_CLIENT_GENERATOR", &self.client_generator);
        if let Some(browser) = &self.browser {
            command.env("WEBHOOKS_CHROMIUM", &browser.chromium);
            command.env("WEBHOOKS_BROWSER", &browser.packages);
        }
    }
}

/// The arguments of cargo for the test programs that run with a major.
fn test_programs(project: &Project, is_newest: bool) -> Result<Vec<String>> {
    if is_newest {
        return Ok(["--test", "*"].map(str::to_owned).into());
    }
    let mut programs = Vec::new();
    for entry in std::fs::read_dir(project.root.join("tests/tests"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !project.pins.newest_only.contains(&name) {
            programs.extend(["--test".to_owned(), name]);
        }
    }
    Ok(programs)
}

/// How many of the integration tests run with a major.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Extent {
    All,
    /// Those that depend most on the server, as pgrx.toml has it.
    Sample,
}

fn majors(
    project: &Project,
    options: &TestOptions,
    chosen: Option<&PgConfig>,
) -> Result<Vec<(u16, Extent)>> {
    if let Some(config) = chosen {
        if options.majors.iter().any(|major| *major != config.major) {
            bail!(
                "{} is PostgreSQL {}: leave out --pg, or --pg-config",
                config.path.display(),
                config.major
            );
        }
        return Ok(vec![(config.major, Extent::All)]);
    }
    let all = |majors: &[u16]| -> Vec<(u16, Extent)> {
        majors.iter().map(|major| (*major, Extent::All)).collect()
    };
    if options.majors.is_empty() {
        let mut majors = all(&project.pins.tested);
        // `--only` names what to run.
        if options.only.is_none() {
            let sampled = project.pins.sampled.iter();
            majors.extend(sampled.map(|major| (*major, Extent::Sample)));
        }
        return Ok(majors);
    }
    for major in &options.majors {
        project.pins.check_supported(*major)?;
    }
    Ok(all(&options.majors))
}

struct Tests<'a> {
    project: &'a Project,
    steps: Steps,
    totals: Totals,
    failed_steps: Vec<String>,
}

impl Tests<'_> {
    fn check_formatting(&mut self) -> Result<()> {
        let mut fmt = self.project.cargo("fmt");
        fmt.args(["--all", "--check"]);
        self.check("formatting", || {
            process::must(&mut fmt, "Run `cargo fmt --all`.")
        })?;
        Ok(())
    }

    fn run_unit_tests(&mut self) -> Result<()> {
        let unit = self.cargo_test(&["--lib", "--bins"]);
        let examples = self.cargo_test(&["--doc"]);
        self.count_tests("unit tests", [unit, examples])
    }

    /// The steps that need a PostgreSQL.
    fn with_server(
        &mut self,
        server: &Server,
        (extent, programs): (Extent, &[String]),
        libclang: &Libclang,
        options: &TestOptions,
        describe: impl FnOnce(&mut Command),
    ) -> Result<()> {
        let version = &server.config.version;
        let extension = Extension::new(self.project, &server.config, libclang, QUICK);
        let name = format!("build for PostgreSQL {version}");
        let built = self.check(&name, || {
            extension.build(Build::Tests)?;
            extension.install_for_tests(&server.layout)
        })?;
        if options.only.is_none() && extent == Extent::All {
            self.check(&format!("clippy for PostgreSQL {version}"), || {
                extension.clippy()
            })?;
        }
        if !built {
            self.steps.skip();
            return Ok(());
        }
        let programs: Vec<&str> = programs.iter().map(String::as_str).collect();
        let mut tests = self.cargo_test(&programs);
        tests.arg("--").args(&options.only).args(&options.rest);
        if extent == Extent::Sample {
            tests.args(&self.project.pins.sample);
        }
        if std::env::var_os(THREADS).is_none() {
            tests.env(THREADS, threads().to_string());
        }
        describe(&mut tests);
        self.count_tests(&format!("integration tests, PostgreSQL {version}"), [tests])
    }

    fn cargo_test(&self, targets: &[&str]) -> Command {
        let mut command = self.project.cargo("test");
        command.args(["--profile", QUICK, "--no-fail-fast"]);
        command.args(["--features", FAILPOINTS]);
        command.args(targets);
        command
    }

    /// A step that is one check.
    ///
    /// Returns: whether it passed. An interruption is an error.
    fn check(&mut self, name: &str, work: impl FnOnce() -> Result<()>) -> Result<bool> {
        let result = self.steps.step(name, work);
        process::check_interrupted()?;
        if let Err(error) = &result {
            eprintln!("{error:#}");
            self.totals.failed += 1;
            self.failed_steps.push(name.to_owned());
        }
        Ok(result.is_ok())
    }

    /// A step that runs tests: each counts.
    fn count_tests(
        &mut self,
        name: &str,
        commands: impl IntoIterator<Item = Command>,
    ) -> Result<()> {
        let mut counted = Totals::default();
        let result = self.steps.step(name, || {
            let mut failed = None;
            for mut command in commands {
                let status = process::run_watching(&mut command, |line| counted.add(line))?;
                if !status.success() {
                    failed = Some(status);
                }
            }
            match failed {
                Some(status) => bail!("`cargo test` ended with {status}"),
                None => Ok(()),
            }
        });
        process::check_interrupted()?;
        if result.is_err() {
            // Tests that do not compile, or that took the whole test program down, have not been counted.
            counted.failed = counted.failed.max(1);
            self.failed_steps.push(name.to_owned());
        }
        self.totals.passed += counted.passed;
        self.totals.failed += counted.failed;
        Ok(())
    }

    /// Prints what failed, and the totals as the last line.
    fn report(self) -> ExitCode {
        eprintln!("\nfinished after {}", self.steps.elapsed());
        for step in &self.failed_steps {
            println!("FAILED: {step}");
        }
        println!(
            "{} passed, {} failed",
            self.totals.passed, self.totals.failed
        );
        if self.failed_steps.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// Tests counted from what `cargo test` prints.
#[derive(Debug, Default, PartialEq)]
struct Totals {
    passed: u64,
    failed: u64,
}

impl Totals {
    /// Counts `test result: ok. 12 passed; 0 failed; …`; other lines count nothing.
    fn add(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else {
            return;
        };
        let number = |what: &str| {
            result
                .split(['.', ';'])
                .filter_map(|part| part.trim().strip_suffix(what)?.trim().parse::<u64>().ok())
                .sum::<u64>()
        };
        self.passed += number("passed");
        self.failed += number("failed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_results_and_nothing_else() {
        let mut totals = Totals::default();
        for line in [
            "running 3 tests",
            "test 5 passed ... ok",
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.02s",
            "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.10s",
        ] {
            totals.add(line);
        }
        assert_eq!(
            totals,
            Totals {
                passed: 13,
                failed: 2
            }
        );
    }
}
