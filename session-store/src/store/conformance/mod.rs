//! Every promise of the [store contract](crate#the-promises) as a test, for authors of stores.
//!
//! ```no_run
//! // in tests/conformance.rs of a crate whose dev-dependencies include this one (feature `conformance`) and tokio
//! // (features `macros` and `rt`)
//! use level_session_store::MemoryStore;
//!
//! level_session_store::conformance_tests!(memory, MemoryStore::new());
//! ```
//!
//! creates a module `memory` with one `#[tokio::test]` per promise. The expression is evaluated for each test, in an
//! async block, and returns a store. For a store that several processes can open, pass a pair of handles as well: each
//! promise is then also tested between the two handles, in a module `in_turn`:
//!
//! ```no_run
//! # use level_session_store::MemoryStore;
//! # async fn open() -> MemoryStore { MemoryStore::new() }
//! # async fn open_twice() -> (std::sync::Arc<MemoryStore>, std::sync::Arc<MemoryStore>) {
//! #     let store = std::sync::Arc::new(MemoryStore::new());
//! #     (store.clone(), store)
//! # }
//! level_session_store::conformance_tests!(networked, open().await, pair: open_twice().await);
//! ```
//!
//! Without the macro, use [`run`], or the async function of each promise, which takes any store (two handles as
//! [`InTurn`]). If a promise is broken, its function panics with the promise. [`model`] has a test with random commits,
//! whose generator can be driven by a property-testing library.
//!
//! # Requirements of the tests
//! - **A tokio runtime** with its timer enabled.
//! - **Time.** A test begins at the system's time, so that a store that leaves expiry to its server can pass, and reaches
//!   the future by passing a later `now`. Its clock does not advance meanwhile: a session that dies at the next second
//!   of the test's clock must exist for [`SLACK`] of real time. A store whose server removes sessions by itself must
//!   keep them for at least that much longer than the time to their deadline.
//! - **Other sessions.** A store may hold any number of other sessions, even half a million: a test finds its own by
//!   ids and index entries that it has drawn, and only [`pages_list_every_live_session`] reads all. But tests that run
//!   at the same time need separate stores, for example in namespaces of one server: a test may close its store, and
//!   may sweep it at times up to a few hours from now.

mod adding;
mod bounds;
mod clocks;
mod copying;
mod dropped;
mod expiry;
mod fields;
mod grace;
mod guards;
mod in_turn;
mod index;
mod kit;
mod life;
mod limits;
pub mod model;
mod paging;
mod races;
mod renewal;
mod telling;
mod upkeep;
mod uses;

pub use adding::*;
pub use bounds::*;
pub use clocks::*;
pub use copying::*;
pub use dropped::*;
pub use expiry::*;
pub use fields::*;
pub use grace::*;
pub use guards::*;
pub use in_turn::InTurn;
pub use index::*;
pub use life::*;
pub use limits::*;
pub use model::the_store_agrees_with_the_model;
pub use paging::*;
pub use races::*;
pub use renewal::*;
pub use telling::*;
pub use upkeep::*;
pub use uses::*;

use super::Store;
use std::{sync::Arc, time::Duration};

/// The real time that a test may take while its own clock does not advance. A store whose server removes expired
/// sessions by itself passes the suite if it keeps them for this much longer than the time to their deadline.
pub const SLACK: Duration = Duration::from_secs(60);

/// Runs every conformance test, each against a store that `new_store` returns.
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

