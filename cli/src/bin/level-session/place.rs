//! Parses the location of a store and opens the store.

use crate::{
    args::Args,
    out::{Failure, Result},
    store::Inspected,
};
use std::{borrow::Cow, path::PathBuf};

/// Resolves a location from the command line: the text itself, or the environment variable of `env:NAME`.
pub(crate) fn named(text: &str) -> Result<Cow<'_, str>> {
    let Some(name) = text.strip_prefix("env:") else {
        return Ok(text.into());
    };
    let named = std::env::var(name);
    named.map(Cow::from).map_err(|_| {
        Failure::of(format!(
            "the environment variable {name} is not set, or is not valid UTF-8"
        ))
    })
}

/// The location of a store. A URL may contain a password, so there is no `Debug`, and no message shows the URL.
pub(crate) enum Place {
    Folder(PathBuf),
    Redis(String),
    Postgres(String),
}

impl Place {
    pub(crate) fn of(text: &str) -> Result<Self> {
        let text = &*named(text)?;
        if text.is_empty() {
            return Err(Failure::of(
                "the store is empty: pass a directory, or a URL that begins with redis://, rediss:// or postgres://",
            ));
        }
        Ok(match text.split_once("://").map(|(scheme, _)| scheme) {
            None => Self::Folder(text.into()),
            Some("redis" | "rediss") => Self::Redis(text.to_owned()),
            Some("postgres" | "postgresql") => Self::Postgres(text.to_owned()),
            Some(_) => {
                return Err(Failure::of(
                    "unsupported URL: pass a directory, or a URL that begins with redis://, rediss:// or postgres://",
                ));
            }
        })
    }

    /// Opens the store. A missing directory is created only if `may_be_new`.
    pub(crate) async fn open(self, args: &Args, may_be_new: bool) -> Result<Inspected> {
        match self {
            Self::Folder(path) => {
                // Opening would create a missing directory, so a mistyped path would look like an empty store.
                if !may_be_new && !path.join("keyspaces").is_dir() {
                    return Err(Failure::of(format!(
                        "no session store at {}",
                        path.display()
                    )));
                }
                folder(&path, args)
            }
            Self::Redis(url) => redis(&url, args).await,
            Self::Postgres(url) => postgres(url, args).await,
        }
    }
}

#[cfg(feature = "fjall")]
fn folder(path: &std::path::Path, args: &Args) -> Result<Inspected> {
    let mut builder = level_session::FjallStore::builder()
        .cache_sessions(0)
        .sweep_every(None);
    if let Some(prefix) = &args.prefix {
        builder = builder.prefix(prefix);
    }
    Inspected::checked(builder.open(path).map_err(Failure::store)?)
}

#[cfg(not(feature = "fjall"))]
fn folder(_: &std::path::Path, _: &Args) -> Result<Inspected> {
    Err(without("fjall"))
}

#[cfg(feature = "redis")]
async fn redis(url: &str, args: &Args) -> Result<Inspected> {
    use std::time::Duration;
    // The sessions of a page are requested concurrently, so responses may take longer.
    let mut builder =
        level_session::RedisStore::builder().response_timeout(Duration::from_secs(10));
    if let Some(prefix) = &args.prefix {
        builder = builder.prefix(prefix);
    }
    Inspected::checked(builder.connect(url).await.map_err(Failure::store)?)
}

#[cfg(not(feature = "redis"))]
async fn redis(_: &str, _: &Args) -> Result<Inspected> {
    Err(without("redis"))
}

#[cfg(feature = "postgres")]
async fn postgres(url: String, args: &Args) -> Result<Inspected> {
    use std::time::Duration;
    let mut builder = level_session::PostgresStore::builder(url)
        .pool_size(4)
        .timeout(Duration::from_secs(60))
        .plain_text(args.plain_text)
        .sweep_every(None);
    if let Some(schema) = &args.schema {
        builder = builder.schema(schema);
    }
    Inspected::checked(builder.open().await.map_err(Failure::store)?)
}

#[cfg(not(feature = "postgres"))]
async fn postgres(_: String, _: &Args) -> Result<Inspected> {
    Err(without("postgres"))
}

#[cfg(not(all(feature = "fjall", feature = "redis", feature = "postgres")))]
fn without(feature: &str) -> Failure {
    Failure::of(format!(
        "this build does not support this store: it was compiled without the feature `{feature}`"
    ))
}
