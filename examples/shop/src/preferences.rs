//! Preferences: two fields that are enums.

use crate::{
    page::page,
    session::{Language, Shop, Theme},
};
use axum::{Form, response::Redirect};
use level_session::{Result, Session};
use maud::{Markup, html};
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Preferences {
    theme: Theme,
    language: Language,
}

pub(crate) async fn form(session: Session<Shop>) -> Result<Markup> {
    let chosen = Preferences {
        theme: session.theme().await?,
        language: session.language().await?,
    };
    page(
        &session,
        "Preferences",
        html! {
            form.stack method="post" action="/preferences" {
                fieldset {
                    legend { "Colours" }
                    @for theme in Theme::ALL {
                        label.choice {
                            input type="radio" name="theme" value=(theme.name()) checked[theme == chosen.theme];
                            (match theme {
                                Theme::System => "Same as my system",
                                Theme::Light => "Light",
                                Theme::Dark => "Dark",
                            })
                        }
                    }
                }
                label for="language" { "Language of the greeting" }
                select id="language" name="language" {
                    @for language in Language::ALL {
                        option value=(language.tag()) selected[language == chosen.language] { (language.name()) }
                    }
                }
                button { "Save" }
            }
        },
    )
    .await
}

pub(crate) async fn save(
    session: Session<Shop>,
    Form(chosen): Form<Preferences>,
) -> Result<Redirect> {
    session.theme().set(chosen.theme)?;
    session.language().set(chosen.language)?;
    session.say("Your preferences are saved.")?;
    Ok(Redirect::to("/preferences"))
}
