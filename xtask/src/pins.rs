//! pgrx.toml: the versions that builds and tests are pinned to.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

/// The contents of pgrx.toml.
#[derive(Debug)]
pub struct Pins {
    /// Majors that the extension builds for.
    pub supported: Vec<u16>,
    /// Majors with which `cargo xtask test` runs all tests.
    pub tested: Vec<u16>,
    /// Majors with which it runs the tests of `sample`.
    pub sampled: Vec<u16>,
    /// Parts of names of tests.
    pub sample: Vec<String>,
    /// Major of the PostgreSQL in `postgresql_wheel`.
    pub embedded_major: u16,
    /// pip requirement of a relocatable PostgreSQL with server headers.
    pub postgresql_wheel: String,
    /// PostgreSQL of other majors.
    pub servers: BTreeMap<u16, ServerWheel>,
    /// pip requirement of libclang.
    pub libclang_wheel: String,
    /// pip requirement of the spelling checker.
    pub typos_wheel: String,
    /// Test programs that run with the newest major alone.
    pub newest_only: Vec<String>,
    /// pip requirements of what drives a browser.
    pub browser_packages: Vec<String>,
    /// pip requirement of what tests the HTTP API by its description.
    pub schemathesis_package: String,
    /// pip requirement of what makes a client of the description of the HTTP API.
    pub client_generator_package: String,
}

/// A wheel that has a relocatable PostgreSQL with server headers.
#[derive(Debug)]
pub struct ServerWheel {
    /// pip requirement.
    pub requirement: String,
    /// Version of Python that it is made for.
    pub python: String,
    /// Path of pg_config in it.
    pub pg_config: String,
}

impl Pins {
    /// Reads pgrx.toml.
    pub fn read(path: &Path) -> Result<Self> {
        Self::from_table(&read_toml(path)?).with_context(|| format!("in {}", path.display()))
    }

    fn from_table(table: &Table) -> Result<Self> {
        Ok(Self {
            supported: majors(table, "supported")?,
            tested: majors(table, "tested")?,
            sampled: majors(table, "sampled")?,
            sample: strings(table, "postgresql", "sample")?,
            embedded_major: major(value(table, "embedded", "postgresql-major")?)?,
            postgresql_wheel: string(table, "embedded", "postgresql-wheel")?,
            servers: servers(table)?,
            libclang_wheel: string(table, "embedded", "libclang-wheel")?,
            typos_wheel: string(table, "spelling", "typos-wheel")?,
            newest_only: strings(table, "postgresql", "newest-only")?,
            browser_packages: strings(table, "browser", "packages")?,
            schemathesis_package: string(table, "openapi", "schemathesis-package")?,
            client_generator_package: string(table, "openapi", "client-generator-package")?,
        })
    }

    /// Refuses a major that the extension has no cargo feature for.
    pub fn check_supported(&self, major: u16) -> Result<()> {
        if !self.supported.contains(&major) {
            let known: Vec<String> = self.supported.iter().map(u16::to_string).collect();
            bail!(
                "PostgreSQL {major} is not supported: webhooks builds for {}",
                known.join(", ")
            );
        }
        Ok(())
    }
}

fn read_toml(path: &Path) -> Result<Table> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    text.parse()
        .with_context(|| format!("{} is not valid TOML", path.display()))
}

fn value<'a>(table: &'a Table, section: &str, key: &str) -> Result<&'a Value> {
    table
        .get(section)
        .and_then(|section| section.get(key))
        .with_context(|| format!("[{section}] has no `{key}`"))
}

fn string(table: &Table, section: &str, key: &str) -> Result<String> {
    Ok(value(table, section, key)?
        .as_str()
        .with_context(|| format!("[{section}] {key} must be a string"))?
        .to_owned())
}

fn strings(table: &Table, section: &str, key: &str) -> Result<Vec<String>> {
    let of = |value: &Value| {
        let text = value.as_str();
        text.map(str::to_owned)
            .with_context(|| format!("[{section}] {key} must be a list of strings"))
    };
    let list = value(table, section, key)?.as_array();
    let list = list.with_context(|| format!("[{section}] {key} must be a list"))?;
    list.iter().map(of).collect()
}

fn servers(table: &Table) -> Result<BTreeMap<u16, ServerWheel>> {
    let wheels = table.get("wheels").and_then(Value::as_table);
    let wheels = wheels.context("there is no section [wheels]")?;
    wheels.iter().map(|(key, pins)| server(key, pins)).collect()
}

fn server(key: &str, pins: &Value) -> Result<(u16, ServerWheel)> {
    let major = key.parse::<u16>();
    let major = major.with_context(|| format!("[wheels] has {key:?}, no major version"))?;
    let pin = |name: &str| {
        let text = pins.get(name).and_then(Value::as_str);
        text.map(str::to_owned)
            .with_context(|| format!("[wheels] {key} has no `{name}`"))
    };
    let wheel = ServerWheel {
        requirement: pin("wheel")?,
        python: pin("python")?,
        pg_config: pin("pg-config")?,
    };
    Ok((major, wheel))
}

fn major(value: &Value) -> Result<u16> {
    value
        .as_integer()
        .and_then(|number| u16::try_from(number).ok())
        .with_context(|| format!("{value:?} is not a PostgreSQL major version"))
}

fn majors(table: &Table, key: &str) -> Result<Vec<u16>> {
    value(table, "postgresql", key)?
        .as_array()
        .with_context(|| format!("[postgresql] {key} must be a list of majors"))?
        .iter()
        .map(major)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::repository;

    #[test]
    fn pgrx_version_is_the_one_that_cargo_uses() {
        let pins = read_toml(&repository().join("pgrx.toml")).unwrap();
        let cargo = read_toml(&repository().join("Cargo.toml")).unwrap();
        let pinned = string(&pins, "pgrx", "version").unwrap();
        let used = cargo["workspace"]["dependencies"]["pgrx"]["version"].as_str();
        assert_eq!(used, Some(format!("={pinned}").as_str()));
    }

    #[test]
    fn tested_majors_are_supported() {
        let pins = Pins::read(&repository().join("pgrx.toml")).unwrap();
        for major in pins.tested.iter().chain(&pins.sampled) {
            pins.check_supported(*major).unwrap();
        }
        pins.check_supported(pins.embedded_major).unwrap();
        assert!(pins.check_supported(9).is_err());
    }

    #[test]
    fn every_supported_major_is_a_feature_of_the_extension() {
        let pins = Pins::read(&repository().join("pgrx.toml")).unwrap();
        let extension = read_toml(&repository().join("extension/Cargo.toml")).unwrap();
        let features: Vec<&String> = extension["features"]
            .as_table()
            .unwrap()
            .keys()
            .filter(|name| name.starts_with("pg"))
            .collect();
        let expected: Vec<String> = pins.supported.iter().map(|m| format!("pg{m}")).collect();
        assert_eq!(features, expected.iter().collect::<Vec<_>>());
    }
}
