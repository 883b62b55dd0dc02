//! The four layers that settings come from, as text.

use super::{Config, values::Setting};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use figment::{
    Error, Figment, Metadata, Profile, Provider,
    providers::{Format, Toml},
    value::{Dict, Map, Value},
};
use std::collections::BTreeMap;

/// A setting that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("setting `{name}`{origin}: {why}")]
pub struct Bad {
    name: String,
    origin: String,
    why: String,
}

impl Bad {
    pub(super) fn new(name: &str, why: impl Into<String>) -> Self {
        Self { name: name.to_owned(), origin: String::new(), why: why.into() }
    }
}

/// The settings given as flags, not yet parsed.
#[derive(Debug, Clone, Default)]
pub struct Flags(BTreeMap<String, String>);

impl Flags {
    /// Flags by name and text, for programs that start a server of their own.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(pairs.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect())
    }
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new("config").long("config").value_name("FILE").help(
            "A TOML file with any of the settings below, named with underscores \
             [env: LETTERBOX_CONFIG]",
        );
        Config::TABLE.iter().fold(command.arg(config), |command, (name, default, meaning)| {
            let default = if default.is_empty() { "" } else { &format!(" [default: {default}]") };
            let help = format!("{}{default} [env: {}]", meaning.trim(), variable(name));
            let value = name.rsplit_once('_').map_or(*name, |(_, last)| last).to_uppercase();
            command.arg(Arg::new(*name).long(name.replace('_', "-")).value_name(value).help(help))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let names = Config::TABLE.iter().map(|row| row.0).chain(["config"]);
        let given = |name: &str| Some((name.to_owned(), matches.get_one::<String>(name)?.clone()));
        Ok(Self(names.filter_map(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.extend(Self::from_arg_matches(matches)?.0);
        Ok(())
    }
}

fn variable(name: &str) -> String {
    format!("LETTERBOX_{}", name.to_uppercase())
}

/// All layers on top of each other.
pub(super) struct Layers(Figment);

impl Layers {
    pub(super) fn read(
        flags: &Flags,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Bad> {
        let mut flags = flags.0.clone();
        let environment = from_environment(environment);
        let file = flags.remove("config").or_else(|| environment.get("config").cloned());
        let defaults = Config::TABLE.iter().map(|row| (row.0.to_owned(), row.1.to_owned()));
        let mut layers = Figment::from(Layer::new("the default", defaults.collect()));
        if let Some(file) = file {
            let unreadable = |e: &dyn std::fmt::Display| Bad::new("config", format!("{file}: {e}"));
            let text = std::fs::read_to_string(&file).map_err(|e| unreadable(&e))?;
            let parsed: Dict = Toml::from_str(&text).map_err(|_| unreadable(&"is not TOML"))?;
            let known = |name: &str| Config::TABLE.iter().any(|row| row.0 == name);
            if let Some(name) = parsed.keys().find(|name| !known(name)) {
                return Err(Bad::new(name, format!("{file}: there is no such setting")));
            }
            layers = layers.merge(Layer { place: file, values: parsed });
        }
        let environment = Layer::new("the environment", environment);
        Ok(Self(layers.merge(environment).merge(Layer::new("the command line", flags))))
    }

    /// The setting of this name, from the topmost layer that has it.
    pub(super) fn parse<T: Setting>(&self, name: &str) -> Result<T, Bad> {
        let place = self.0.find_metadata(name).map(|m| format!(" (from {})", m.name));
        let bad = |why| Bad { name: name.into(), origin: place.unwrap_or_default(), why };
        match self.0.find_value(name).map(text) {
            Ok(Some(text)) => T::parse(text.trim()).map_err(bad),
            Ok(None) => Err(bad("must be text, a number or a list of texts".into())),
            Err(_) => Err(bad("is missing".into())),
        }
    }
}

/// The variables that name a setting. Others with the same prefix are passed over: orchestrators
/// set some (`LETTERBOX_PORT`) for a service of this name.
fn from_environment(
    variables: impl IntoIterator<Item = (String, String)>,
) -> BTreeMap<String, String> {
    let given: BTreeMap<String, String> = variables.into_iter().collect();
    let names = Config::TABLE.iter().map(|row| row.0).chain(["config"]);
    names.filter_map(|name| Some((name.to_owned(), given.get(&variable(name))?.clone()))).collect()
}

/// A value's text: lists are joined by commas.
fn text(value: Value) -> Option<String> {
    match value {
        Value::String(_, text) => Some(text),
        Value::Num(_, number) => Some(number.to_i128().map(|n| n.to_string())?),
        Value::Array(_, items) => {
            let items: Option<Vec<String>> = items.into_iter().map(text).collect();
            Some(items?.join(","))
        }
        _ => None,
    }
}

struct Layer {
    place: String,
    values: Dict,
}

impl Layer {
    fn new(place: &str, texts: BTreeMap<String, String>) -> Self {
        let values = texts.into_iter().map(|(name, text)| (name, Value::from(text))).collect();
        Self { place: place.to_owned(), values }
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.place.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}
