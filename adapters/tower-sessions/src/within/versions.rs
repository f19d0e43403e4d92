//! The session of each enabled version of tower-sessions' core.

use http::Extensions;
use level_session::UntypedSession;
use std::fmt;

type Failed = Box<dyn fmt::Display + Send + Sync>;

/// The sessions of one request.
pub(super) struct Sessions {
    #[cfg(feature = "core-0-14")]
    on_0_14: on_0_14::Within,
    #[cfg(feature = "core-0-15")]
    on_0_15: on_0_15::Within,
}

impl Sessions {
    /// Adds the sessions to the request's extensions.
    #[allow(unused_variables, reason = "without a core there is no session")]
    pub(super) fn begin(session: &UntypedSession, extensions: &mut Extensions) -> Self {
        Self {
            #[cfg(feature = "core-0-14")]
            on_0_14: on_0_14::Within::begin(session, extensions),
            #[cfg(feature = "core-0-15")]
            on_0_15: on_0_15::Within::begin(session, extensions),
        }
    }

    /// Passes the changes to the request's unit of work.
    pub(super) async fn end(self) -> Result<(), Failed> {
        #[cfg(feature = "core-0-14")]
        self.on_0_14.end().await?;
        #[cfg(feature = "core-0-15")]
        self.on_0_15.end().await?;
        Ok(())
    }
}

macro_rules! within {
    ($feature:literal, $name:ident, $core:ident) => {
        #[cfg(feature = $feature)]
        mod $name {
            use super::{super::unit::Unit, Extensions, Failed, UntypedSession};
            use level_session::{Error, ErrorKind};
            use std::sync::Arc;
            use $core::{
                Session, SessionStore,
                session::{Id, Record},
                session_store,
            };

            pub(super) struct Within {
                session: Session,
                unit: Arc<Unit>,
            }

            #[derive(Debug)]
            struct Store(Arc<Unit>);

            impl Within {
                pub(super) fn begin(session: &UntypedSession, extensions: &mut Extensions) -> Self {
                    // Without a cookie, there is nothing to load.
                    let id = session.log_id().map(|_| Id::default());
                    let unit = Unit::new(session.clone(), id.map(Into::into), Id::default().into());
                    let unit = Arc::new(unit);
                    let session = Session::new(id, Arc::new(Store(unit.clone())), None);
                    extensions.insert(session.clone());
                    Self { session, unit }
                }

                pub(super) async fn end(self) -> Result<(), Failed> {
                    if self.session.is_modified() && !self.session.is_empty().await {
                        self.session
                            .save()
                            .await
                            .map_err(|error| Box::new(error) as Failed)?;
                    }
                    self.unit.end().map_err(|error| Box::new(error) as Failed)
                }
            }

            fn theirs(error: Error) -> session_store::Error {
                match error.kind() {
                    ErrorKind::Encode
                    | ErrorKind::Type
                    | ErrorKind::TooLarge
                    | ErrorKind::Misuse => session_store::Error::Encode(error.to_string()),
                    ErrorKind::Decode => session_store::Error::Decode(error.to_string()),
                    _ => session_store::Error::Backend(error.to_string()),
                }
            }

            #[async_trait::async_trait]
            impl SessionStore for Store {
                async fn create(&self, record: &mut Record) -> session_store::Result<()> {
                    self.0
                        .create(record.id.into(), &record.data)
                        .map_err(theirs)
                }

                async fn save(&self, record: &Record) -> session_store::Result<()> {
                    self.0
                        .save(record.id.into(), &record.data)
                        .await
                        .map_err(theirs)
                }

                async fn load(&self, _: &Id) -> session_store::Result<Option<Record>> {
                    let found = self.0.load().await.map_err(theirs)?;
                    Ok(found.map(|(id, data, expiry_date)| Record {
                        id: Id(id.0),
                        data,
                        expiry_date,
                    }))
                }

                async fn delete(&self, id: &Id) -> session_store::Result<()> {
                    self.0.delete((*id).into()).map_err(theirs)
                }
            }
        }
    };
}

within!("core-0-14", on_0_14, tower_sessions_core_0_14);
within!("core-0-15", on_0_15, tower_sessions_core_0_15);
