//! The TOML file: defaults for flags. Flags win over the environment, the environment over the file, the file
//! over built-in defaults.
//!
//! A key is a flag's long name. Keys at the top level hold for every subcommand that has the flag; keys in a
//! section named after a subcommand hold for that one. Nothing here knows any particular flag.

use crate::cli::Cli;
use clap::{CommandFactory, FromArgMatches, error::ErrorKind};
use std::{collections::BTreeMap, ffi::OsString, path::PathBuf};

/// A file larger than this is a mistake.
const MAX_BYTES: u64 = 1 << 20;

/// Reads arguments, environment and the TOML file.
///
/// # Errors
/// clap's, with the file's mistakes in the same form.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let args: Vec<OsString> = args.into_iter().collect();
    let mut command = Cli::command();
    if let Some(path) = config_path(&args) {
        command = with_defaults(command, &path)?;
    }
    command = with_older_variables(command);
    Cli::from_arg_matches(&command.try_get_matches_from(args)?)
}

/// A flag that has another name since keeps the variable of the older one (`ATOLL_` and the name, as always): it is
/// read where the new variable is not set.
fn with_older_variables(mut command: clap::Command) -> clap::Command {
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    for name in names {
        command = command.mut_subcommand(name, |sub| {
            sub.mut_args(|arg| {
                let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
                if arg.get_env().is_none_or(|name| std::env::var_os(name).is_some()) {
                    return arg;
                }
                let older = arg.get_all_aliases().unwrap_or_default();
                let found = older.iter().find_map(|alias| set(&variable(alias)));
                let Some(value) = found else { return arg };
                let values: Vec<clap::builder::OsStr> = match arg.get_value_delimiter() {
                    Some(delimiter) => {
                        value.to_string_lossy().split(delimiter).map(|part| OsString::from(part).into()).collect()
                    }
                    None => vec![value.into()],
                };
                arg.default_values(values)
            })
        });
    }
    command
}

fn variable(flag: &str) -> String {
    format!("ATOLL_{}", flag.to_uppercase().replace(['.', '-'], "_"))
}

/// The `--config` flag must be known before clap runs, since the file changes clap's defaults.
fn config_path(args: &[OsString]) -> Option<PathBuf> {
    for (index, arg) in args.iter().enumerate() {
        let text = arg.to_string_lossy();
        if text == "--" {
            break;
        }
        if text == "--config" {
            return args.get(index + 1).map(PathBuf::from);
        }
        if let Some(path) = text.strip_prefix("--config=") {
            return Some(path.into());
        }
    }
    std::env::var_os("ATOLL_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn with_defaults(mut command: clap::Command, path: &PathBuf) -> Result<clap::Command, clap::Error> {
    let fail = |reason: String| clap::Error::raw(ErrorKind::InvalidValue, format!("{}: {reason}\n", path.display()));
    let size = std::fs::metadata(path).map_err(|err| fail(format!("cannot read the configuration file: {err}")))?.len();
    if size > MAX_BYTES {
        return Err(fail(format!("the configuration file has {size} bytes; {MAX_BYTES} are the most")));
    }
    let text =
        std::fs::read_to_string(path).map_err(|err| fail(format!("cannot read the configuration file: {err}")))?;
    let table: toml::Table = toml::from_str(&text).map_err(|err| fail(err.to_string()))?;
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let (mut general, mut sections) = (toml::Table::new(), BTreeMap::new());
    for (key, value) in table {
        match value {
            toml::Value::Table(section) if names.contains(&key) => drop(sections.insert(key, section)),
            other => drop(general.insert(key, other)),
        }
    }
    let mut unknown = Vec::new();
    for (key, values) in flatten(general).map_err(&fail)? {
        let mut found = set(&mut command, &key, &values);
        for name in &names {
            found |= set_in(&mut command, name, &key, &values);
        }
        if !found {
            unknown.push(key);
        }
    }
    for (name, section) in sections {
        for (key, values) in flatten(section).map_err(&fail)? {
            let mut found = set_in(&mut command, &name, &key, &values);
            if name == "up" {
                found |= set(&mut command, &key, &values);
            }
            if !found {
                unknown.push(format!("{name}.{key}"));
            }
        }
    }
    if unknown.is_empty() {
        return Ok(command);
    }
    let list = unknown.join("`, `");
    Err(fail(format!("unknown key `{list}`; keys are the long names of flags, see `atoll help <subcommand>`")))
}

/// Nested tables become dotted keys, as the flags are named.
fn flatten(table: toml::Table) -> Result<Vec<(String, Vec<String>)>, String> {
    let mut flat = Vec::new();
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) => {
                flat.extend(flatten(inner)?.into_iter().map(|(tail, values)| (format!("{key}.{tail}"), values)));
            }
            toml::Value::Array(items) => {
                let items: Result<_, _> = items.into_iter().map(|item| scalar(&key, item)).collect();
                flat.push((key, items?));
            }
            other => flat.push((key.clone(), vec![scalar(&key, other)?])),
        }
    }
    Ok(flat)
}

