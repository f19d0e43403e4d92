//! The commands `list`, `find` and `show`.

use crate::{
    args::View,
    out::{Failure, Out, Result},
    store::{Inspected, handle},
};
use level_session::{
    SessionHandle, Value,
    store::{Bytes, Digest, Page},
    value::index_entry,
};
use level_session_cli::Picture;

pub(crate) async fn list(store: &Inspected, view: &View, out: &mut Out) -> Result<bool> {
    let (mut after, mut all_well) = (None, true);
    loop {
        let page = store.page(after.as_ref()).await?;
        all_well &= show_page(store, &page, None, view, out).await?;
        after = page.next;
        if after.is_none() {
            return Ok(all_well);
        }
    }
}

pub(crate) async fn find(
    store: &Inspected,
    field: &str,
    value: &Value,
    view: &View,
    out: &mut Out,
) -> Result<bool> {
    let stored = value.to_stored(None).map_err(Failure::of)?;
    let entry = index_entry(&stored).map_err(Failure::of)?;
    let (mut after, mut all_well) = (None, true);
    loop {
        let page = store.page_of(field, &entry, after.as_ref()).await?;
        let only = Some((field, &entry));
        all_well &= show_page(store, &page, only, view, out).await?;
        after = page.next;
        if after.is_none() {
            return Ok(all_well);
        }
    }
}

/// Shows the sessions that are live and, if `only` is given, have this value now. An unreadable session gets its own line.
async fn show_page(
    store: &Inspected,
    page: &Page<Digest>,
    only: Option<(&str, &Bytes)>,
    view: &View,
    out: &mut Out,
) -> Result<bool> {
    let mut all_well = true;
    let reads_fields = view.has_fields() || only.is_some();
    for (id, read) in store.read_page(&page.items, reads_fields).await? {
        match read {
            Ok(None) => {} // the session has ended in the meantime
            Ok(Some(read)) => {
                if let Some((field, entry)) = only {
                    let mut fields = read.fields.iter();
                    let stored = fields.find(|(name, _)| **name == *field);
                    let has = stored.and_then(|(_, stored)| index_entry(stored).ok());
                    if has.as_ref() != Some(entry) {
                        continue;
                    }
                }
                let mut picture = Picture::new(handle(id), &read.meta);
                if view.has_fields() {
                    picture = picture.with_fields(read.fields, view.values);
                }
                out.session(&picture)?;
            }
            Err(error) => {
                all_well = false;
                out.unreadable(handle(id), &error)?;
            }
        }
    }
    Ok(all_well)
}

pub(crate) async fn show(
    store: &Inspected,
    session: SessionHandle,
    values: bool,
    out: &mut Out,
) -> Result<bool> {
    let read = store.read(session.digest(), true).await;
    let Some(read) = read.map_err(Failure::store)? else {
        crate::out::complain("no such session");
        return Ok(false);
    };
    let picture = Picture::new(session, &read.meta).with_fields(read.fields, values);
    out.shown(&picture)?;
    Ok(true)
}
