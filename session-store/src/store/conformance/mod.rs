//! Every promise of the [store contract](super) as a test, for whoever writes a store.
//!
//! ```no_run
//! // in tests/conformance.rs of a crate that has tokio (features `macros` and `rt`) among its dev-dependencies
//! use level_session::store::MemoryStore;
//!
//! level_session::conformance_tests!(memory, MemoryStore::new());
//! ```
//!
//! makes a module `memory` with one `#[tokio::test]` per promise. The expression is evaluated for each of them, in an
//! async block, and gives a new and empty store. Without the macro there is [`run`], and each promise is an async
//! function of its own. What is broken is said in the panic.
//!
//! Times are those of today, so that a store which leaves expiry to its server can pass; the future is reached by
//! passing a later `now`.

mod adding;
mod expiry;
mod fields;
mod grace;
mod guards;
mod index;
mod kit;
mod life;
mod races;
mod renewal;
mod upkeep;

pub use adding::*;
pub use expiry::*;
pub use fields::*;
pub use grace::*;
pub use guards::*;
pub use index::*;
pub use life::*;
pub use races::*;
pub use renewal::*;
pub use upkeep::*;

use super::Store;
use std::sync::Arc;

/// Holds every promise, each on a store of its own.
///
/// # Panics
/// With the promise that is broken.
pub async fn run<S: Store, F: Future<Output = S>>(new_store: impl Fn() -> F) {
    macro_rules! all {
        (() $($promise:ident)*) => {$(
            let store: Arc<dyn Store> = Arc::new(new_store().await);
            $promise(store).await;
        )*};
    }
    crate::__for_each_promise!(all);
}

/// Makes a module with one `#[tokio::test]` per promise of the store contract. See
/// [`store::conformance`](crate::store::conformance).
#[macro_export]
macro_rules! conformance_tests {
    ($module:ident, $new_store:expr) => {
        mod $module {
            #[allow(unused_imports)]
            use super::*;
            #[allow(unused_imports)]
            use $crate::__conformance_test;
            $crate::__for_each_promise!(__conformance_test $new_store);
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_test {
    (($new_store:expr) $($promise:ident)*) => {$(
        #[::tokio::test]
        async fn $promise() {
            let store: ::std::sync::Arc<dyn $crate::store::Store> = ::std::sync::Arc::new($new_store);
            $crate::store::conformance::$promise(store).await;
        }
    )*};
}

/// The one list of promises: hands it to another macro, behind that one's arguments.
#[doc(hidden)]
#[macro_export]
macro_rules! __for_each_promise {
    ($callback:ident $($args:tt)*) => {
        $callback! { ($($args)*)
            a_created_session_is_there_with_its_fields_and_times
            a_session_keeps_the_time_that_it_was_made
            create_never_overwrites_a_session
            create_never_revives_an_ended_session
            a_commit_on_nothing_is_gone_and_makes_nothing
            a_session_lives_strictly_before_its_deadline
            a_lease_of_a_later_use_counts
            a_lease_of_an_earlier_use_is_ignored
            destroy_ends_a_session_for_good
            the_end_of_a_session_is_remembered
            a_session_can_be_asked_for_without_its_fields
            renew_moves_a_session_whole_and_ends_its_id
            renew_always_brings_its_lease
            renew_never_overwrites
            a_renewal_with_a_failed_guard_did_not_happen
            a_former_id_works_until_its_grace_ends
            a_grace_in_the_past_is_none
            a_former_id_ends_when_the_new_one_was_used
            a_former_id_cannot_renew_and_ends_with_the_next_renewal
            destroy_ends_a_session_under_all_its_ids
            a_former_id_does_not_outlive_the_session
            a_commit_changes_only_the_fields_it_names
            a_view_knows_when_it_is_of_the_past
            clear_removes_everything_before_the_writes
            fields_come_in_the_order_that_they_are_asked_for
            any_string_names_a_field
            values_are_any_bytes
            a_commit_whose_guards_hold_applies
            a_failed_guard_changes_nothing_and_tells_what_is_stored
            guards_see_what_was_there_before_clear
            a_guard_may_stand_alone
            a_dead_session_is_gone_whatever_the_guards_say
            an_addition_adds_to_what_is_stored
            an_addition_after_clear_starts_from_its_base
            an_addition_to_what_has_expired_starts_from_its_base
            an_addition_out_of_range_changes_nothing
            an_addition_to_what_is_no_number_changes_nothing
            concurrent_additions_lose_nothing
            sessions_are_found_by_an_entry_oldest_first
            an_entry_follows_its_field
            an_addition_leaves_the_entry
            entries_move_with_a_renewal_and_go_with_the_session
            an_expired_session_is_not_found
            entries_are_any_bytes
            pages_list_every_live_session_once_and_in_order
            a_sweep_removes_only_the_dead
            sessions_can_be_copied_to_another_store
            a_closed_store_answers_with_errors
            closing_waits_for_commits_in_flight
            one_of_many_creates_wins
            one_of_many_takers_gets_a_field
            guarded_updates_lose_nothing
            commits_of_different_fields_lose_nothing
            a_reader_sees_a_commit_whole
            a_destroy_among_writers_leaves_nothing_behind
            a_renewal_among_writers_loses_nothing
            a_dropped_commit_is_whole_or_not_at_all
        }
    };
}
