//! Implements the traits of each version of tower-sessions' core.

use crate::{
    id::SessionId,
    store::{BridgeStore, Record},
};
use level_session_store::{Error, ErrorKind};
use std::error::Error as StdError;

/// An error in one line, with its causes, since tower-sessions' errors are strings.
fn line(error: &Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        line.push_str(": ");
        line.push_str(&next.to_string());
        cause = next.source();
    }
    line
}

macro_rules! store_of {
    ($feature:literal, $core:ident) => {
        #[cfg(feature = $feature)]
        const _: () = {
            use $core::{
                ExpiredDeletion, SessionStore,
                session::{Id, Record as Theirs},
                session_store,
            };

            impl From<Id> for SessionId {
                fn from(id: Id) -> Self {
                    Self(id.0)
                }
            }

            fn theirs(error: Error) -> session_store::Error {
                match error.kind() {
                    ErrorKind::Encode => session_store::Error::Encode(line(&error)),
                    ErrorKind::Decode => session_store::Error::Decode(line(&error)),
                    _ => session_store::Error::Backend(line(&error)),
                }
            }

            #[cfg_attr(docsrs, doc(cfg(feature = $feature)))]
            #[async_trait::async_trait]
            impl SessionStore for BridgeStore {
                async fn create(&self, record: &mut Theirs) -> session_store::Result<()> {
                    let mut id = record.id.into();
                    let expiry = record.expiry_date;
                    Self::create(self, &mut id, &mut record.data, expiry, || {
                        Id::default().into()
                    })
                    .await
                    .map_err(theirs)?;
                    record.id = Id(id.0);
                    Ok(())
                }

                async fn save(&self, record: &Theirs) -> session_store::Result<()> {
                    Self::save(self, record.id.into(), &record.data, record.expiry_date)
                        .await
                        .map_err(theirs)
                }

                async fn load(&self, id: &Id) -> session_store::Result<Option<Theirs>> {
                    let found = Self::load(self, (*id).into()).await.map_err(theirs)?;
                    Ok(found.map(|Record { id, data, expiry }| Theirs {
                        id: Id(id.0),
                        data,
                        expiry_date: expiry,
                    }))
                }

                async fn delete(&self, id: &Id) -> session_store::Result<()> {
                    Self::delete(self, (*id).into()).await.map_err(theirs)
                }
            }

            #[cfg_attr(docsrs, doc(cfg(feature = $feature)))]
            #[async_trait::async_trait]
            impl ExpiredDeletion for BridgeStore {
                async fn delete_expired(&self) -> session_store::Result<()> {
                    Self::delete_expired(self).await.map_err(theirs)
                }
            }
        };
    };
}

store_of!("core-0-14", tower_sessions_core_0_14);
store_of!("core-0-15", tower_sessions_core_0_15);
