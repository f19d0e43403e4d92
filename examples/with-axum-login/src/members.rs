//! The members, as axum-login asks for them.

use axum_login::{AuthUser, AuthnBackend};
use serde::Deserialize;
use std::convert::Infallible;

#[derive(Clone, Debug)]
pub(crate) struct Member {
    id: u32,
    pub(crate) name: &'static str,
    password: &'static str,
}

/// Two members to try. A real club keeps salted hashes (Argon2id), and limits the tries.
const MEMBERS: [Member; 2] = [
    Member {
        id: 1,
        name: "Ada",
        password: "lovelace",
    },
    Member {
        id: 2,
        name: "Grace",
        password: "hopper",
    },
];

impl AuthUser for Member {
    type Id = u32;

    fn id(&self) -> u32 {
        self.id
    }

    /// What signs the member out everywhere when it changes: the hash of the password, in a real club.
    fn session_auth_hash(&self) -> &[u8] {
        self.name.as_bytes()
    }
}

#[derive(Deserialize)]
pub(crate) struct SignIn {
    name: String,
    password: String,
}

#[derive(Clone)]
pub(crate) struct Members;

impl AuthnBackend for Members {
    type User = Member;
    type Credentials = SignIn;
    type Error = Infallible;

    async fn authenticate(&self, sign_in: SignIn) -> Result<Option<Member>, Infallible> {
        let found = MEMBERS.into_iter().find(|member| {
            member.name.eq_ignore_ascii_case(sign_in.name.trim())
                && member.password == sign_in.password
        });
        Ok(found)
    }

    async fn get_user(&self, id: &u32) -> Result<Option<Member>, Infallible> {
        Ok(MEMBERS.into_iter().find(|member| member.id == *id))
    }
}
