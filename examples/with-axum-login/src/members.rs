//! The members: the user backend of axum-login.

use axum_login::{AuthUser, AuthnBackend};
use serde::Deserialize;
use std::convert::Infallible;

#[derive(Clone, Debug)]
pub(crate) struct Member {
    id: u32,
    pub(crate) name: &'static str,
    password: &'static str,
}

/// Two members for trying the example. A real club stores salted hashes (Argon2id) and limits the number of attempts.
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

    /// When this changes, the member is signed out everywhere. A real club returns the hash of the password.
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