/// Creates a module with one `#[tokio::test]` per promise of the store contract. See
/// [`conformance`](crate::conformance).
#[macro_export]
macro_rules! conformance_tests {
    ($module:ident, $new_store:expr $(,)?) => {
        mod $module {
            #[allow(unused_imports)]
            use super::*;
            use $crate::__conformance_test;
            $crate::__for_each_promise!(__conformance_test $new_store);
        }
    };
    ($module:ident, $new_store:expr, pair: $pair:expr $(,)?) => {
        mod $module {
            #[allow(unused_imports)]
            use super::*;
            use $crate::__conformance_test;
            $crate::__for_each_promise!(__conformance_test $new_store);

            mod in_turn {
                #[allow(unused_imports)]
                use super::super::*;
                use $crate::__conformance_test;
                $crate::__for_each_promise!(__conformance_test {
                    let (first, second) = $pair;
                    $crate::conformance::InTurn::new(first, second)
                });
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_test {
    (($new_store:expr) $($promise:ident)*) => {$(
        #[::tokio::test]
        async fn $promise() {
            let store: ::std::sync::Arc<dyn $crate::Store> = ::std::sync::Arc::new($new_store);
            $crate::conformance::$promise(store).await;
        }
    )*};
}

/// The one list of promises: passes it to another macro, after that macro's own arguments.
#[doc(hidden)]
#[macro_export]
macro_rules! __for_each_promise {
    ($callback:ident $($args:tt)*) => {
        $callback! { ($($args)*)
            a_created_session_is_there_with_its_fields_and_times
            a_session_keeps_the_time_that_it_was_made
            every_time_of_a_session_is_kept
            a_deadline_may_never_come
            create_never_overwrites_a_session
            create_never_revives_an_ended_session
            a_commit_on_nothing_is_gone_and_makes_nothing
            destroy_ends_a_session_for_good
            the_end_of_a_session_is_remembered
            a_session_can_be_asked_for_without_its_fields
            a_session_lives_strictly_before_its_deadline
            a_create_on_what_has_expired_is_refused_or_begins_anew
            a_use_is_noted_when_it_is_due
            a_commit_without_a_use_moves_no_deadline
            changed_timeouts_are_noted_at_once
            shortened_timeouts_hold_in_a_commit
            a_deadline_that_was_moved_is_forgotten
            a_forced_use_is_noted
            a_use_of_the_past_changes_nothing
            a_use_that_is_not_told_is_seen_alone
            a_lifetime_of_its_own_is_kept
            a_lifetime_of_its_own_is_within_the_deployment_s
            a_commit_tells_the_times_of_the_session
            a_clock_that_is_behind_shortens_nothing
            an_end_by_a_clock_that_is_ahead_is_an_end
            an_end_by_a_clock_that_is_behind_is_an_end
            a_grace_that_was_ended_has_ended_for_every_clock
            what_was_swept_by_one_clock_is_gone_for_all
            renew_moves_a_session_whole_and_ends_its_id
            renew_always_brings_its_lease
            renew_never_overwrites
            a_renewal_with_a_failed_guard_did_not_happen
            a_session_stays_at_home
            a_former_id_works_until_its_grace_ends
            a_grace_in_the_past_is_none
            a_former_id_ends_when_the_new_one_was_used
            a_former_id_cannot_renew_and_ends_with_the_next_renewal
            destroy_ends_a_session_under_all_its_ids
            a_former_id_does_not_outlive_the_session
            a_former_id_that_ends_between_look_and_write_writes_nothing
            a_commit_changes_only_the_fields_it_names
            a_view_knows_when_it_is_of_the_past
            clear_removes_everything_before_the_writes
            reserved_names_survive_a_clear_of_the_fields
            fields_come_in_the_order_that_they_are_asked_for
            any_string_names_a_field
            random_names_are_apart
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
            counters_are_exact_in_all_of_their_range
            what_a_caller_has_seen_changes_no_sum
            concurrent_additions_lose_nothing
            concurrent_additions_stop_at_the_end_of_the_range
            errors_show_no_value_and_no_id
            sessions_are_found_by_an_entry
            an_entry_follows_its_field
            an_addition_leaves_the_entry
            entries_move_with_a_renewal_and_go_with_the_session
            an_expired_session_is_not_found
            a_session_is_found_as_long_as_it_lives
            entries_are_any_bytes
            a_full_limit_refuses
            a_session_within_a_limit_is_never_refused
            a_full_limit_ends_those_that_signed_in_first
            a_limit_ends_in_the_order_of_the_sign_ins
            limits_count_their_own_entries
            what_a_limit_ends_has_a_time_of_its_own
            what_a_limit_ends_is_atomic_with_the_commit
            the_first_of_several_answers_is_given
            limits_hold_under_races
            more_fields_than_are_allowed_are_refused_whole
            a_session_with_too_many_fields_may_change_and_shrink
            fields_stay_within_their_bound_under_races
            find_lists_every_session_while_others_come_and_go
            pages_list_every_live_session
            a_foreign_cursor_is_an_error
            a_limit_of_nothing_comes_to_an_end
            a_sweep_removes_only_the_dead
            a_sweep_of_nothing_removes_nothing
            a_closed_store_answers_with_errors
            closing_waits_for_commits_in_flight
            expired_sessions_are_told_once
            ended_sessions_are_told
            closing_is_told
            sessions_can_be_copied_to_another_store
            copied_sessions_are_found
            one_of_many_creates_wins
            one_of_many_renewals_wins
            one_of_many_takers_gets_a_field
            guarded_updates_lose_nothing
            commits_of_different_fields_lose_nothing
            a_reader_sees_a_commit_whole
            a_destroy_among_writers_leaves_nothing_behind
            a_renewal_among_writers_loses_nothing
            a_dropped_commit_is_whole_or_not_at_all
            a_dropped_step_is_whole_or_not_at_all
            a_held_commit_blocks_no_other_call
            a_commit_that_is_repeated_is_not_applied_twice
            the_store_agrees_with_the_model
        }
    };
}