fn scalar(key: &str, value: toml::Value) -> Result<String, String> {
    match value {
        toml::Value::String(text) => Ok(text),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Float(number) => Ok(number.to_string()),
        toml::Value::Boolean(flag) => Ok(flag.to_string()),
        other => Err(format!("key `{key}`: a {} cannot be a flag's value", other.type_str())),
    }
}

fn set_in(command: &mut clap::Command, name: &str, key: &str, values: &[String]) -> bool {
    command.find_subcommand_mut(name).is_some_and(|sub| set(sub, key, values))
}

/// Whether a flag has this name, or had it.
fn named(arg: &clap::Arg, key: &str) -> bool {
    arg.get_long() == Some(key) || arg.get_all_aliases().is_some_and(|aliases| aliases.contains(&key))
}

/// Gives the flag with this long name a default; whether there is such a flag.
fn set(command: &mut clap::Command, key: &str, values: &[String]) -> bool {
    let Some(id) = command.get_arguments().find(|arg| named(arg, key)).map(|arg| arg.get_id().clone()) else {
        return false;
    };
    let values: Vec<clap::builder::OsStr> = values.iter().map(|value| OsString::from(value).into()).collect();
    let taken = std::mem::take(command);
    *command = taken.mut_arg(id, |arg| arg.default_values(values));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_with(file: &str, args: &[&str]) -> Result<Cli, clap::Error> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("atoll.toml");
        std::fs::write(&path, file).unwrap();
        let config = format!("--config={}", path.display());
        let mut all = vec!["atoll"];
        all.extend(args);
        all.push(&config);
        parse(all.into_iter().map(OsString::from))
    }

    #[test]
    fn file_gives_defaults_and_flags_win() {
        let cli = parse_with("miners = 5\n[up]\nclients = 3\nminer.cpu = 0.5\nverbose = true\n", &["--clients", "4"])
            .unwrap();
        assert_eq!((cli.up.miners, cli.up.clients, cli.up.verbose), (5, 4, true));
        assert!((cli.up.miner_cpu - 0.5).abs() < f64::EPSILON);
    }

    #[test]
    fn lists_reach_flags_that_take_several_values() {
        let cli = parse_with("[node]\nregistry = ['http://a:1', 'http://b:2']\n", &["node"]).unwrap();
        let Some(crate::cli::Command::Node(node)) = cli.command else { panic!("not the node") };
        assert_eq!(node.registry, ["http://a:1", "http://b:2"]);
    }

    #[test]
    fn unknown_key_is_named() {
        let error = parse_with("minners = 5\n", &[]).unwrap_err().to_string();
        assert!(error.contains("unknown key `minners`"), "{error}");
    }

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_is_also_a_variable() {
        for sub in Cli::command().get_subcommands() {
            for arg in sub.get_arguments().filter(|arg| arg.get_long().is_some() && arg.get_env().is_none()) {
                let name = (sub.get_name(), arg.get_long().unwrap());
                assert!(matches!(name, (_, "json" | "output" | "help" | "version" | "no-seal-check")), "{name:?}");
            }
        }
    }
}
